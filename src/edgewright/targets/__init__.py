"""Targets: the Backend contract, the registry, and a folder for each vendor."""
