"""The cheapest change of graph, calibration or precision that restores the task metric."""
