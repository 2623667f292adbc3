"""Which way raw bytes become what the target is fed: the cheapest one that is proven over all values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.kernels.arithmetic import Arithmetic, Fixed, Flip, Rounded
from edgewright.runtime.input_path.fit import as_fixed, as_flip, as_rounded, as_scaled, equal_values
from edgewright.runtime.input_path.tables import port_tables
from edgewright.targets.artifact import PortSpec

Kind = Literal["identity", "sign flip", "affine", "table", "float"]


@dataclass(frozen=True)
class Route:
    """How each raw byte becomes an element of the network's buffer.

    Attributes:
        kind: identity (the raw byte is the code), sign flip (raw XOR 0x80), affine (a product, a sum and a shift or a
            rounding a channel), table (256 codes a channel), float (256 real values a channel, computed or looked up).
        tables: the target's own formula, (channels, 256), in the contract's order of channels.
        arithmetic: what gives the tables exactly, one entry a channel; empty where nothing was found.
        proof: what was compared.
    """

    kind: Kind
    tables: NDArray[Any]
    arithmetic: tuple[Arithmetic, ...]
    proof: str

    @property
    def formula(self) -> str:
        """The arithmetic of the first channel, in words that can be checked by hand."""
        return formula(self.arithmetic[0]) if self.arithmetic else f"{self.tables.dtype} table of 256 entries a channel"


def choose_route(contract: Contract, port: PortSpec, rounding: str = "half-even", *, look_up: bool = False) -> Route:
    """The cheapest route from the contract's pixels to the port's elements.

    Args:
        contract, port, rounding: as `port_tables` has them.
        look_up: take the tables even where arithmetic is proven, to see what that would cost.

    Raises:
        BundleError, ValueError: as `port_tables`.
    """
    tables = port_tables(contract, port, rounding)
    if look_up:
        return _proven("table", tables, ())
    if tables.dtype.kind == "f":
        return _proven("float", tables, _all(tables, lambda k: as_scaled(tables[k], contract.mean[k], contract.std[k])))
    if tables.itemsize != 1:
        return _proven("table", tables, ())
    flips = _all(tables, lambda k: as_flip(tables[k]))
    if flips and len(set(flips)) == 1:
        return _proven("identity" if flips[0] == Flip(0) else "sign flip", tables, flips)
    fits = _all(tables, lambda k: as_fixed(tables[k])) or _all(tables, lambda k: _rounded(tables[k], contract, port, k))
    return _proven("affine" if fits else "table", tables, fits)


def formula(one: Arithmetic) -> str:
    """One channel's arithmetic in words."""
    if isinstance(one, Flip):
        return "raw" if one.mask == 0 else f"raw XOR 0x{one.mask:02x}"
    if isinstance(one, Fixed):
        sign = "-" if one.offset < 0 else "+"
        inner = f"min(255, (((raw * 256 + {one.carry}) * {one.factor} >> 16) {sign} {abs(one.offset)}) >> {one.shift})"
        return f"{inner} - 128" if one.mask else inner
    if isinstance(one, Rounded):
        return f"rint(raw * {one.factor:.9g} + {one.offset:.9g}) + {one.zero} within {one.low}..{one.high}, float32"
    return f"(raw - {one.mean:.9g}) / {one.std:.9g}, float32"


def _proven(kind: Kind, tables: NDArray[Any], fits: tuple[Arithmetic, ...]) -> Route:
    equal = [equal_values(fit, table) for fit, table in zip(fits, tables, strict=True)] if fits else [256] * len(tables)
    whose = f"each of {len(tables)} channels" if len(tables) > 1 else "1 channel"
    what = "values" if tables.dtype.kind == "f" else "codes"
    return Route(kind, tables, fits, f"{min(equal)} of 256 {what} of {whose} equal")


def _all(tables: NDArray[Any], fit: Callable[[int], Arithmetic | None]) -> tuple[Arithmetic, ...]:
    """A fit of the same kind for every channel, or none."""
    found: list[Arithmetic] = []
    for channel in range(len(tables)):
        one = fit(channel)
        if one is None:
            return ()
        found.append(one)
    return tuple(found)


def _rounded(codes: NDArray[Any], contract: Contract, port: PortSpec, channel: int) -> Rounded | None:
    if port.grid is None:
        return None
    raw = contract.dtype == "uint8"
    mean, std = (0.0, 1.0) if raw else (contract.mean[channel], contract.std[channel])
    scale = float(np.broadcast_to(port.grid.scale, len(contract.mean))[channel])
    zero = int(np.broadcast_to(port.grid.zero_point, len(contract.mean))[channel])
    return as_rounded(codes, 1.0 / (std * scale), -mean / (std * scale), zero)
