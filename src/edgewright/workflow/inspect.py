"""Inspect: what a model or a bundle is, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgewright.graph.io import load_model
from edgewright.graph.regions import count_regions
from edgewright.graph.steps import PrepareOptions, static_shapes
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.names import class_names
from edgewright.workflow.given import is_bundle
from edgewright.workflow.prepared import describe, understand
from edgewright.workflow.recipe import make_recipe
from edgewright.workflow.sourced import source_once


def inspect_path(
    path: Path, *, task: str | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Any]:
    """Facts about an ONNX file, a Paddle export or a bundle, JSON types only.

    Raises:
        ModelError, BundleError: the file cannot be used.
        UserError: `task` or `shapes` do not fit the model.
    """
    if is_bundle(path):
        return _bundle(path)
    said = {"path": str(path), "task": task, "input_shapes": dict(shapes or {})}
    recipe = make_recipe({"model": said, "data": {"images": ""}})
    with ExitStack() as stack:
        sourced = source_once(path, recipe, stack)
        model = load_model(sourced.path)
    options = PrepareOptions(shapes={name: tuple(size) for name, size in (shapes or {}).items()})
    fixed = static_shapes.run(model, options)
    known = fixed[0] if fixed else model
    head, contract = understand(known, recipe, sourced.preset)
    names = class_names(model, int(head.params.get("nc") or 0))
    title = FAMILIES.get(head.family).title if head.family in FAMILIES else "not recognised"
    return {
        "kind": "model",
        **describe(model),
        "head": {
            "family": head.family,
            "title": title,
            "task": head.task,
            "why": head.evidence,
            "parameters": dict(head.params),
        },
        "parts": [part.to_json() for part in head.parts],
        "contract": contract.model_dump(mode="json"),
        **({"names": list(names)} if names else {}),
        "regions": count_regions(known),
        **({"source": dict(sourced.facts)} if sourced.facts else {}),
        **({"findings": [finding.to_json() for finding in sourced.findings]} if sourced.findings else {}),
    }


def _bundle(path: Path) -> dict[str, Any]:
    from edgewright.bundle.open import open_bundle

    with open_bundle(path) as bundle:
        manifest = bundle.manifest.model_dump(mode="json")
    golden, files = manifest.pop("golden"), manifest.pop("files")
    return {
        "kind": "bundle",
        **manifest,
        "golden_samples": len(golden),
        "files": [{"file": name, **entry} for name, entry in files.items()],
    }
