"""The demo detector: its scenes, its network, its training. See README.md."""
