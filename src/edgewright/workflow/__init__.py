"""Whole jobs: deploy, compare, inspect."""
