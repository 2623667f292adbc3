"""See `torch`."""

from . import functional as functional


class Module:
    """The base class that the toolkit derives from while its modules load."""
