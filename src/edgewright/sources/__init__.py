"""Where models come from, each proven against its own framework."""
