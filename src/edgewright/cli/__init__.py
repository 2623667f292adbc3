"""The command line: one verb a file; the help text of a verb is its `HELP`."""
