"""From Paddle's program to an `.nb` file that was read back."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.errors import ModelError, ToolchainError, UserError
from edgewright.files import write_bytes_atomic
from edgewright.findings import listed
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.targets.facts import load_facts
from edgewright.targets.paddlelite.nb import NbFile, parse_nb, processor_name, settled
from edgewright.targets.paddlelite.ops import ask_support, check_support
from edgewright.targets.paddlelite.process import VENDOR, call_worker
from edgewright.targets.paddlelite.program import Wording, reworded
from edgewright.toolchains.environments import Environment

FILE = "model.nb"
_QUANTISE = {"int8": "QUANT_INT8", "int16": "QUANT_INT16"}
_PROGRAM = "model.pdmodel"


@dataclass(frozen=True)
class BuiltFile:
    """What was built.

    Attributes:
        nb: the file, read.
        read_back: see `Artifact.read_back`: the boundary, counts of ops, places of kernels, and how it was built.
    """

    nb: NbFile
    read_back: Mapping[str, Any]


def build_file(made: Environment, origin: Origin, model: Model, chip: str, precision: str, folder: Path) -> BuiltFile:
    """Build `folder/model.nb` for one chip, and read back what lies in it.

    Raises:
        UserError: the program is of another kind, or has an op without a kernel.
        ToolchainError: opt failed, or built something else.
    """
    facts = load_facts(VENDOR)
    table = facts["chips"][chip]
    wording = Wording(**facts["words"])
    work = folder / "build"
    work.mkdir(parents=True, exist_ok=True)
    changed = _write_program(origin, wording, work, shelter=False)
    weights = origin.weights.absolute()
    found = ask_support(made, Path(_PROGRAM), weights, table["opt"], work)
    check_support(found, f"{VENDOR}/{chip}", made.version, origin.program)
    arguments = {
        "program": _PROGRAM,
        "weights": str(weights),
        "target": table["opt"],
        "output": "model",
        "quantise": _QUANTISE.get(precision),
    }
    nb, written = _optimised(made, arguments, work)
    if _taken(nb, wording):
        # what becomes of an op is known only when opt is done: once more, with these weights out of its reach
        changed = _write_program(origin, wording, work, shelter=True)
        nb, written = _optimised(made, arguments, work)
    _check_built(nb, table["processors"], wording, made, work)
    write_bytes_atomic(folder / FILE, written)
    shutil.rmtree(work)
    how = {"reworded": changed, "bytes": len(written), "command": _command(arguments)}
    return BuiltFile(nb, {**_told(nb), **_boundary(nb, origin, model), **how})


def check_program(program: Path) -> None:
    """See `targets.backend.ChecksProgram`."""
    if program.suffix != ".pdmodel":
        raise UserError(
            "Paddle Lite cannot read this program",
            where=str(program),
            why="it reads .pdmodel; this is the program format of Paddle 3 (PIR), which no release of it knows",
            todo="export the model again with PaddlePaddle 2.6.2, or choose paddle/cpu",
        )


def _optimised(made: Environment, arguments: Mapping[str, Any], work: Path) -> tuple[NbFile, bytes]:
    call_worker(made, "optimise", arguments, work)
    written = settled((work / FILE).read_bytes())
    return parse_nb(written, str(work / FILE)), written


def _write_program(origin: Origin, wording: Wording, work: Path, *, shelter: bool) -> dict[str, int]:
    """The program as opt wants it; what was done to it, see `program.reworded`."""
    check_program(origin.program)
    for path in (origin.program, origin.weights):
        if not path.is_file():
            raise ModelError("a file of the Paddle model is missing", where=str(path))
    data, changed = reworded(origin.program.read_bytes(), wording, str(origin.program), shelter=shelter)
    write_bytes_atomic(work / _PROGRAM, data)
    return changed


def _taken(nb: NbFile, wording: Wording) -> list[str]:
    """Ops with integer weights that the runtime would multiply with as they are."""
    return [f"{op.op} ({op.first})" for op in nb.ops if op.weight_bits and op.op in wording.sheltered]


def _check_built(nb: NbFile, processors: list[int], wording: Wording, made: Environment, work: Path) -> None:
    """What came out is what was asked for; opt's own word is not enough.

    Raises:
        ToolchainError: it is not.
    """
    strange = nb.elsewhere(processors)
    if strange:
        told = listed([f"{op.op} on {processor_name(op.processor)}" for op in strange])
        raise ToolchainError(
            "opt placed ops on a processor that it was not asked for",
            why=told,
            todo="report this with the model",
            log=str(work / "log.txt"),
        )
    if taken := _taken(nb, wording):
        raise ToolchainError(
            "opt stored weights as integers that the runtime takes as they are",
            why=listed(taken),
            todo="choose --precision float, and report this with the model",
            log=str(work / "log.txt"),
        )
    if nb.version != made.version:
        raise ToolchainError(
            f"opt {made.version} wrote a file that calls itself {nb.version}",
            todo=f"`edgewright toolchain install {VENDOR}=={made.version} --again`",
        )


def _told(nb: NbFile) -> dict[str, Any]:
    """Counts of ops by what they compute in, which is float whatever their weights are stored in, and their places."""
    inner = [op for op in nb.ops if op.op not in ("feed", "fetch")]
    return {
        "int8": 0,
        "int16": 0,
        "float": len(inner),
        "places": nb.places(),
        "stored": {str(bits): sum(op.weight_bits == bits for op in inner) for bits in (8, 16)},
        "opt": nb.version,
    }


def _boundary(nb: NbFile, origin: Origin, model: Model) -> dict[str, Any]:
    """What each input of the file is fed with, and which output of the model each of its outputs is.

    Raises:
        ToolchainError: the file has another boundary than the program.
    """
    inputs = dict(zip(origin.inputs, (spec.name for spec in model.inputs), strict=True))
    outputs = dict(zip(origin.outputs, (spec.name for spec in model.outputs), strict=True))
    unknown = [name for name in nb.feeds if name not in inputs and name not in origin.constants]
    unknown += [name for name in nb.fetches if name not in outputs]
    lost = [name for name in inputs if name not in nb.feeds] + [name for name in outputs if name not in nb.fetches]
    if unknown or lost:
        raise ToolchainError(
            "what opt built has other inputs or outputs than the program",
            why=f"only the file has {listed(unknown) or 'none'}; only the program has {listed(lost) or 'none'}",
            todo="report this with the model",
        )
    feeds: list[dict[str, Any]] = []
    for name in nb.feeds:
        if name in inputs:
            feeds.append({"input": inputs[name]})
        else:
            constant = origin.constants[name]
            feeds.append({"input": None, "values": constant.tolist(), "dtype": str(constant.dtype)})
    return {"feeds": feeds, "fetches": [outputs[name] for name in nb.fetches]}


def _command(arguments: Mapping[str, Any]) -> str:
    """The same in words of the vendor's command, for who wants to do it again."""
    quantise = arguments["quantise"]
    more = f" --quant_model=true --quant_type={quantise}" if quantise else ""
    return (
        f"paddle_lite_opt --model_file={_PROGRAM} --param_file=model.pdiparams --optimize_out=model"
        f" --optimize_out_type=naive_buffer --valid_targets={arguments['target']}{more}"
    )
