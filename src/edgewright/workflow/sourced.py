"""Stage: from a framework's export to the ONNX model that everything behind it works on, with where it came from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewright.data.contract import Contract
from edgewright.errors import ToolchainError, UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.endings.remove import has_ending, remove_ending
from edgewright.graph.io import load_model, save_model
from edgewright.graph.origin import Origin
from edgewright.sources.base import source_kind, source_name
from edgewright.sources.paddle.contract import contract_of
from edgewright.sources.paddle.convert import NORMALISED, convert
from edgewright.sources.paddle.export import CONFIG, PaddleExport, find_export
from edgewright.sources.paddle.infer_cfg import InferConfig, read_config
from edgewright.sources.paddle.versions import VENDOR, version_for
from edgewright.targets.naming import parse_target
from edgewright.targets.paddle.process import paddle_environment
from edgewright.workflow.blame import keep_log
from edgewright.workflow.progress import Progress
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.run_dir import RunDir, StageResult

STAGE = "source"
MIN_OPSET = 13
"""Quantised models need a scale per channel, which begins with it."""


@dataclass(frozen=True)
class Sourced:
    """The ONNX model of a recipe.

    Attributes:
        path: the ONNX file: the user's own, or the one that was made from an export.
        origin: the framework's files behind it; None for ONNX.
        preset: the preprocessing contract that the export tells; None where it tells none.
        steps: its steps, as the framework does them; empty without.
        facts: what the export is and what was done with it, for provenance.
        findings: what was noticed.
    """

    path: Path
    origin: Origin | None = None
    preset: Contract | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def export_version(recipe: Recipe) -> str | None:
    """Version of the framework that reads the recipe's model; None for ONNX.

    Raises:
        UserError: the export is damaged, or the version that was asked for cannot read it.
    """
    path = Path(recipe.model.path)
    return None if source_kind(path).name != VENDOR else version_for(find_export(path), _asked(recipe))


def target_of(recipe: Recipe) -> str:
    """The recipe's target, with the version that reads the model where the target is of the model's own framework."""
    named = parse_target(recipe.target)
    if named.vendor != VENDOR or named.version is not None:
        return recipe.target
    version = export_version(recipe)
    return recipe.target if version is None else f"{recipe.target}=={version}"


def source_key(recipe: Recipe) -> dict[str, Any]:
    """What results depend on beside the bytes of the model; empty for ONNX.

    Raises:
        UserError: as `export_version`.
        ToolchainMissing: the framework is not installed.
    """
    version = export_version(recipe)
    return {} if version is None else {"source": {VENDOR: version, "environment": paddle_environment(version).digest}}


def source_stage(run: RunDir, recipe: Recipe, key: Mapping[str, Any], min_opset: int, progress: Progress) -> Sourced:
    """The ONNX model, made once for the same bytes and the same version of the framework.

    Args:
        key: holds the digest of the model and what `source_key` gives.
        min_opset: the oldest opset that the target's toolchain reads.

    Raises:
        UserError: the export cannot be used.
        ToolchainError: its framework, or the converter, failed.
    """
    path = Path(recipe.model.path)
    if export_version(recipe) is None:
        return _cut(path, lambda compute: run.stage(STAGE, {**key, "cut": True}, compute))
    opset = max(MIN_OPSET, min_opset)
    stage_key = {**key, "opset": opset, "name": source_name(path), "shapes": _shapes(recipe)}

    def compute(folder: Path) -> dict[str, Any]:
        try:
            return _made(folder, recipe, opset)
        except ToolchainError as error:  # while the folder is there
            keep_log(error, run.log_of(STAGE))
            raise

    with progress.step(f"{VENDOR} to ONNX"):
        result = run.stage(STAGE, stage_key, compute)
    return _sourced(result.data, result.folder)


def source_once(path: Path, recipe: Recipe, stack: ExitStack) -> Sourced:
    """`source_stage` without a run directory, in a folder that goes away with `stack`; ONNX files stay in theirs."""
    if source_kind(path).name != VENDOR:
        return _cut(path, lambda compute: _in_folder(Path(stack.enter_context(_temporary())), compute))
    folder = Path(stack.enter_context(_temporary()))
    mine = recipe.model_copy(update={"model": recipe.model.model_copy(update={"path": str(path)})})
    try:
        return _sourced(_made(folder, mine, MIN_OPSET), folder)
    except ToolchainError as error:
        if error.log:
            with tempfile.NamedTemporaryFile(prefix="edgewright-source-", suffix=".log", delete=False) as kept:
                keep_log(error, Path(kept.name))
        raise


def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="edgewright-")


def _in_folder(folder: Path, compute: Callable[[Path], dict[str, Any]]) -> StageResult:
    return StageResult(compute(folder), folder, reused=False)


def _cut(path: Path, stage: Callable[[Callable[[Path], dict[str, Any]]], StageResult]) -> Sourced:
    """An ONNX file as it is, or without what its exporter put behind the network."""
    model = load_model(path)
    if not has_ending(model):
        return Sourced(path)

    def compute(folder: Path) -> dict[str, Any]:  # the cut is proven on numbers: once
        ended = remove_ending(model)
        save_model(model if ended is None else ended.model, folder / path.name)
        return {"onnx": path.name, "findings": [finding.to_json() for finding in (ended.findings if ended else ())]}

    result = stage(compute)
    findings = tuple(Finding.from_json(finding) for finding in result.data["findings"])
    return Sourced(result.folder / result.data["onnx"], findings=findings)


def _made(folder: Path, recipe: Recipe, opset: int) -> dict[str, Any]:
    export = find_export(Path(recipe.model.path))
    version = version_for(export, _asked(recipe))
    config = read_config(export.config) if export.config is not None else None
    contract = _contract(export, config)
    asked = _asked_size(recipe)
    size = asked or ((contract.height, contract.width) if contract else (None, None))
    name = source_name(export.path)
    labels = config.label_list if config else ()
    made = convert(export, version, opset, folder, name, size, labels)
    image = made.origin.inputs[0]
    preset = None if contract is None else _fitted(contract, image, made.facts["network"], export, asked is not None)
    return {
        "onnx": made.onnx.name,
        "origin": made.origin.to_json(),
        "preset": None if preset is None else preset.model_dump(mode="json"),
        "steps": [] if config is None else [step.model_dump(mode="json") for step in config.steps],
        "facts": {
            **made.facts,
            "files": [path.name for path in export.files],
            "arch": config.arch if config else "",
            "draw_threshold": config.draw_threshold if config else None,
        },
        "findings": [finding.to_json() for finding in (*_config_findings(export), *made.findings)],
    }


def _sourced(data: Mapping[str, Any], folder: Path) -> Sourced:
    return Sourced(
        path=folder / data["onnx"],
        origin=Origin.from_json(data["origin"], folder / NORMALISED),
        preset=None if data["preset"] is None else Contract.model_validate(data["preset"]),
        steps=tuple(data["steps"]),
        facts=data["facts"],
        findings=tuple(Finding.from_json(finding) for finding in data["findings"]),
    )


def _asked(recipe: Recipe) -> str | None:
    """The version that the user named: with --paddle, or with a target of Paddle's own."""
    named = parse_target(recipe.target)
    return recipe.model.paddle or (named.version if named.vendor == VENDOR else None)


def _shapes(recipe: Recipe) -> list[Any]:
    return [[name, list(shape)] for name, shape in recipe.model.input_shapes.items()]


def _asked_size(recipe: Recipe) -> tuple[int | None, int | None] | None:
    """Height and width of --input-shape; the only image input has four dimensions, whatever its name."""
    for shape in recipe.model.input_shapes.values():
        if len(shape) == 4:
            return (shape[2], shape[3]) if shape[1] in (1, 3) else (shape[1], shape[2])
    return None


def _contract(export: PaddleExport, config: InferConfig | None) -> Contract | None:
    if config is None or export.config is None:
        return None
    return contract_of(config, "image", export.config)


def _fitted(contract: Contract, image: str, network: tuple[int, int], export: PaddleExport, asked: bool) -> Contract:
    """The contract for the size that the network really has.

    Raises:
        UserError: `infer_cfg.yml` stretches images to another size than the program takes.
    """
    height, width = network
    same = (contract.height, contract.width) == (height, width)
    if not same and not asked and contract.resize != "keep-ratio":
        raise UserError(
            f"{CONFIG} makes images {contract.height}x{contract.width}, but {export.program.name} takes "
            f"{height}x{width}",
            where=str(export.config),
            why="they are not of one export",
            todo="export the model again, or correct target_size (height, width)",
        )
    return contract.model_copy(update={"input": image, "width": width, "height": height})


def _config_findings(export: PaddleExport) -> list[Finding]:
    if export.config is not None:
        return []
    return [
        Finding(
            "EW120",
            Severity.WARNING,
            export.program.name,
            f"There is no {CONFIG} beside the program: size, normalisation and class names are those of the head "
            "family, or plain ones.",
            {},
            f"Copy {CONFIG} of the export beside it, or pass --resize, --mean, --std and --colour.",
        )
    ]
