"""A stand-in for PyTorch, written for Edgewright: the few names that TPU-MLIR reads when it imports an ONNX model.

TPU-MLIR imports torch while its modules load, and uses it on the ONNX path only to turn arrays into arrays. The real
package would add gigabytes. PyTorch models themselves cannot be read with this.
"""

from __future__ import annotations

from typing import Any

from . import autograd, nn

__all__ = ["Tensor", "autograd", "nn", "tensor"]
__version__ = "0.0.0+edgewright"


class Tensor:
    """An array that knows how to give itself back."""

    def __init__(self, values: Any = ()) -> None:
        import numpy

        self._values = numpy.asarray(values)

    def numpy(self) -> Any:
        """The array."""
        return self._values


def tensor(values: Any) -> Tensor:
    """An array as a `Tensor`."""
    return Tensor(values)
