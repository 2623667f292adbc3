"""Stage: from the model file to a prepared model with its head and its preprocessing contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgewright.data.contract import Contract, contract_for_model, preprocess
from edgewright.data.images import read_image
from edgewright.errors import ModelError
from edgewright.findings import Finding, Severity
from edgewright.graph.io import load_model, save_model
from edgewright.graph.model import Model
from edgewright.graph.prepare import prepare
from edgewright.graph.regions import count_regions
from edgewright.graph.steps import PrepareOptions
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tasks.recognise import recognise
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced

_SAMPLES = 3
_FILE = "prepared.onnx"


@dataclass(frozen=True)
class PreparedModel:
    """The prepared model and what is known of it.

    Attributes:
        path: file of the prepared model.
        digest: its SHA-256.
        head, contract: what its outputs mean and what its input wants.
        source: description of the source model.
        regions: number of ops by region.
        steps: what each preparation step did.
        findings: what was noticed on the way.
    """

    path: Path
    digest: str
    head: Head
    contract: Contract
    source: Mapping[str, Any]
    regions: Mapping[str, int]
    steps: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]

    def load(self) -> Model:
        """The prepared model."""
        return load_model(self.path)


def prepare_stage(
    run: RunDir, recipe: Recipe, key: Mapping[str, Any], images: ImageFiles, min_opset: int, sourced: Sourced
) -> PreparedModel:
    """Prepare the recipe's model, verified on the first images.

    Args:
        sourced: the ONNX model, with the contract that its export tells.
        key: versions and the source model's digest.
        images: images of which the first few are used.
        min_opset: the oldest opset that the target's toolchain reads.

    Raises:
        ModelError, UserError: as `load_model`, `prepare` and `recognise` do.
    """
    samples = images.paths[:_SAMPLES]
    stage_key = {
        **key,  # holds the digest of the source as "model"
        "options": recipe.model.model_dump(mode="json", exclude={"path"}),
        "contract": recipe.contract.model_dump(mode="json"),
        "samples": list(images.digests[:_SAMPLES]),
        "min_opset": min_opset,
    }
    result = run.stage("prepare", stage_key, lambda folder: _prepare(folder, recipe, samples, min_opset, sourced))
    data = result.data
    return PreparedModel(
        path=result.folder / _FILE,
        digest=data["digest"],
        head=Head.from_json(data["head"]),
        contract=Contract.model_validate(data["contract"]),
        source=data["source"],
        regions=data["regions"],
        steps=tuple(data["steps"]),
        findings=(*sourced.findings, *(Finding.from_json(finding) for finding in data["findings"])),
    )


def understand(model: Model, recipe: Recipe, told: Contract | None = None) -> tuple[Head, Contract]:
    """Head and contract of a model with static shapes.

    Args:
        told: the contract that the model's export tells, which counts for more than the preset of the head family.
    """
    head = recognise(model, recipe.model.task)
    known = head.family in FAMILIES
    preset = told or (FAMILIES.get(head.family).contract(head, model) if known else plain_contract(model))
    contract = recipe.contract.apply(preset)
    declared = next(spec for spec in model.inputs if spec.name == contract.input)
    if contract.shape != declared.shape:
        raise ModelError(
            f"the preprocessing contract gives {contract.shape}, the model wants {declared.shape}",
            where=f"input {declared.name}",
            todo="export the model for one image at a time (batch 1)",
        )
    return head, contract


def plain_contract(model: Model) -> Contract:
    """A contract for a model whose head is not known: stretch, RGB (or gray), 0..1.

    Raises:
        ModelError: the model has no single image input.
    """
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        listed = ", ".join(str(spec) for spec in model.inputs) or "none"
        raise ModelError(
            "Edgewright deploys models with one image input of four dimensions",
            why=f"inputs of this model: {listed}",
            todo="cut the model at its image input",
        )
    spec = model.inputs[0]
    sizes = [size or 1 for size in spec.shape]
    layout = "NCHW" if sizes[1] in (1, 3) else "NHWC"
    channels, height, width = (sizes[1:4]) if layout == "NCHW" else (sizes[3], sizes[1], sizes[2])
    if channels not in (1, 3):
        raise ModelError(
            f"input {spec} is no image: neither its second nor its last dimension is 1 or 3 channels",
            todo="export the model with an image input",
        )
    if spec.dtype not in ("float32", "float16", "uint8"):
        raise ModelError(
            f"input {spec.name} takes {spec.dtype}, but images are fed as float32, float16 or uint8",
            todo="export the model in float32",
        )
    return contract_for_model(
        input=spec.name,
        width=width,
        height=height,
        colour="GRAY" if channels == 1 else "RGB",
        resize="stretch",
        mean=(0.0,) * channels,
        std=(255.0,) * channels,
        layout=layout,
        dtype=spec.dtype,
    )


def _prepare(
    folder: Path, recipe: Recipe, samples: tuple[Path, ...], min_opset: int, sourced: Sourced
) -> dict[str, Any]:
    source = load_model(sourced.path)
    found: dict[str, tuple[Head, Contract]] = {}

    def feeds_for(model: Model) -> list[dict[str, NDArray[Any]]]:
        head, contract = found["it"] = understand(model, recipe, sourced.preset)
        del head
        return [{contract.input: preprocess(read_image(path), contract)[0]} for path in samples]

    options = PrepareOptions(recipe.model.input_shapes, min_opset, recipe.model.skip_prepare)
    prepared = prepare(source, options, feeds_for)
    head, contract = found["it"]
    save_model(prepared.model, folder / _FILE)
    findings = list(prepared.findings)
    if head.task == "tensors":
        findings.append(
            Finding(
                "EW110",
                Severity.WARNING,
                source.name,
                f"No known head family fits the outputs {', '.join(map(str, prepared.model.outputs))}: errors are told "
                "by output, and the verdict rests on them.",
                {"outputs": [str(spec) for spec in prepared.model.outputs]},
                "Name the family with --task if you know it.",
            )
        )
    return {
        "digest": prepared.model.digest,
        "head": head.to_json(),
        "contract": contract.model_dump(mode="json"),
        "source": describe(source),
        "regions": count_regions(prepared.model),
        "steps": [dict(step.__dict__) for step in prepared.steps],
        "findings": [finding.to_json() for finding in findings],
    }


def describe(model: Model) -> dict[str, Any]:
    """Name, digest, opset, inputs and outputs of a model, as JSON data."""
    return {
        "name": model.name,
        "digest": model.digest,
        "opset": model.opset,
        "inputs": [spec.to_json() for spec in model.inputs],
        "outputs": [spec.to_json() for spec in model.outputs],
        "nodes": sum(1 for _ in model.ir.graph),
    }
