"""Concat, Split and their like: values stand beside each other along an axis."""

from __future__ import annotations

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, shape_of


@RULES.register("Concat")
def _concat(step: Step, build: Build) -> Gradients:
    axis = step.number("axis", 0) % len(step.output_shape)
    sizes = [step.shape(index)[axis] for index in range(len(step.node.inputs))]
    if len(sizes) == 1:
        return {0: step.gradient}
    parts = build.nodes("Split", step.gradient, build.integers(sizes), outputs=len(sizes), axis=axis)
    return {index: parts[index] for index in sorted(step.active)}


@RULES.register("Split")
def _split(step: Step, build: Build) -> Gradients:
    axis = step.number("axis", 0) % len(step.shape())
    like = next(iter(step.gradients.values()))
    parts = [
        step.gradients.get(index) or build.zeros(shape_of(value), like) for index, value in enumerate(step.node.outputs)
    ]
    return {0: build.node("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]}
