"""The fusion profile: which op groups a target computes as one, and so which tensors have a grid at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FusionProfile:
    """Which tensors have a grid on a target, and which ops must share one.

    Two tools' int8 figures compare only under the same profile.

    Attributes:
        quantised_ops: op types that the target computes on codes.
        same_grid_ops: op types whose output keeps the grid of the first input (moves of data).
        fused_activations: op types that a preceding Conv absorbs, so that nothing in between has a grid.
        weight_ops: op types with quantised weights.
        fuse_silu: whether Conv, Sigmoid and Mul count as one op with one grid at its end.
        depthwise_activations: op types that a preceding depthwise Conv absorbs; None: the same as of any Conv, SiLU
            too. Where it is given, a depthwise Conv keeps its grid before a SiLU.
        fuse_residual: whether an Add reads the output of a Conv that nothing else reads without a grid.
        asymmetric_weights: whether weights have a zero point of their own, so that their exact range is spread over the
            codes.
        symmetric_activations: whether activations have their zero point at 0, whatever is asked for.
        per_channel_weights: whether weights may have a grid per output channel.
        shift_only: whether sums become codes by a shift alone, so that the step of a layer's weights is a power of two
            away from the steps of what it makes and reads.
        unsigned_inputs: whether an input of the network that is never negative has unsigned codes on symmetric grids.
        activation_dtypes, weight_dtypes: code types by precision ("int8", "int16").
    """

    quantised_ops: frozenset[str]
    same_grid_ops: frozenset[str]
    fused_activations: frozenset[str]
    weight_ops: frozenset[str]
    fuse_silu: bool = False
    depthwise_activations: frozenset[str] | None = None
    fuse_residual: bool = False
    asymmetric_weights: bool = False
    symmetric_activations: bool = False
    per_channel_weights: bool = True
    shift_only: bool = False
    unsigned_inputs: bool = False
    activation_dtypes: Mapping[str, str] = field(default_factory=lambda: {"int8": "uint8", "int16": "uint16"})
    weight_dtypes: Mapping[str, str] = field(default_factory=lambda: {"int8": "int8", "int16": "int8"})
