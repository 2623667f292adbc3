"""The fast ways of all head families: importing this module enters them into `FAST`."""

from edgewright.runtime.output_path import fastestdet, paddle, ssd, superpoint, yolov8, yolov8_raw, yolox

__all__ = ["fastestdet", "paddle", "ssd", "superpoint", "yolov8", "yolov8_raw", "yolox"]
