"""What each input and output of a model or bundle costs now and would cost, and what pass-through would take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewright.data.contract import Contract
from edgewright.errors import UserError
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.steps import PrepareOptions, static_shapes
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq_read import read_qdq
from edgewright.runtime.boundary import image_port
from edgewright.runtime.input_path.measure import describe_path
from edgewright.runtime.input_path.pass_through import Change, changes, distance, natural_grid
from edgewright.runtime.input_path.path import InputPath
from edgewright.runtime.input_path.tables import port_tables
from edgewright.runtime.input_path.ways import input_ways, output_ways
from edgewright.targets.artifact import PortSpec
from edgewright.targets.facts import load_facts
from edgewright.tasks.base import Head
from edgewright.tensors import Grid, TensorSpec
from edgewright.workflow.prepared import understand
from edgewright.workflow.progress import Progress, Quiet
from edgewright.workflow.recipe import make_recipe

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Subject:
    """What is looked at.

    Attributes:
        kind: "model" or "bundle".
        target: whose words the ways are told in.
        head, contract, names: as the model or bundle has them.
        port: the image input.
        outputs: the output ports.
        grids: of tensors in the network, by name; those of the ports lie in the ports.
        model: the ONNX graph that takes the input; None where the artifact is something else.
        restore: what computes the head's outputs from the graph's.
    """

    kind: str
    target: str
    head: Head
    contract: Contract
    port: PortSpec
    outputs: tuple[PortSpec, ...]
    grids: Mapping[str, Grid]
    model: Model | None
    restore: Model | None = None
    names: tuple[str, ...] = ()

    @property
    def input_grid(self) -> Grid | None:
        """The grid of the image input, at the boundary or behind it."""
        return self.port.grid or self.grids.get(self.port.spec.name)


@dataclass(frozen=True)
class Given:
    """What accuracy is measured with; without images it is not."""

    images: Path | None = None
    labels: Path | None = None
    progress: Progress = field(default_factory=Quiet)


def plan_io(
    path: Path,
    *,
    target: str | None = None,
    task: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    contract: Mapping[str, Any] | None = None,
    given: Given | None = None,
) -> dict[str, Any]:
    """Facts about the inputs and outputs of an ONNX file or a bundle, JSON types only.

    Args:
        path: the model or the bundle.
        target: `vendor/chip`, for the vendor's words; None takes the bundle's, or onnxruntime/cpu.
        task, shapes, contract: as for `inspect` and `compare`.
        given: images and labels to measure what a change costs.

    Raises:
        ModelError, BundleError, DataError, UserError: something that was given cannot be used.
    """
    with ExitStack() as stack:
        subject = _subject(path, target, task, shapes or {}, contract or {}, stack)
        words = _words(subject.target)
        inputs = [_input(subject, words, given or Given())]
        outputs = [_output(port, subject.grids.get(port.spec.name), words) for port in subject.outputs]
    return {
        "schema_version": 1,
        "kind": subject.kind,
        "target": subject.target,
        "inputs": inputs,
        "outputs": outputs,
        "zero_copy": words.get("zero_copy", ""),
    }


def _subject(
    path: Path,
    target: str | None,
    task: str | None,
    shapes: Mapping[str, Sequence[int]],
    contract: Mapping[str, Any],
    stack: ExitStack,
) -> Subject:
    from edgewright.targets.registry import get_backend

    if target is not None:
        get_backend(target)  # refuses a name that is none
    if path.is_dir() or path.suffix.lower() == ".zip":
        if task is not None or shapes or contract:
            raise UserError(
                "a bundle says itself what its head, shapes and preprocessing are",
                where=str(path),
                todo="leave --task, --input-shape, --colour, --resize, --mean and --std out, or pass the model",
            )
        return _of_bundle(path, target, stack)
    model = load_model(path)
    options = PrepareOptions(shapes={name: tuple(size) for name, size in shapes.items()})
    fixed = static_shapes.run(model, options)
    model = fixed[0] if fixed else model
    recipe = make_recipe({"model": {"path": str(path), "task": task}, "data": {"images": ""}, "contract": contract})
    head, wanted = understand(model, recipe)
    port = next(PortSpec(spec) for spec in model.inputs if spec.name == wanted.input)
    outputs = tuple(PortSpec(spec) for spec in model.outputs)
    grids = read_qdq(model).activations
    return Subject("model", target or "onnxruntime/cpu", head, wanted, port, outputs, grids, model)


def _of_bundle(path: Path, target: str | None, stack: ExitStack) -> Subject:
    from edgewright.bundle.open import open_bundle

    bundle = stack.enter_context(open_bundle(path))
    manifest, artifact = bundle.manifest, bundle.artifact
    grids: Mapping[str, Grid] = {}
    if manifest.plan is not None:
        plan = json.loads((bundle.folder / manifest.plan).read_text(encoding="utf-8"))
        grids = PrecisionPlan.from_json(plan).activations
    return Subject(
        kind="bundle",
        target=target or manifest.target,
        head=manifest.to_head(),
        contract=manifest.contract,
        port=image_port(artifact, manifest.contract),
        outputs=artifact.outputs,
        grids=grids,
        model=load_model(artifact.path) if artifact.path.suffix == ".onnx" else None,
        restore=bundle.restore(),
        names=tuple(manifest.names),
    )


def _words(target: str) -> Mapping[str, str]:
    found: Mapping[str, str] = load_facts(target.partition("/")[0]).get("io", {})
    return found


def _input(subject: Subject, words: Mapping[str, str], given: Given) -> dict[str, Any]:
    contract, port, grid = subject.contract, subject.port, subject.input_grid
    ways = [way.to_json() for way in input_ways(contract, port, grid, words.get("code_layout", ""))]
    called = {"float": "float", "table": "", "fused": "fused", "pass-through": "pass_through"}
    for way in ways:
        way["called"] = words.get(called[way["way"]], "")
    return {
        **_tensor(port, grid),
        "now": describe_path(InputPath(contract, port)),
        "ways": ways,
        "pass_through": _pass_through(subject, given),
    }


def _pass_through(subject: Subject, given: Given) -> dict[str, Any]:
    """Whether raw bytes are the codes of the network's grid, how far they are from it, and what would make them so."""
    contract, port, grid = subject.contract, subject.port, subject.input_grid
    if contract.dtype == "uint8" and grid is None:
        return {"exact": True, "differing": [0] * contract.channels, "largest": 0, "assumed_grid": None, "changes": []}
    assumed = grid or natural_grid(contract)
    if assumed.bits != 8:
        return {"exact": False, "differing": None, "largest": None, "assumed_grid": None, "changes": []}
    spec = TensorSpec(port.spec.name, assumed.dtype, port.spec.shape)
    far = distance(port_tables(contract, PortSpec(spec, port.layout, assumed)))
    found = () if far.exact or not far.near else changes(contract, assumed)
    measured = _accuracy(subject, found, given)
    return {
        "exact": far.exact,
        "differing": list(far.differing),
        "largest": far.largest,
        "assumed_grid": None if grid is not None else assumed.to_json(),
        "changes": [_change(one, accuracy) for one, accuracy in zip(found, measured, strict=True)],
    }


def _change(change: Change, accuracy: Any) -> dict[str, Any]:
    return {
        "change": change.kind,
        "told": list(change.told),
        "mean": list(change.contract.mean),
        "std": list(change.contract.std),
        "grid": change.grid.to_json(),
        "accuracy": accuracy,
    }


def _accuracy(subject: Subject, found: Sequence[Change], given: Given) -> list[Any]:
    if not found or given.images is None or subject.model is None or subject.head.task != "detection":
        return [NOT_MEASURED] * len(found)
    from edgewright.workflow.plan_io_accuracy import measure_changes

    return measure_changes(subject, found, given)


def _output(port: PortSpec, grid: Grid | None, words: Mapping[str, str]) -> dict[str, Any]:
    called = {"float": "output_float", "codes": "output_codes", "float16": "output_float"}
    coded = grid is not None or port.grid is not None
    told = words if coded else {}
    ways = [{**way.to_json(), "called": told.get(called[way.name], "")} for way in output_ways(port, grid)]
    return {**_tensor(port, port.grid or grid), "ways": ways}


def _tensor(port: PortSpec, grid: Grid | None) -> dict[str, Any]:
    return {
        **port.spec.to_json(),
        "grid": None if grid is None else grid.to_json(),
        "at_boundary": "codes" if port.grid is not None else "real values",
    }
