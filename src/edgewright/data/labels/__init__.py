"""Labels of detection data sets: COCO, YOLO and Pascal VOC, one format a file, read by `load_labels`."""

from edgewright.data.labels.base import ImageLabels, Labels
from edgewright.data.labels.load import load_labels

__all__ = ["ImageLabels", "Labels", "load_labels"]
