"""From a frame to the network's buffer: proven over all values, in one pass, without an allocation a frame."""
