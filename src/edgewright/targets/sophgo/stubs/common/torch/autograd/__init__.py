"""See `torch`."""


class Function:
    """Base of classes that are defined while modules load and never made."""
