"""TPU-MLIR's own files for ranges and precisions: the calibration table and the quantisation table.

A calibration table has a line `name threshold min max` for each tensor, a quantisation table a line `name MODE` for
each op that is not in the default mode; `#` begins a comment. Symmetric 8-bit grids follow from them so (TPU-MLIR
1.30.2, `getScaleAndZeroPoint`): step max/255 on uint8 codes where min >= 0, else max(|min|, |max|)/127 on int8 codes.
Asymmetric ones: the same where min >= 0, else step (max - min)/255 and code -128 at min.

Source: files written by `run_calibration.py` of TPU-MLIR 1.30.2, and what editing them changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgewright.errors import UserError
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Grid

_HEADER = "# written by Edgewright from a precision plan\n# op_name    threshold    min    max\n"
_MODES_HEADER = "# written by Edgewright from a precision plan\n# op_name   quantize_mode\n"
_LEAST = 1e-7
"""The tables hold seven digits behind the point; a threshold of 0 would be divided by."""
_BITS = 8
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Row:
    """One tensor's line of a calibration table.

    Attributes:
        name: as TPU-MLIR calls the tensor.
        low, high: its range of real values; holds 0.
    """

    name: str
    low: float
    high: float

    @property
    def threshold(self) -> float:
        """What a symmetric grid reaches to."""
        return max(-self.low, self.high, _LEAST)

    @property
    def grid(self) -> Grid:
        """The 8-bit grid that TPU-MLIR takes from the line, before it lets neighbours share one."""
        return symmetric_grid(self.low, self.high)


def symmetric_grid(low: float, high: float, *, signed: bool = False) -> Grid:
    """TPU-MLIR's symmetric 8-bit grid for a range: unsigned codes where nothing is negative, zero point 0.

    Args:
        signed: the chip has signed codes only.
    """
    import numpy as np

    if low >= 0 and not signed:
        return Grid("uint8", np.asarray(max(high, _LEAST) / 255, np.float32), np.asarray(0))
    return Grid("int8", np.asarray(max(-low, high, _LEAST) / 127, np.float32), np.asarray(0))


def asymmetric_grid(low: float, high: float) -> Grid:
    """TPU-MLIR's asymmetric 8-bit grid for a range that holds 0."""
    import numpy as np

    if low >= 0:
        return symmetric_grid(low, high)
    step = max(high - low, _LEAST) / 255
    return Grid("int8", np.asarray(step, np.float32), np.asarray(min(127, max(-128, round(-128 - low / step)))))


def is_asymmetric(plan: PrecisionPlan) -> bool:
    """Whether a plan has activations whose negative and positive ends differ by more than the last code."""
    grids = [grid for grid in plan.activations.values() if grid.bits == _BITS and float(grid.low) < 0]
    return any(abs(float(grid.low) + float(grid.high)) > 1.5 * grid.step for grid in grids)


def row_of(name: str, grid: Grid, *, never_negative: bool = False, asymmetric: bool = False) -> Row:
    """The line that gives a tensor the range of a grid.

    Args:
        grid: any 8-bit or 16-bit grid. Of a symmetric one with signed codes the positive half counts, for code -128 is
            not used; an asymmetric one is widened to the symmetric range that holds it.
        never_negative: the tensor cannot be negative whatever its grid (ReLU, Sigmoid...): it gets unsigned codes.
        asymmetric: both ends count as they are.
    """
    low, high = float(grid.low), float(grid.high)
    if not asymmetric and int(grid.zero_point.max()) == 0 and grid.dtype.startswith("int"):
        low = -high
    return Row(name, 0.0 if never_negative else min(low, 0.0), max(high, 0.0))


def calibration_table(rows: Iterable[Row]) -> str:
    """The text of a calibration table.

    Raises:
        UserError: a name has a space in it, which the format cannot hold.
    """
    lines = [f"{_plain(row.name)} {row.threshold:.7f} {row.low:.7f} {row.high:.7f}" for row in rows]
    return _HEADER + "".join(f"{line}\n" for line in lines)


def read_calibration_table(text: str) -> dict[str, Row]:
    """Rows by name, of a table that we or the vendor's own calibration wrote.

    Raises:
        UserError: a line is not of the form.
    """
    rows: dict[str, Row] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            name, _, low, high = words[0], *(float(word) for word in words[1:4])
        except ValueError:
            raise UserError(
                "a calibration table cannot be read",
                where=f"line {number}: {line[:80]!r}",
                why="a line must be: name threshold min max",
                todo="make the table again",
            ) from None
        rows[name] = Row(name, low, high)
    return rows


def quantisation_table(modes: Mapping[str, str]) -> str:
    """The text of a quantisation table: mode by op name."""
    return _MODES_HEADER + "".join(f"{_plain(name)} {mode}\n" for name, mode in modes.items())


def _plain(name: str) -> str:
    if _SPACE.search(name) or name.startswith("#"):
        raise UserError(
            f"the tensor name {name!r} cannot stand in TPU-MLIR's tables",
            why="they are separated by spaces, and # begins a comment",
            todo="rename the tensor in the model",
        )
    return name
