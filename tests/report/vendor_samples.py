"""What a vendor's build computes inside, and two chips, for the tests of reports."""

from __future__ import annotations

from edgewright.diagnose.chips import ChipComparison, ChipRow, Swap
from edgewright.diagnose.vendor_layers import VendorLayers, VendorPart, VendorTensor


def layers(name: str, value: float) -> VendorLayers:
    """A tensor that is as emulated, and one that is not, called `name`; so is all else if that is strange."""
    part = name if name.startswith("<") else "boxes"
    return VendorLayers(
        where=part if part == name else "Acme 1, simulator",
        images=8,
        single_images=2,
        tensors=(
            VendorTensor("t0", "node0", "Conv", ("/stem/Conv",), 1, value, value, 0.0, None, None),
            VendorTensor(name, name, "Add", (name if part == name else "/neck/Add",), 4, 0.3, 0.1, value, 0.2, 0.1),
        ),
        parts=(VendorPart(part, value, 0.2, 0.1),),
        fused={"inner": name},
        gone=(),
        misnamed={},
        unproven=(),
    )


def chips(name: str) -> ChipComparison:
    """Two chips of which the first is worse in one layer."""
    here, there = (name, name) if name.startswith("<") else ("v/a", "v/b")
    return ChipComparison(
        here=here,
        there=there,
        where_here="Acme for a",
        where_there="Acme for b",
        images=8,
        same_grids=3,
        grids=3,
        rows=(
            ChipRow("t0", "/t0", "Conv", 1, 0.01, 0.01, 0.01, None),
            ChipRow(name, f"/{name}", "depthwise Conv", 3, 0.5, 0.2, 0.4, 0.1),
        ),
        only_here=("x",),
        only_there=(),
        parts={"boxes": (0.5, 0.2)},
        metrics={"AP": (13.8, 30.8)},
        swaps=(
            Swap(f"as {there}", {"boxes": 0.2}),
            Swap("one step for all", {"boxes": 0.45}, 64.6),
            Swap(f"biases as on {here}", {"boxes": 0.2}),
            Swap(f"as {here}", {"boxes": 0.5}),
        ),
        swap_images=12,
        facts={"here": {"biases of 16 bits": 9, "same": 1}, "there": {"biases of 16 bits": 0, "same": 1}},
    )
