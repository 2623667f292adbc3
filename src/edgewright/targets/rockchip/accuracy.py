"""The table that the toolkit's accuracy analysis leaves, and which tensors of the fused graph it can be asked for.

A row is `[Op] tensor  cos | euc  cos | euc`: first with the errors of all layers before it, then of this layer alone,
fed with values of the float model behind the grids of its inputs. `euc` is the L2 norm of the difference, with five
digits. The rows of ops whose result never leaves the chip's pipeline may be empty. Source: error_analysis.txt of
RKNN-Toolkit2 2.3.2 and 2.5.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from edgewright.errors import ToolchainError
from edgewright.targets.rockchip.fused import CONVERSION
from edgewright.targets.rockchip.readback import BuiltGraph

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ROW = re.compile(r"^\[(?P<op>[^\]]+)\] (?P<name>.*?)\s+(?P<figures>\S+\s+\|\s+\S+\s+\S+\s+\|\s+\S+)\s*$")


def errors_of_single_layers(text: str) -> dict[str, float]:
    """L2 norm of the error that each tensor of the fused graph has when its layer alone is quantised.

    Raises:
        ToolchainError: the text has no row.
    """
    found: dict[str, float] = {}
    for line in _COLOUR.sub("", text).splitlines():
        row = _ROW.match(line)
        if row is not None:
            norm = _number(row["figures"].split()[-1])
            if math.isfinite(norm):
                found[row["name"]] = norm
    if not found:
        raise ToolchainError(
            "the accuracy analysis of RKNN-Toolkit2 cannot be read",
            why=f"no row was found in {len(text)} characters",
            todo="report this with the version of the toolkit",
        )
    return found


def places(built: BuiltGraph) -> dict[str, str]:
    """Tensor of the fused graph for each tensor of the prepared model that it has, as far as ranges tell.

    Of several the one that kept its name is taken, then the first that an op computes rather than a conversion.
    """
    found: dict[str, str] = {}
    for conversions in (False, True):
        for node in built.nodes:
            for name in node.outputs:
                ours = built.matched.get(name)
                if ours == name:
                    found[ours] = name
                elif ours is not None and (node.op == CONVERSION) == conversions:
                    found.setdefault(ours, name)
    return found


def by_tensor(norms: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Squared errors by tensor of the prepared model.

    Args:
        norms: from `errors_of_single_layers`.
        names: from `places`.
    """
    return {ours: norms[name] ** 2 for ours, name in names.items() if name in norms}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
