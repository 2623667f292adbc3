"""Comparison by part, stages, degenerate outputs, verdict."""
