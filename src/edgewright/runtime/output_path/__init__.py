"""From what a runtime gives to a result, converting only what the result needs. One file a head family."""
