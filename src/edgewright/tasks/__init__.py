"""What the outputs of a network mean: head families, decoding, metrics, drawing.

Importing this package enters every family into `base.FAMILIES`, in the order in which they are tried.
"""

from edgewright.tasks import classification
from edgewright.tasks.detection import (
    fastestdet,
    finished_rows,
    picodet,
    ppyoloe,
    rtdetr,
    ssd,
    yolov8,
    yolov8_raw,
    yolox,
)
from edgewright.tasks.keypoints import superpoint
from edgewright.tasks.recognise import recognise

__all__ = [
    "classification",
    "fastestdet",
    "finished_rows",
    "picodet",
    "ppyoloe",
    "recognise",
    "rtdetr",
    "ssd",
    "superpoint",
    "yolov8",
    "yolov8_raw",
    "yolox",
]
