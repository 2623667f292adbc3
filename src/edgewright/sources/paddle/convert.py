"""From a Paddle export to a normalised Paddle model and the ONNX of it, in the environment that fits the export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import ModelError
from edgewright.findings import Finding
from edgewright.graph.io import load_model, save_model
from edgewright.graph.origin import Origin
from edgewright.sources.paddle.export import WEIGHTS_SUFFIX, PaddleExport
from edgewright.sources.paddle.fold import folded
from edgewright.sources.paddle.notes import constant_findings, cut_findings, narrowed_findings
from edgewright.targets.paddle.process import call_worker, paddle_environment

FRAMEWORK = "paddle"
NORMALISED = "paddle"
"""Folder of the normalised model, and the stem of its files is `model`."""
SCALE, SIZE = "scale_factor", "im_shape"
"""Inputs beside the image, by which PaddleDetection's own programs go by: its deploy code feeds them under these names.
The first says how much the image was scaled, the second how large it was then; both as (height, width)."""
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Converted:
    """What became of an export.

    Attributes:
        onnx: the ONNX model, one image in.
        origin: the normalised Paddle model behind it.
        facts: what the export was, what was cut, the ops that are left, with what versions; JSON types.
        findings: what was noticed.
    """

    onnx: Path
    origin: Origin
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]


def describe(export: PaddleExport, version: str, folder: Path) -> Mapping[str, Any]:
    """Inputs, outputs, ops and suppressions of a program, and the versions that told them.

    Raises:
        ToolchainMissing, WorkerFailed: that Paddle is not installed, or died of the file.
    """
    return call_worker(paddle_environment(version), "describe", _files(export.program, export.weights), folder).result


def convert(
    export: PaddleExport,
    version: str,
    opset: int,
    folder: Path,
    name: str,
    size: tuple[int | None, int | None],
    labels: Sequence[str] = (),
) -> Converted:
    """Cut, convert and fold an export into `folder`.

    Args:
        version: of Paddle, one that reads the export.
        opset: of the ONNX model; paddle2onnx goes higher where an op asks for it.
        name: of the ONNX file.
        size: height and width of the network where the program leaves them open; None leaves them so.
        labels: class names.

    Raises:
        ModelError: the export has inputs that are not understood, or sizes that contradict each other.
        ToolchainMissing, WorkerFailed: that Paddle is not installed, or it failed.
    """
    made = paddle_environment(version)
    work = folder / "normalise"
    asked = {**_files(export.program, export.weights), "size": list(size)}
    told = call_worker(made, "normalise", asked, work).result
    program = _moved(work, export, folder / NORMALISED)
    after = told["after"]
    image, shape = image_input(after["inputs"], size)
    _check_size(image, shape)
    constants = _constants(after["inputs"], image, shape)
    raw = (folder / "convert" / "raw.onnx").absolute()
    weights = program.with_suffix(WEIGHTS_SUFFIX)
    arguments = {**_files(program, weights), "onnx": raw.name, "opset": opset}
    narrowed = int(call_worker(made, "convert", arguments, raw.parent).result["narrowed"])
    outputs = [entry["name"] for entry in after["outputs"]]
    # one image at a time: a graph that looks for its best candidates may find others once its batch is fixed later on
    model = folded(load_model(raw), image, (1, *shape[1:]), outputs, constants, labels)
    raw.unlink()
    onnx = folder / f"{name}.onnx"
    save_model(model, onnx)
    origin = Origin(FRAMEWORK, version, program, weights, (image,), tuple(outputs), constants)
    facts = {
        "format": export.format,
        "versions": told["before"]["versions"],
        "inputs": told["before"]["inputs"],
        "outputs": told["before"]["outputs"],
        "ops": told["after"]["ops"],
        "cut": told["cut"],
        "open_batch": shape[0] is None,
        "network": _edges(shape),
        "commands": [_command(program, opset, onnx)],
    }
    found = (*cut_findings(told, name), *constant_findings(constants, name), *narrowed_findings(narrowed, name))
    return Converted(onnx, origin, facts, found)


def image_input(
    inputs: Sequence[Mapping[str, Any]], size: tuple[int | None, int | None]
) -> tuple[str, tuple[int | None, ...]]:
    """Name and shape of the image input, its edges from `size` where the program leaves them open.

    Raises:
        ModelError: there is none, or several.
    """
    found = [entry for entry in inputs if len(entry["shape"]) == 4]
    if len(found) != 1:
        listed = ", ".join(f"{entry['name']} {entry['shape']}" for entry in inputs) or "none"
        raise ModelError(
            "Edgewright deploys models with one image input of four dimensions",
            why=f"inputs of this program: {listed}",
            todo="export the model with one image input",
        )
    shape = list(found[0]["shape"])
    first = 2 if shape[1] in _CHANNELS or shape[3] not in _CHANNELS else 1
    for place, edge in zip((first, first + 1), size, strict=True):
        shape[place] = edge if shape[place] is None else shape[place]
    return str(found[0]["name"]), tuple(shape)


def _constants(inputs: Sequence[Mapping[str, Any]], image: str, shape: Sequence[int | None]) -> dict[str, NDArray[Any]]:
    """What is fed beside the image: it is given in the network's size, so its scale is 1."""
    found: dict[str, NDArray[Any]] = {}
    for entry in inputs:
        name = str(entry["name"])
        if name == SCALE:
            found[name] = np.ones((1, 2), entry["dtype"])
        elif name == SIZE:
            found[name] = np.array([_edges(shape)], entry["dtype"])
        elif name != image:
            raise ModelError(
                f"the program has an input that Edgewright does not know how to feed: {name} {entry['shape']}",
                why=f"beside the image, {SCALE} and {SIZE} of PaddleDetection are known",
                todo="export the model without it, or with its value inside",
            )
    return found


def _check_size(image: str, shape: Sequence[int | None]) -> None:
    if None in shape[1:]:
        known = ",".join("?" if size is None else str(size) for size in (1, *shape[1:]))
        raise ModelError(
            f"input {image} has dynamic dimensions: {list(shape)}",
            why="edge compilers need static shapes, and neither the program nor infer_cfg.yml tells the size",
            todo=f"pass --input-shape {image}={known} with numbers for every ?",
        )


def _edges(shape: Sequence[int | None]) -> list[int]:
    """Height and width of an image input."""
    first = 2 if shape[1] in _CHANNELS else 1
    return [edge or 1 for edge in shape[first : first + 2]]


def _command(program: Path, opset: int, onnx: Path) -> str:
    """The converter's own command line for what was done."""
    files = f"--model_filename {program.name} --params_filename {program.with_suffix(WEIGHTS_SUFFIX).name}"
    return f"paddle2onnx --model_dir {NORMALISED} {files} --opset_version {opset} --save_file {onnx.name}"


def _files(program: Path, weights: Path) -> dict[str, str]:
    return {"program": str(program.absolute()), "weights": str(weights.absolute())}


def _moved(work: Path, export: PaddleExport, place: Path) -> Path:
    """The normalised files in a folder of their own; its program."""
    place.mkdir(parents=True, exist_ok=True)
    for suffix in (export.program.suffix, WEIGHTS_SUFFIX):
        written = work / f"model{suffix}"
        if not written.is_file():
            raise ModelError(
                f"Paddle wrote no model{suffix} when the program was cut",
                where=str(export.program),
                todo="try another version of Paddle (--paddle VERSION)",
            )
        written.replace(place / written.name)
    return place / f"model{export.program.suffix}"
