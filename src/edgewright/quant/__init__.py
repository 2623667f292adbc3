"""Calibration, grids, precision plans."""
