"""Bundles: what ships. Packed whole or not at all, opened with distrust."""
