# Runs on TPU-MLIR's Python 3.10.
"""The way from ONNX to the chip's file. Everything is read and written in the working directory, which TPU-MLIR wants:
weights are looked up there by bare names, and its compiler writes files of fixed names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import vendor_scripts  # type: ignore[import-not-found]

_WEIGHTS = ("_weights.npz", "_weight.npz")
_ESTIMATES = ("compiler_profile_0.txt", "_0.dat")


def transform(arguments: dict[str, Any]) -> dict[str, Any]:
    """ONNX to a float module: {"model", "shapes", "name"} to {"module"}."""
    name = arguments["name"]
    module = name + ".mlir"
    options = ["--model_name", name, "--model_def", arguments["model"], "--mlir", module]
    vendor_scripts.run("model_transform.py", [*options, "--input_shapes", str(arguments["shapes"])])
    vendor_scripts.wanted(module)
    return {"module": module}


def lower(arguments: dict[str, Any]) -> dict[str, Any]:
    """A float module to the one of a chip, not compiled: as `deploy`, to {"module", "weights"}."""
    _clear()
    options = _deploy_options(arguments)
    try:
        vendor_scripts.run("model_deploy.py", [*options, "--not_gen_bmodel"], keep=_WEIGHTS)
    except vendor_scripts.ToolFailed:
        # this option silences the compiler: once more, for the log; old versions do not have it
        _clear()
        vendor_scripts.run("model_deploy.py", options, keep=_WEIGHTS)
    return _lowered()


def deploy(arguments: dict[str, Any]) -> dict[str, Any]:
    """A float module to the chip's file.

    {"module", "chip", "quantize", "model", "calibration", "modes", "asymmetric"} to {"module", "weights", "model",
    "estimates"}. No input is given to the tool, so that it compares nothing: it passes when no name matches.
    """
    _clear()
    vendor_scripts.run("model_deploy.py", _deploy_options(arguments), keep=_WEIGHTS)
    vendor_scripts.wanted(arguments["model"])
    renamed = Path(arguments["model"] + "." + _ESTIMATES[0])
    if renamed.is_file():
        shutil.copyfile(renamed, _ESTIMATES[0])
    estimates = [name for name in _ESTIMATES if Path(name).is_file()]
    return {**_lowered(), "model": arguments["model"], "estimates": estimates}


def calibrate(arguments: dict[str, Any]) -> dict[str, Any]:
    """The vendor's own calibration: {"module", "list", "count", "options", "table"} to {"table"}."""
    options = ["--data_list", arguments["list"], "--input_num", str(arguments["count"])]
    options += [*arguments["options"], "-o", arguments["table"]]
    vendor_scripts.run("run_calibration.py", [arguments["module"], *options])
    vendor_scripts.wanted(arguments["table"])
    return {"table": arguments["table"]}


def _clear() -> None:
    """An earlier build here must not be taken for this one."""
    for stale in [*Path().glob("*_tpu.mlir"), *Path().glob("*compiler_profile_0.*"), *Path().glob("_0.dat")]:
        stale.unlink()


def _deploy_options(arguments: dict[str, Any]) -> list[str]:
    options = ["--mlir", arguments["module"], "--chip", arguments["chip"], "--quantize", arguments["quantize"]]
    options += ["--model", arguments["model"]]
    options += ["--asymmetric"] if arguments.get("asymmetric") else []
    for option, key in (("--calibration_table", "calibration"), ("--quantize_table", "modes")):
        if arguments.get(key):
            if not Path(arguments[key]).is_file():
                raise vendor_scripts.ToolFailed(f"the table {arguments[key]} is not there")
            options += [option, arguments[key]]
    return options


def _lowered() -> dict[str, str]:
    """The module of the chip and its weights, which are written under names of the tool's own."""
    modules = [path.name for path in Path().glob("*_tpu.mlir")]
    if len(modules) != 1:
        raise vendor_scripts.ToolFailed(f"model_deploy.py left {len(modules)} lowered modules: {modules}")
    with Path(modules[0]).open(encoding="utf-8") as file:
        head = file.read(4096)
    weights = head.partition('module.weight_file = "')[2].partition('"')[0]
    return {"module": modules[0], "weights": vendor_scripts.wanted(weights)[0]}
