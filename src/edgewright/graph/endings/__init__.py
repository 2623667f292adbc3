"""What exporters add behind a network for their users: the scale of the image undone, and detections chosen.

No chip has such ops and no stage can be compared behind them, so they are taken off; the host does their work.
"""
