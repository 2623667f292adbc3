# Runs on a Paddle environment's Python 3.11.
"""A Paddle program with its weights, of either format, seen alike: what goes in and out, and where the NMS sits."""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

Facts = dict[str, Any]

PIR_SUFFIX = ".json"


def load(program: str, weights: str) -> Any:
    """The program: an `OldProgram` for `.pdmodel`, a `PirProgram` for `.json`.

    Args:
        program, weights: files of the same stem in one folder.
    """
    prefix = Path(program).with_suffix("")
    if Path(weights).with_suffix("") != prefix:
        raise ValueError(f"{program} and {weights} have different names")
    kind = PirProgram if program.endswith(PIR_SUFFIX) else OldProgram
    try:
        return kind(str(prefix))
    except Exception as error:
        raise ProgramFailed(_summary(error)) from error


class ProgramFailed(Exception):
    """Paddle does not load a program; the message is its own summary, without the stacks that the log has."""


def _summary(error: Exception) -> str:
    told = [line.strip() for line in str(error).rpartition("Error Message Summary:")[2].splitlines()]
    lines = [line for line in told if line.strip(" -^") and not line.startswith(("[Hint", "[operator"))]
    # without a summary the stack of Python comes first, and what matters last
    return f"{type(error).__name__}: {' '.join(lines[-1:])}"[:600]


def versions() -> dict[str, str]:
    """What this environment computes with."""
    metadata = importlib.import_module("importlib.metadata")
    return {name: str(metadata.version(name)) for name in ("paddlepaddle", "paddle2onnx", "onnx", "numpy")}


class OldProgram:
    """A program of Paddle 2: a block of ops that read and write named variables."""

    def __init__(self, prefix: str) -> None:
        self.paddle = importlib.import_module("paddle")
        self.paddle.enable_static()
        self.executor = self.paddle.static.Executor(self.paddle.CPUPlace())
        with self._guard():
            loaded = self.paddle.static.load_inference_model(prefix, self.executor)
        self.program, self.feeds, self.fetches = loaded
        self.block = self.program.global_block()

    def inputs(self) -> list[Facts]:
        """Name, type and shape of each input."""
        return [_tensor(name, self.block.var(name)) for name in self.feeds]

    def outputs(self) -> list[Facts]:
        """Name, type and shape of each output."""
        return [_tensor(value.name, value) for value in self.fetches]

    def ops(self) -> dict[str, int]:
        """How often each op occurs."""
        return dict(Counter(op.type for op in self.block.ops if op.type not in ("feed", "fetch")))

    def suppressions(self) -> list[Any]:
        """The ops that suppress boxes: those that take boxes and scores."""
        return [op for op in self.block.ops if "nms" in op.type and {"BBoxes", "Scores"} <= set(op.input_names)]

    def about(self, op: Any) -> Facts:
        """Type and settings of a suppression."""
        return {"op": op.type, "settings": _settings({name: op.attr(name) for name in op.attr_names})}

    def cut(self, op: Any) -> tuple[list[Any], list[str]]:
        """What to fetch instead of what `op` gives (its boxes, its scores, then outputs that it has no part in), and
        the outputs that fall away."""
        reached: set[str] = set(op.output_arg_names)
        for later in self.block.ops[self.block.ops.index(op) + 1 :]:
            if reached.intersection(later.input_arg_names):
                reached.update(later.output_arg_names)
        kept = [value for value in self.fetches if value.name not in reached]
        boxes, scores = (self.block.var(op.input(name)[0]) for name in ("BBoxes", "Scores"))
        return [boxes, scores, *kept], [value.name for value in self.fetches if value.name in reached]

    def save(self, prefix: str, targets: list[Any]) -> None:
        """Write the part of the program that `targets` need."""
        needed = {value.name for value in targets}
        for op in reversed(self.block.ops):
            if op.type not in ("feed", "fetch") and needed.intersection(op.output_arg_names):
                needed.update(op.input_arg_names)
        feeds = [self.block.var(name) for name in self.feeds if name in needed]
        names = self.paddle.utils.unique_name
        # saving adds variables whose names count from 0 again: those of the first export are in the program still
        with self._guard(), names.guard(_unused_prefix(self.block.vars)):
            self.paddle.static.save_inference_model(prefix, feeds, targets, self.executor, program=self.program)

    def _guard(self) -> AbstractContextManager[Any]:
        """Paddle 3 handles programs of Paddle 2 only when asked to."""
        utils = getattr(self.paddle, "pir_utils", None)
        return utils.OldIrGuard() if utils is not None and hasattr(utils, "OldIrGuard") else nullcontext()


class PirProgram:
    """A program of Paddle 3: ops whose operands are values of other ops."""

    def __init__(self, prefix: str) -> None:
        self.paddle = importlib.import_module("paddle")
        self.paddle.enable_static()
        self.executor = self.paddle.static.Executor(self.paddle.CPUPlace())
        self.program, self.feeds, self.fetches = self.paddle.static.load_inference_model(prefix, self.executor)
        self.ops_in_order = list(self.program.global_block().ops)

    def inputs(self) -> list[Facts]:
        """Name, type and shape of each input."""
        values = self._inputs()
        return [_tensor(name, values[name]) for name in self.feeds]

    def outputs(self) -> list[Facts]:
        """Name, type and shape of each output."""
        fetched = [op for op in self.ops_in_order if op.name() == "pd_op.fetch"]
        return [_tensor(op.attrs()["name"], op.operand_source(0)) for op in fetched]

    def ops(self) -> dict[str, int]:
        """How often each op occurs."""
        names = [op.name() for op in self.ops_in_order]
        return dict(Counter(name.removeprefix("pd_op.") for name in names if not _is_frame(name)))

    def suppressions(self) -> list[Any]:
        """The ops that suppress boxes: those that take boxes and scores."""
        candidates = [op for op in self.ops_in_order if "nms" in op.name()]
        return [op for op in candidates if {"bboxes", "scores"} <= set(op.get_input_names())]

    def about(self, op: Any) -> Facts:
        """Type and settings of a suppression."""
        return {"op": op.name().removeprefix("pd_op."), "settings": _settings(op.attrs())}

    def cut(self, op: Any) -> tuple[list[Any], list[str]]:
        """As `OldProgram.cut`."""
        reached = {op.id()}
        for later in self.ops_in_order[[other.id() for other in self.ops_in_order].index(op.id()) + 1 :]:
            if reached.intersection(_makers(later)):
                reached.add(later.id())
        fetches = [other for other in self.ops_in_order if other.name() == "pd_op.fetch"]
        kept = [other.operand_source(0) for other in fetches if other.id() not in reached]
        given = list(op.get_input_names())
        boxes, scores = (op.operand_source(given.index(name)) for name in ("bboxes", "scores"))
        return [boxes, scores, *kept], [other.attrs()["name"] for other in fetches if other.id() in reached]

    def save(self, prefix: str, targets: list[Any]) -> None:
        """Write the part of the program that `targets` need."""
        needed = {value.get_defining_op().id() for value in targets}
        for op in reversed(self.ops_in_order):
            if op.id() in needed:
                needed.update(_makers(op))
        values = self._inputs()
        feeds = [values[name] for name in self.feeds if values[name].get_defining_op().id() in needed]
        self.paddle.static.save_inference_model(prefix, feeds, targets, self.executor, program=self.program)

    def _inputs(self) -> dict[str, Any]:
        data = [op for op in self.ops_in_order if op.name() in ("pd_op.data", "pd_op.feed")]
        return {op.attrs()["name"]: op.results()[0] for op in data}


def _makers(op: Any) -> list[int]:
    """The ops that make the operands of `op`."""
    makers = []
    for index in range(op.num_operands()):
        value = op.operand_source(index)
        if value is not None and value.initialized():
            makers.append(value.get_defining_op().id())
    return makers


def _is_frame(name: str) -> bool:
    return name.startswith("builtin.") or name in ("pd_op.data", "pd_op.feed", "pd_op.fetch")


def _tensor(name: str, value: Any) -> Facts:
    """JSON form; open dimensions are None."""
    shape = [None if size < 0 else int(size) for size in value.shape]
    return {"name": str(name), "dtype": str(value.dtype).rpartition(".")[2].lower(), "shape": shape}


def _settings(attributes: dict[str, Any]) -> Facts:
    """The attributes that JSON can hold, without those of Paddle's own bookkeeping."""
    plain = (bool, int, float, str)
    named = {name: value for name, value in attributes.items() if not name.startswith(("op_", "with_", "stop_"))}
    return {name: value for name, value in named.items() if isinstance(value, plain)}


def _unused_prefix(names: Any) -> str:
    for count in range(1000):
        prefix = f"cut{count or ''}_"
        if not any(name.startswith(prefix) for name in names):
            return prefix
    raise ValueError("the program was cut a thousand times")
