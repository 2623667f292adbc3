"""See `torch`."""


class Module:
    """Base of classes that are defined while modules load and never made."""
