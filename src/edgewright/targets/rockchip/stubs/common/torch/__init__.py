"""A stand-in for PyTorch in RKNN-Toolkit2's environment, for models that come as ONNX.

The toolkit imports torch while its modules load, and its graph rules use a few functions on arrays of indices. These
are here, on NumPy; anything else is missing on purpose and fails with its name. Loading PyTorch models needs the real
package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from . import nn as nn

__version__ = "0.0.0+edgewright"

float32, float64, int32, int64, long = numpy.float32, numpy.float64, numpy.int32, numpy.int64, numpy.int64


class Tensor(numpy.ndarray[Any, Any]):
    """An array with the few methods of a tensor that are asked for."""

    def numpy(self) -> Any:
        """The plain array."""
        return numpy.asarray(self)

    def detach(self) -> Any:
        """Itself: nothing here has gradients."""
        return self

    cpu = detach
    contiguous = detach

    def numel(self) -> int:
        """Number of elements."""
        return int(self.size)

    def permute(self, *order: Any) -> Any:
        """The axes in another order."""
        return self.transpose(*order)

    def view(self, *shape: Any) -> Any:  # type: ignore[override]
        """torch's reshape; NumPy itself calls this with a type."""
        sizes = _sizes(shape)
        if sizes and all(isinstance(size, (int, numpy.integer)) for size in sizes):
            return self.reshape(*sizes)
        return super().view(*shape)

    def split(self, sizes: Any, dim: int = 0) -> Any:
        """See `split`."""
        return split(self, sizes, dim)


def no_grad(function: Any = None) -> Any:
    """A decorator without effect, with or without brackets."""
    return (lambda wrapped: wrapped) if function is None else function


def arange(*bounds: Any, dtype: Any = None) -> Any:
    """Numbers in a row."""
    return _wrap(numpy.arange(*bounds, dtype=dtype))


def tensor(values: Any, dtype: Any = None) -> Any:
    """A copy of `values`."""
    return _wrap(numpy.array(values, dtype=dtype))


def from_numpy(values: Any) -> Any:
    """The same memory as a tensor."""
    return _wrap(values)


def zeros(*shape: Any, dtype: Any = numpy.float32) -> Any:
    """Zeros of a shape."""
    return _wrap(numpy.zeros(_sizes(shape), dtype))


def ones(*shape: Any, dtype: Any = numpy.float32) -> Any:
    """Ones of a shape."""
    return _wrap(numpy.ones(_sizes(shape), dtype))


def cat(tensors: Any, dim: int = 0) -> Any:
    """Tensors joined along an axis."""
    return _wrap(numpy.concatenate(list(tensors), axis=dim))


def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors joined along a new axis."""
    return _wrap(numpy.stack(list(tensors), axis=dim))


def reshape(values: Any, shape: Sequence[int]) -> Any:
    """Another shape."""
    return _wrap(values).reshape(shape)


def split(values: Any, sizes: Any, dim: int = 0) -> Any:
    """Parts of `sizes` entries each, the last one what is left; or one part for each entry of a list."""
    length = values.shape[dim]
    cuts = list(range(sizes, length, sizes)) if isinstance(sizes, int) else list(numpy.cumsum(sizes)[:-1])
    return tuple(_wrap(part) for part in numpy.split(values, cuts, axis=dim))


def _wrap(values: Any) -> Any:
    return numpy.asarray(values).view(Tensor)


def _sizes(shape: Any) -> Any:
    return shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape
