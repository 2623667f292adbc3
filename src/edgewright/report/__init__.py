"""What a person reads after a run: the terminal table, the HTML page, and the `--json` object."""
