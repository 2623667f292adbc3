"""What flows between stages: tensor descriptions, quantisation grids, and parts of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

QUANTISED_DTYPES: dict[str, tuple[int, int]] = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int32": (-(2**31), 2**31 - 1),
}


def _half_up(values: NDArray[Any]) -> NDArray[Any]:
    whole = np.floor(values)
    return np.asarray(whole + (values - whole >= 0.5))  # values + 0.5 may round up by itself


def _half_away(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.copysign(_half_up(np.abs(values)), values))


ROUNDINGS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "half-even": np.rint,
    "half-up": _half_up,
    "half-away": _half_away,
    "truncate": np.trunc,
}
"""How targets make whole numbers of value / scale: halves to the even one (ONNX), up, away from zero; towards zero."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type and static shape of a tensor.

    Attributes:
        dtype: NumPy name of the element type ("float32", "uint8", ...).
        shape: static shape; None marks a dimension that is not known.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def is_static(self) -> bool:
        """Whether every dimension is known."""
        return all(size is not None for size in self.shape)

    def to_json(self) -> dict[str, Any]:
        """The description as JSON data."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorSpec:
        """Inverse of `to_json`."""
        return cls(data["name"], data["dtype"], tuple(data["shape"]))

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{'x'.join('?' if n is None else str(n) for n in self.shape)}]"


@dataclass(frozen=True)
class Grid:
    """An affine quantisation grid: real value = (code - zero_point) * scale.

    Attributes:
        dtype: code type, a key of `QUANTISED_DTYPES`.
        scale: step sizes, positive and finite, float32; shape () per tensor, (channels,) per channel.
        zero_point: codes of real 0, same shape as `scale`.
        axis: channel axis for a per-channel grid, None per tensor.

    Source of the formula: ONNX operator QuantizeLinear (round half to even, saturate).
    """

    dtype: str
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in QUANTISED_DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(QUANTISED_DTYPES)}, but got {self.dtype!r}")
        scale = np.asarray(self.scale, np.float32)
        zero = np.asarray(self.zero_point, np.int64)
        if scale.ndim != (0 if self.axis is None else 1) or zero.shape != scale.shape:
            raise ValueError(
                f"scale and zero_point must both have shape {'()' if self.axis is None else '(channels,)'}, "
                f"but got {scale.shape} and {zero.shape}"
            )
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("scale must be positive and finite")
        low, high = QUANTISED_DTYPES[self.dtype]
        if ((zero < low) | (zero > high)).any():
            raise ValueError(f"zero_point must lie in {low}..{high} for {self.dtype}")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero)

    @property
    def bits(self) -> int:
        """Width of a code."""
        return int(np.dtype(self.dtype).itemsize) * 8

    @property
    def step(self) -> float:
        """Largest distance between neighbouring values."""
        return float(self.scale.max())

    @property
    def low(self) -> float:
        """Smallest real value on the grid (of the widest channel)."""
        return float(((QUANTISED_DTYPES[self.dtype][0] - self.zero_point) * self.scale.astype(np.float64)).min())

    @property
    def high(self) -> float:
        """Largest real value on the grid (of the widest channel)."""
        return float(((QUANTISED_DTYPES[self.dtype][1] - self.zero_point) * self.scale.astype(np.float64)).max())

    def quantise(self, values: NDArray[Any], rounding: str = "half-even") -> NDArray[Any]:
        """Codes of real values; any shape whose `axis` has as many entries as the grid has channels.

        Args:
            values: real values.
            rounding: of value / scale to a whole number, a key of `ROUNDINGS`.
        """
        if self.axis is not None and (values.ndim <= self.axis or values.shape[self.axis] != len(self.scale)):
            raise ValueError(f"a grid of {len(self.scale)} channels on axis {self.axis} does not fit {values.shape}")
        scale, zero = self._broadcast(values.ndim)
        low, high = QUANTISED_DTYPES[self.dtype]
        # float32, for that is how runtimes divide, and float64 would differ in ties; codes of 32 bits (biases), which
        # no runtime computes, need more digits than float32 has
        wide = np.float64 if self.bits > 16 else np.float32
        codes = ROUNDINGS[rounding](np.asarray(values, wide) / scale.astype(wide)).astype(np.float64) + zero
        clipped: NDArray[Any] = np.clip(codes, low, high).astype(self.dtype)
        return clipped

    def dequantise(self, codes: NDArray[Any]) -> Float:
        """Real values of codes."""
        scale, zero = self._broadcast(codes.ndim)
        return ((codes.astype(np.int64) - zero).astype(np.float32) * scale).astype(np.float32)

    def _broadcast(self, ndim: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if self.axis is None:
            return self.scale, self.zero_point
        shape = [1] * ndim
        shape[self.axis] = -1
        return self.scale.reshape(shape), self.zero_point.reshape(shape)

    def to_json(self) -> dict[str, Any]:
        """The grid as JSON data."""
        return {
            "dtype": self.dtype,
            "scale": self.scale.tolist(),
            "zero_point": self.zero_point.tolist(),
            "axis": self.axis,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grid:
        """Inverse of `to_json`."""
        return cls(data["dtype"], np.asarray(data["scale"], np.float32), np.asarray(data["zero_point"]), data["axis"])


@dataclass(frozen=True)
class Part:
    """A meaningful slice of an output: boxes, objectness, class scores, descriptors...

    Attributes:
        name: what it is ("boxes", "scores").
        output: name of the model output that holds it.
        axis: axis along which the slice is taken, counted in the output's shape.
        start, stop: the slice; `stop` None takes all to the end.
        kind: what the values mean to a rule that looks at them: "boxes", "probability", "logits", "features", "other".
        channel_axis: axis whose entries are told apart in per-channel errors; None: no channels.
    """

    name: str
    output: str
    axis: int = 1
    start: int = 0
    stop: int | None = None
    kind: str = "other"
    channel_axis: int | None = 1

    def take(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The values of the part, a view where NumPy can make one."""
        index: list[slice] = [slice(None)] * outputs[self.output].ndim
        index[self.axis] = slice(self.start, self.stop)
        return outputs[self.output][tuple(index)]

    def to_json(self) -> dict[str, Any]:
        """The part as JSON data."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Part:
        """Inverse of `to_json`."""
        return cls(**data)


def whole_outputs(specs: tuple[TensorSpec, ...]) -> tuple[Part, ...]:
    """The parts of a model whose head is not known: each output, whole."""
    return tuple(
        Part(name=spec.name, output=spec.name, axis=0, channel_axis=1 if len(spec.shape) > 1 else None)
        for spec in specs
    )
