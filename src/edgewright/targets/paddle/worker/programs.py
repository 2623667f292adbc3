# Runs on a Paddle environment's Python 3.11.
"""A Paddle program with its weights, of either format, seen alike: what goes in and out, and where the NMS sits."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

Facts = dict[str, Any]

PIR_SUFFIX = ".json"


class Ending(NamedTuple):
    """Where a program begins to choose detections.

    Attributes:
        by: "nms", or "topk" where the best of all queries are taken.
        boxes, scores: the values that it chooses from.
        starts: the ops that it begins with, the one to tell of first.
    """

    by: str
    boxes: Any
    scores: Any
    starts: Sequence[Any]


class Made(NamedTuple):
    """What a value was made by: the op, what it is called, and the values that it computes with."""

    op: Any
    kind: str
    given: list[Any]


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
        raise ProgramFailed(summary(error)) from error


class ProgramFailed(Exception):
    """Paddle does not load a program; the message is its own summary, without the stacks that the log has."""


def summary(error: Exception) -> str:
    """What Paddle says of a failure, in short."""
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

    def outputs_in_order(self) -> list[Any]:
        """The values that are fetched."""
        return list(self.fetches)

    def suppressions(self) -> list[Any]:
        """The ops that suppress boxes: those that take boxes and scores."""
        return [op for op in self.block.ops if "nms" in op.type and {"BBoxes", "Scores"} <= set(op.input_names)]

    def suppression(self, op: Any) -> Ending:
        """Where a program that suppresses boxes begins to."""
        boxes, scores = (self.block.var(op.input(name)[0]) for name in ("BBoxes", "Scores"))
        return Ending("nms", boxes, scores, [op])

    def about(self, op: Any) -> Facts:
        """Type and settings of an op."""
        return {"op": op.type, "settings": _settings({name: op.attr(name) for name in op.attr_names})}

    def made(self, value: Any) -> Made | None:
        """What made a value; None where nothing did (a weight), or several ops did."""
        makers = [op for op in self.block.ops if value.name in op.output_arg_names]
        if len(makers) != 1:
            return None
        op = makers[0]
        names = [name for given in ("X", "Input", "Y") if given in op.input_names for name in op.input(given)]
        return Made(op, op.type, [self.block.var(name) for name in names])

    def cut(self, ending: Ending) -> tuple[list[Any], list[str]]:
        """What to fetch instead of what is chosen (boxes, scores, then outputs that the choice has no part in), and
        the outputs that fall away."""
        behind = self._reached({name for op in ending.starts for name in op.output_arg_names})
        fed = self._reached(set(self.feeds))
        dropped = [value.name for value in self.fetches if value.name in behind or value.name not in fed]
        instead = {value.name: value for value in (ending.boxes, ending.scores, *self.fetches)}
        return [value for name, value in instead.items() if name not in dropped], dropped

    def _reached(self, names: set[str]) -> set[str]:
        """These values and all that depend on one of them."""
        found = set(names)
        for op in self.block.ops:
            if op.type not in ("feed", "fetch") and found.intersection(op.input_arg_names):
                found.update(op.output_arg_names)
        return found

    def run(self, feeds: dict[str, Any]) -> list[Any]:
        """Its outputs, op by op, without the inference engine."""
        with self._guard():
            return list(self.executor.run(self.program, feed=feeds, fetch_list=self.fetches))

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

    def outputs_in_order(self) -> list[Any]:
        """The values that are fetched."""
        return [op.operand_source(0) for op in self.ops_in_order if op.name() == "pd_op.fetch"]

    def suppressions(self) -> list[Any]:
        """The ops that suppress boxes: those that take boxes and scores."""
        candidates = [op for op in self.ops_in_order if "nms" in op.name()]
        return [op for op in candidates if {"bboxes", "scores"} <= set(op.get_input_names())]

    def suppression(self, op: Any) -> Ending:
        """As `OldProgram.suppression`."""
        given = list(op.get_input_names())
        boxes, scores = (op.operand_source(given.index(name)) for name in ("bboxes", "scores"))
        return Ending("nms", boxes, scores, [op])

    def about(self, op: Any) -> Facts:
        """Type and settings of an op."""
        return {"op": op.name().removeprefix("pd_op."), "settings": _settings(op.attrs())}

    def made(self, value: Any) -> Made | None:
        """As `OldProgram.made`."""
        op = value.get_defining_op()
        if op is None or op.name() in ("pd_op.data", "pd_op.feed", "builtin.parameter"):
            return None
        given = _operands(op)
        if given and given[0].get_defining_op().name() == "builtin.combine":  # a list of values
            given = _operands(given[0].get_defining_op())
        return Made(op, op.name().removeprefix("pd_op.").rstrip("_"), given)

    def cut(self, ending: Ending) -> tuple[list[Any], list[str]]:
        """As `OldProgram.cut`."""
        behind = self._reached({op.id() for op in ending.starts})
        fed = self._reached({value.get_defining_op().id() for value in self._inputs().values()})
        fetches = [op for op in self.ops_in_order if op.name() == "pd_op.fetch"]
        dropped = [op for op in fetches if op.id() in behind or op.id() not in fed]
        kept = [op.operand_source(0) for op in fetches if op not in dropped]
        instead = [ending.boxes, ending.scores]
        instead += [value for value in kept if not any(value.is_same(other) for other in instead)]
        return instead, [op.attrs()["name"] for op in dropped]

    def _reached(self, ids: set[int]) -> set[int]:
        """These ops and all that depend on one of them."""
        found = set(ids)
        for op in self.ops_in_order:
            if found.intersection(_makers(op)):
                found.add(op.id())
        return found

    def run(self, feeds: dict[str, Any]) -> list[Any]:
        """As `OldProgram.run`."""
        return list(self.executor.run(self.program, feed=feeds, fetch_list=self.fetches))

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
    return [value.get_defining_op().id() for value in _operands(op)]


def _operands(op: Any) -> list[Any]:
    """The values that an op takes; those that it may do without are left out."""
    values = [op.operand_source(index) for index in range(op.num_operands())]
    return [value for value in values if value is not None and value.initialized()]


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
