"""Inspect: what a model or a bundle is, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.graph.io import load_model
from edgewright.graph.regions import count_regions
from edgewright.graph.steps import PrepareOptions, static_shapes
from edgewright.tasks.base import FAMILIES
from edgewright.workflow.prepared import describe, understand
from edgewright.workflow.recipe import make_recipe


def inspect_path(
    path: Path, *, task: str | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Any]:
    """Facts about an ONNX file or a bundle, JSON types only.

    Raises:
        ModelError, BundleError: the file cannot be used.
        UserError: `task` or `shapes` do not fit the model.
    """
    if path.is_dir() or path.suffix.lower() == ".zip":
        return _bundle(path)
    model = load_model(path)
    options = PrepareOptions(shapes={name: tuple(size) for name, size in (shapes or {}).items()})
    fixed = static_shapes.run(model, options)
    known = fixed[0] if fixed else model
    recipe = make_recipe({"model": {"path": str(path), "task": task}, "data": {"images": ""}})
    head, contract = understand(known, recipe)
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
        "regions": count_regions(known),
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
