"""How far raw bytes are from being the codes, and what would have to change so that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, value_tables
from edgewright.tensors import QUANTISED_DTYPES, Grid

_NEAR = 16  # codes; further off, another normalisation is another network


@dataclass(frozen=True)
class Change:
    """A contract and a grid with which raw bytes are the codes.

    Attributes:
        kind: "grid" keeps the contract as far as it can, "contract" keeps the grid.
        contract, grid: after the change.
        told: what changes, one entry each, as a person says it.
    """

    kind: str
    contract: Contract
    grid: Grid
    told: tuple[str, ...]


@dataclass(frozen=True)
class Distance:
    """How far codes are from raw bytes (raw - 128 for int8).

    Attributes:
        differing: for each channel, how many of the 256 codes differ.
        largest: the largest difference, in codes.
    """

    differing: tuple[int, ...]
    largest: int

    @property
    def exact(self) -> bool:
        """Whether pass-through is proven."""
        return not any(self.differing)

    @property
    def near(self) -> bool:
        """Whether it is worth a thought."""
        return self.largest <= _NEAR


def distance(tables: NDArray[Any]) -> Distance:
    """Distance of 8-bit codes (channels, 256) from the raw bytes."""
    low = QUANTISED_DTYPES[str(tables.dtype)][0]
    gaps = np.abs(tables.astype(np.int64) - (np.arange(256) + low))
    return Distance(tuple(int(count) for count in (gaps > 0).sum(axis=1)), int(gaps.max()))


def natural_grid(contract: Contract, dtype: str = "uint8") -> Grid:
    """The grid whose codes are the raw bytes, for a mean that is a whole number; else the nearest to that.

    (raw - mean) / std = (code - zero) * scale holds with code = raw + low for scale = 1 / std, zero = mean + low.
    Where channels differ, their average is taken: a grid for the whole tensor has one scale and one zero point.
    """
    low, high = QUANTISED_DTYPES[dtype]
    scale = 1.0 / float(np.mean(contract.std))
    zero = int(np.clip(round(float(np.mean(contract.mean))) + low, low, high))
    return Grid(dtype, np.float32(abs(scale)), np.int64(zero))


def changes(contract: Contract, grid: Grid) -> tuple[Change, ...]:
    """What would make pass-through exact: another grid, or another normalisation; each proven over all 256 values.

    Empty where no change of these two kinds does: codes of 16 bits, a falling normalisation.
    """
    if grid.bits != 8 or any(std <= 0 for std in contract.std):
        return ()
    natural = natural_grid(contract, grid.dtype)
    candidates = (_with_grid(contract, grid, natural, "grid"), _with_grid(contract, grid, grid, "contract"))
    same = candidates[0].grid.to_json() == candidates[1].grid.to_json()
    unique = candidates[:1] if same else candidates
    return tuple(change for change in unique if change.told and _holds(change))


def _with_grid(contract: Contract, before: Grid, grid: Grid, kind: str) -> Change:
    """The contract that `grid` is the natural one of."""
    low = QUANTISED_DTYPES[grid.dtype][0]
    count = contract.channels
    scales = np.broadcast_to(grid.scale, count).astype(np.float64)
    zeros = np.broadcast_to(grid.zero_point, count)
    std = tuple(_kept(old, 1.0 / float(scale)) for old, scale in zip(contract.std, scales, strict=True))
    mean = tuple(float(zero - low) for zero in zeros)
    changed = contract.model_copy(update={"mean": mean, "std": std})
    told = []
    for name, old, new in (("mean", contract.mean, mean), ("std", contract.std, std)):
        if old != new:
            told.append(f"{name} {_listed(old)} becomes {_listed(new)}")
    if kind == "grid":
        if not np.array_equal(before.scale, grid.scale):
            share = float(np.mean(grid.scale)) / float(np.mean(before.scale)) - 1
            told.append(f"scale {float(np.mean(before.scale)):.6g} becomes {float(grid.scale):.6g} ({share:+.2%})")
        if not np.array_equal(before.zero_point, grid.zero_point):
            told.append(f"zero point {_listed(before.zero_point)} becomes {int(grid.zero_point)}")
    return Change(kind, changed, grid, tuple(told))


def _holds(change: Change) -> bool:
    tables = value_tables(change.contract.mean, change.contract.std)
    scales = np.broadcast_to(change.grid.scale, len(tables))
    zeros = np.broadcast_to(change.grid.zero_point, len(tables))
    codes = [
        Grid(change.grid.dtype, scale, zero).quantise(table)
        for table, scale, zero in zip(tables, scales, zeros, strict=True)
    ]
    return distance(np.stack(codes)).exact


def _kept(old: float, new: float) -> float:
    """The old figure where the new one is the same but for float32's rounding."""
    return old if abs(new / old - 1) < 1e-6 else new


def _listed(values: Any) -> str:
    figures = [f"{float(value):g}" for value in np.atleast_1d(values)]
    return figures[0] if len(set(figures)) == 1 else ", ".join(figures)
