"""Other people's tools, each run as a process of its own and measured as Edgewright is measured."""
