"""Detectors: head families, suppression, the detections type, average precision."""
