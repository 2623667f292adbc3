"""Control models: small generated networks that tell a broken toolchain from a broken model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.registry import Registry
from edgewright.tensors import Part

CALIBRATION_SEED, EVALUATION_SEED = 1, 2


@dataclass(frozen=True)
class Control:
    """A network of one family.

    Attributes:
        name: of the family, a short slug.
        title: what it is made of.
        build: makes the model; the same bytes every time.
        parts: slices of its outputs.
        heads: head families (`tasks.base.FAMILIES`) of users' models that it stands for.
    """

    name: str
    title: str
    build: Callable[[], Model]
    parts: tuple[Part, ...]
    heads: tuple[str, ...] = ()


CONTROLS: Registry[Control] = Registry("control model")


def control_for(head: str) -> Control:
    """The control of a head family; the plain convolution where there is none of its own."""
    return next((control for control in CONTROLS if head in control.heads), CONTROLS.get("plain-conv"))


def pictures(model: Model, count: int, seed: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Seeded inputs in 0..1: patches of brightness with noise on them, as pictures have and white noise has not."""
    (spec,) = model.inputs
    _, channels, height, width = (size or 1 for size in spec.shape)
    random = np.random.default_rng(seed)
    for _ in range(count):
        coarse = random.random((channels, 1 + height // 8, 1 + width // 8))
        smooth = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)[:, :height, :width]
        noisy = np.clip(smooth + random.normal(scale=0.05, size=smooth.shape), 0.0, 1.0)
        yield {spec.name: noisy[None].astype(np.float32)}
