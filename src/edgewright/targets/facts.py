"""Chip facts: read from the `facts.toml` of each vendor's folder."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any

from edgewright.quant.profile import FusionProfile
from edgewright.targets.backend import Capabilities
from edgewright.toml_io import loads_toml


@functools.cache
def load_facts(vendor: str) -> Mapping[str, Any]:
    """Everything in the facts file of `vendor`."""
    file = importlib.resources.files("edgewright.targets").joinpath(vendor).joinpath("facts.toml")
    return loads_toml(file.read_text(encoding="utf-8"))


def chip_facts(vendor: str, chip: str, version: str | None = None) -> Mapping[str, Any]:
    """The table of a chip, with what its table `at.VERSION` says of that version of the toolchain on top."""
    table = load_facts(vendor)["chips"][chip]
    return {**table, **table.get("at", {}).get(version, {})}


def toolchain_facts(vendor: str, version: str | None = None) -> Mapping[str, Any]:
    """The table of the toolchain, with what its table `at.VERSION` says on top."""
    table = load_facts(vendor)["toolchain"]
    return {**table, **table.get("at", {}).get(version, {})}


def fusion_profile(facts: Mapping[str, Any], chip: Mapping[str, Any]) -> FusionProfile:
    """The fusion profile of a chip: that of the vendor, and what the chip's own table says otherwise."""
    table = {**facts["fusion"], **chip.get("fusion", {})}
    return FusionProfile(
        quantised_ops=frozenset(table["quantised_ops"]),
        same_grid_ops=frozenset(table["same_grid_ops"]),
        fused_activations=frozenset(table["fused_activations"]),
        weight_ops=frozenset(table["weight_ops"]),
        fuse_silu=table["fuse_silu"],
        depthwise_activations=frozenset(table["depthwise_activations"]) if "depthwise_activations" in table else None,
        fuse_residual=table.get("fuse_residual", False),
        asymmetric_weights=table.get("asymmetric_weights", False),
        symmetric_activations=table.get("symmetric_activations", False),
        per_channel_weights=table["per_channel_weights"],
        shift_only=table.get("shift_only", False),
        unsigned_inputs=table.get("unsigned_inputs", False),
        activation_dtypes=table["activation_dtypes"],
        weight_dtypes=table["weight_dtypes"],
    )


def capabilities_of(vendor: str, chip: str, version: str | None = None, **more: Any) -> Capabilities:
    """What the facts file says of a chip.

    Args:
        version: of the toolchain.
        more: what it does not say: fields of `Capabilities`.
    """
    facts = load_facts(vendor)
    table = chip_facts(vendor, chip, version)
    return Capabilities(
        target=f"{vendor}/{chip}",
        title=table["title"],
        precisions=tuple(table["precisions"]),
        fusion=fusion_profile(facts, table),
        min_opset=facts["toolchain"]["min_opset"],
        max_opset=facts["toolchain"]["max_opset"],
        latency=table["latency"],
        **more,
    )
