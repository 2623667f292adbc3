"""Where the error of a quantised network enters, what it does, and why."""
