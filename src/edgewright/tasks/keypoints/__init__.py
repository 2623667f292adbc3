"""Keypoint networks: SuperPoint, the keypoints type, matching metrics."""
