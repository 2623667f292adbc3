"""Runs inside RKNN-Toolkit2's environment: prepare, build, run and trace, one call a process.

The simulator works only in the process that built, so `run` and `trace` build again, with the same configuration. The
toolkit says that it failed in three ways: it raises, it returns -1, or it dies. Every return value is checked.

What was built is read from objects behind the public class (`rknn_base`), for the toolkit has no other way to tell.
They are the same in 2.3.2 and 2.5.0; a version where they are missing ends in an error, never in a guess.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import worker_side  # type: ignore[import-not-found, unused-ignore]
import worker_snapshot  # type: ignore[import-not-found, unused-ignore]

FUSED, STATE, BUILT, ARTIFACT = "fused.onnx", "state.json", "built.json", "model.rknn"
_SIGNATURE = b"RKNN"


def prepare(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fuse the graph and calibrate it: the toolkit's first step of hybrid quantisation.

    Leaves the fused graph (`fused.onnx`) and the toolkit's state (`state.json`).

    Returns:
        `nodes`: the fused graph; `parameters`: what the toolkit would quantise each tensor with.
    """
    from ruamel.yaml import YAML  # type: ignore[import-not-found, unused-ignore]

    rknn = _configured(arguments)
    model = Path(arguments["model"])
    _done("load_onnx", rknn.load_onnx(model=str(model)))
    dataset = _dataset(arguments)
    _done("hybrid_quantization_step1", rknn.hybrid_quantization_step1(dataset=str(dataset)))
    graph = _nodes(onnx.load(f"{model.stem}.model"))
    with Path(f"{model.stem}.quantization.cfg").open(encoding="utf-8") as file:
        parameters = YAML(typ="safe").load(file)["quantize_parameters"]
    _save_state(Path(f"{model.stem}.data"))
    Path(f"{model.stem}.model").replace(FUSED)
    for leftover in (dataset, Path(f"{model.stem}.data"), Path(f"{model.stem}.quantization.cfg")):
        leftover.unlink()
    return {"nodes": graph, "parameters": parameters}


def calibrate(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The toolkit's own calibration, in the form of `prepare`'s answer.

    A whole build is needed for it: asked for "mmse", the first step of hybrid quantisation computes "kl_divergence".
    """
    rknn = _configured(arguments)
    _done("load_onnx", rknn.load_onnx(model=arguments["model"]))
    dataset = _dataset(arguments)
    _done("build", rknn.build(do_quantization=True, dataset=str(dataset)))
    dataset.unlink()
    table = rknn.rknn_base.quantizer.quant_tab
    keys = ("min", "max", "ori_min", "ori_max")
    whole = {name: entry for name, entry in table.items() if all(np.size(entry[key]) == 1 for key in keys)}
    parameters = {
        name: {"dtype": str(entry["dtype"]), **{key: np.ravel(entry[key]).astype(float).tolist() for key in keys}}
        for name, entry in whole.items()
    }
    return {"nodes": _nodes(rknn.rknn_base.ir.model), "parameters": parameters}


def build(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Build and export `model.rknn`; `built.json` tells what is in it."""
    rknn = _built(arguments)
    _done("export_rknn", rknn.export_rknn(ARTIFACT))
    with Path(ARTIFACT).open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            raise RuntimeError("export_rknn returned 0, but model.rknn is not an RKNN file")
    _done("init_runtime", rknn.init_runtime())
    _infer(rknn, _zeros(arguments["model"]))  # the simulator decides on its grids when it runs
    table = {name: _entry(entry) for name, entry in rknn.rknn_base.simulator.quant_tab.items()}
    nodes = _nodes(rknn.rknn_base.ir.model)
    Path(BUILT).write_text(json.dumps({"nodes": nodes, "table": table}), encoding="utf-8")
    return {"bytes": Path(ARTIFACT).stat().st_size}


def run(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs of the simulator for each sample: `samples` names .npz files of inputs, `results` those to write."""
    rknn = _built(arguments)
    _done("init_runtime", rknn.init_runtime())
    for inputs, file in _samples(arguments):
        values = _infer(rknn, inputs)
        np.savez(file, **{str(index): value for index, value in enumerate(values)})
    return {"samples": len(arguments["samples"])}


def trace(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Like `run`, for `tensors` of the fused graph; every value as the simulator hands it on, real values."""
    rknn = _built(arguments)
    _done("init_runtime", rknn.init_runtime())
    names = list(arguments["tensors"])
    seen: dict[str, Any] = {}
    attached = False
    for inputs, file in _samples(arguments):
        if not attached:
            _infer(rknn, inputs)  # makes the sessions
            _listen(rknn.rknn_base.simulator, set(names), seen)
            attached = True
        seen.clear()
        _infer(rknn, inputs)
        missing = [name for name in names if name not in seen]
        if missing:
            raise RuntimeError(f"the simulator has no tensor {missing[0]!r}")
        np.savez(file, **{str(index): seen[name] for index, name in enumerate(names)})
    return {"samples": len(arguments["samples"])}


def single(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The toolkit's own accuracy analysis of each sample; see `worker_snapshot.analyse`.

    `results` get the values of `tensors` (of the fused graph) in float, or, with `kind` "simulator", as simulated.

    Returns:
        `analyses`: its table of errors, as text, for each sample.
    """
    rknn = _built(arguments)
    _done("init_runtime", rknn.init_runtime())
    names, kind = list(arguments["tensors"]), arguments.get("kind", "golden")
    tables = []
    for inputs, file in _samples(arguments):
        value, table, values = worker_snapshot.analyse(rknn, inputs, names, kind)
        _done("accuracy_analysis", value)
        np.savez(file, **values)
        tables.append(table)
    return {"analyses": tables}


def _listen(simulator: Any, names: set[str], seen: dict[str, Any]) -> None:
    original = simulator._infer_by_sess

    def hear(session: Any, values: dict[str, Any], *rest: Any, **options: Any) -> Any:
        answer = original(session, values, *rest, **options)
        for name in names & set(values):
            if name not in seen:
                seen[name] = np.array(values[name], np.float32)
        return answer

    simulator._infer_by_sess = hear


def _dataset(arguments: Mapping[str, Any]) -> Path:
    dataset = Path("dataset.txt")
    dataset.write_text("".join(f"{' '.join(files)}\n" for files in arguments["samples"]), encoding="utf-8")
    return dataset


def _configured(arguments: Mapping[str, Any]) -> Any:
    _writable_initialisers()
    from rknn.api import RKNN  # type: ignore[import-not-found, unused-ignore]

    rknn = RKNN(verbose=False)
    _done("config", rknn.config(target_platform=arguments["platform"], **arguments.get("options", {})))
    return rknn


def _built(arguments: Mapping[str, Any]) -> Any:
    rknn = _configured(arguments)
    if arguments.get("plan"):
        _restore_state(Path("restored.data"))
        value = rknn.hybrid_quantization_step2(
            model_input=FUSED, data_input="restored.data", model_quantization_cfg=arguments["plan"]
        )
        Path("restored.data").unlink()
        _done("hybrid_quantization_step2", value)
    else:
        _done("load_onnx", rknn.load_onnx(model=arguments["model"]))
        _done("build", rknn.build(do_quantization=False))
    return rknn


def _done(step: str, value: Any) -> None:
    if value != 0:
        raise RuntimeError(f"{step} returned {value!r} without an exception")


def _infer(rknn: Any, inputs: list[Any]) -> list[Any]:
    # "nchw" stands for "as the ONNX graph declares it"; the toolkit's own default is NHWC
    values = rknn.inference(inputs=inputs, data_format=["nchw"] * len(inputs))
    if values is None:
        raise RuntimeError("inference returned None without an exception")
    return list(values)


def _samples(arguments: Mapping[str, Any]) -> Iterator[tuple[list[Any], str]]:
    for source, result in zip(arguments["samples"], arguments["results"], strict=True):
        with np.load(source, allow_pickle=False) as arrays:
            yield [arrays[str(index)] for index in range(len(arrays.files))], result


def _nodes(model: Any) -> list[dict[str, Any]]:
    return [
        {"op": node.op_type, "name": node.name, "inputs": list(node.input), "outputs": list(node.output)}
        for node in model.graph.node
    ]


def _zeros(path: str) -> list[Any]:
    graph = onnx.load(path).graph
    constant = {tensor.name for tensor in graph.initializer}
    found = []
    for value in graph.input:
        if value.name not in constant:
            kind = value.type.tensor_type
            shape = [size.dim_value for size in kind.shape.dim]
            found.append(np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)))
    return found


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: np.asarray(entry[key], np.float64).ravel().tolist() for key in ("min", "max", "scale")}
    zero = np.asarray(entry["zero_point"], np.int64).ravel().tolist()
    return {**numbers, "zero_point": zero, "dtype": str(entry["dtype"]), "fused": entry.get("qmode") == "replace"}


def _save_state(path: Path) -> None:
    """The toolkit's pickle as JSON: what lies in a bundle must not be able to run code."""
    with path.open("rb") as file:
        state = pickle.load(file)  # noqa: S301 - written by the toolkit in this very process
    state["ori_model_path"] = "model.onnx"
    state["args"] = vars(state["args"])
    Path(STATE).write_text(json.dumps(state, default=_plain), encoding="utf-8")


def _restore_state(path: Path) -> None:
    state = json.loads(Path(STATE).read_text(encoding="utf-8"))
    state["args"] = argparse.Namespace(**state["args"])
    with path.open("wb") as file:
        pickle.dump(state, file)


def _plain(value: Any) -> Any:
    """NumPy's values as Python's; anything else is refused by raising, as `json` asks for."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"the toolkit's state holds a {type(value).__name__}")


def _writable_initialisers() -> None:
    """2.5.0 writes into arrays that onnx gives read-only ("assignment destination is read-only")."""
    from onnx import numpy_helper

    original: Callable[..., Any] = numpy_helper.to_array

    def to_array(*values: Any, **options: Any) -> Any:
        return np.array(original(*values, **options))

    numpy_helper.to_array = to_array  # type: ignore[assignment, unused-ignore]


def _plainly(command: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The toolkit raises ValueError with a whole traceback as its message: keep what that ends with."""

    def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return command(arguments)
        except ValueError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            if not lines or not lines[0].startswith("Traceback"):
                raise
            starts = [index for index, line in enumerate(lines) if not line.startswith((" ", "Traceback", "During"))]
            raise RuntimeError("\n".join(lines[starts[-1] :] if starts else lines[-1:])) from error

    return plain


if __name__ == "__main__":
    sys.setrecursionlimit(10000)  # the toolkit walks graphs recursively
    commands = prepare, calibrate, build, run, trace, single
    worker_side.main({command.__name__: _plainly(command) for command in commands})
