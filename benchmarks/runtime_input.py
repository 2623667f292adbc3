"""What it costs to bring a frame into the network's buffer, beside the plain ways and the memory's own speed.

    python benchmarks/runtime_input.py [--json]

Each row is the whole call of `InputPath` on a frame of the network's size; one thread; CPU time of the thread, median
of 41 rounds of 10; the ratio is the median of the ratios to a copy of the frame's bytes (`np.copyto`) in the same
round. The plain ways come after, one call a round, against the median of those copies.
"without VBMI" is the same path as a processor that lacks AVX-512 VBMI runs it, "library" without the compiler.
Every form must give the same bits as `preprocess` and `to_port`. Exit status 1 if a limit does not hold.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import cv2
import numpy as np

from edgewright.data.contract import Contract, preprocess
from edgewright.kernels import pixels
from edgewright.kernels.arithmetic import PERMUTE, SHUFFLE
from edgewright.runtime.boundary import to_port
from edgewright.runtime.input_path.path import InputPath
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Grid, TensorSpec

ROUNDS, INNER = 41, 10


@dataclass(frozen=True)
class Case:
    """A contract and a grid, with the ratio that must be reached."""

    title: str
    contract: Contract
    port: PortSpec
    limit: float | None
    rounding: str = "half-even"

    def frame(self) -> Any:
        sizes = (self.contract.height, self.contract.width, 3)[: 2 if self.contract.channels == 1 else 3]
        return np.random.default_rng(0).integers(0, 256, sizes, dtype=np.uint8)


def gray(
    title: str, limit: float, dtype: str, scale: float, zero: int, mean: float = 0.0, rounding: str = "half-even"
) -> Case:
    contract = Contract(input="x", width=1400, height=640, colour="GRAY", resize="stretch", mean=(mean,), std=(255.0,))
    grid = Grid(dtype, np.float32(scale), np.int64(zero))
    port = PortSpec(TensorSpec("x", dtype, (1, 1, 640, 1400)), "NCHW", grid)
    return Case(title, contract, port, limit, rounding)


def colour(title: str, limit: float | None, dtype: str, scale: float, zero: int, rounding: str = "half-even") -> Case:
    means, stds = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)) if scale else ((0.0,) * 3, (255.0,) * 3)
    contract = Contract(input="x", width=640, height=640, mean=means, std=stds)
    grid = Grid(dtype, np.float32(scale), np.int64(zero)) if scale else None
    return Case(title, contract, PortSpec(TensorSpec("x", dtype, (1, 3, 640, 640)), "NCHW", grid), limit, rounding)


CASES = [
    gray("1400x640 gray to int8, affine", 2.5, "int8", 1 / 201, -97),
    gray("1400x640 gray, pass-through", 0.0, "uint8", 1 / 255, 0),
    gray("1400x640 gray to int8, sign flip", 1.3, "int8", 1 / 255, -128),
    gray("1400x640 gray to int8, table", 8.0, "int8", 0.6 / 255, -3, 127.0, "truncate"),
    colour("640x640x3 BGR to int8 CHW RGB, affine", 3.5, "int8", 0.019, -14),
    colour("640x640x3 BGR to int8 CHW RGB, table", 8.0, "int8", 0.019, -14, "truncate"),
    colour("640x640x3 BGR to float32 CHW RGB", None, "float32", 0.0, 0),
]


def plain_forms(case: Case, frame: Any) -> dict[str, Callable[[], Any]]:
    """How it is done without this package."""
    contract, port = case.contract, case.port
    mean, std = (np.array(values, np.float32) for values in (contract.mean, contract.std))
    one = contract.channels == 1
    scale, zero = (float(port.grid.scale), int(port.grid.zero_point)) if port.grid else (1.0, 0)
    low, high = (np.iinfo(port.spec.dtype).min, np.iinfo(port.spec.dtype).max) if port.grid else (0, 0)

    def codes(real: Any) -> Any:
        return np.clip(np.rint(real / scale) + zero, low, high).astype(port.spec.dtype) if port.grid else real

    def numpy_float32() -> Any:
        image = frame if one else frame[:, :, ::-1]
        real = codes((image.astype(np.float32) - mean) / std)
        return real if one else np.ascontiguousarray(real.transpose(2, 0, 1))

    def blob() -> Any:
        real = cv2.dnn.blobFromImage(frame, 1.0 / float(std[0]), mean=tuple(map(float, mean)), swapRB=not one)
        return codes(real)

    tables = InputPath(contract, port, case.rounding).route.tables
    words = tables.view({1: np.uint8, 4: np.float32}[tables.itemsize])

    def cv2_lut() -> Any:
        if one:
            return cv2.LUT(frame, words[0])
        return np.stack([cv2.LUT(plane, table) for plane, table in zip(cv2.split(frame)[::-1], words, strict=True)])

    def take() -> Any:
        return words[0][frame] if one else np.stack([words[k][frame[:, :, 2 - k]] for k in range(3)])

    return {"NumPy float32": numpy_float32, "OpenCV blob": blob, "cv2.LUT": cv2_lut, "NumPy take": take}


def engines(case: Case) -> dict[str, InputPath]:
    """The same path as it runs here, with what older processors have, and without the compiler."""
    found = {"edgewright": InputPath(case.contract, case.port, case.rounding)}
    real = pixels.loops

    def older(module: str, name: str) -> Any:
        return mock.Mock(return_value=SHUFFLE) if module == "processor" else real(module, name)

    if real("pixels", "loop_of") is not None and real("processor", "table_kind")() == PERMUTE:
        with mock.patch.object(pixels, "loops", older):
            found["without VBMI"] = InputPath(case.contract, case.port, case.rounding)
    with mock.patch.object(pixels, "loops", return_value=None):
        found["library"] = InputPath(case.contract, case.port, case.rounding)
    return found


def measure(case: Case) -> dict[str, Any]:
    frame = case.frame()
    copy = np.empty_like(frame)
    paths = engines(case)
    wanted = to_port(preprocess(frame, case.contract)[0], case.port, case.contract.layout, case.rounding)
    for name, path in paths.items():
        assert path(frame)[0].tobytes() == wanted.tobytes(), name
    copies = int(not np.shares_memory(paths["edgewright"](frame)[0], frame))
    forms: dict[str, Callable[[], Any]] = {"copy": lambda: np.copyto(copy, frame)}
    forms |= {name: (lambda path=path: path(frame)) for name, path in paths.items()}
    times = interleaved(forms, INNER)
    rows = {name: ratio(times[name], times["copy"]) for name in forms}
    slow = interleaved(plain_forms(case, frame), 1)  # apart, for they would take the cache from the fast ones
    rows |= {name: ratio(slow[name], [rows["copy"]["us"]] * ROUNDS) for name in slow}
    reached = rows["edgewright"]["ratio"]
    held = None if case.limit is None else copies == 0 if case.limit == 0 else reached <= case.limit
    return {
        "case": case.title,
        "route": paths["edgewright"].route.kind,
        "engine": paths["edgewright"].engine,
        "proof": paths["edgewright"].route.proof,
        "copies": copies,
        "limit": case.limit,
        "held": held,
        "rows": rows,
    }


def interleaved(forms: dict[str, Callable[[], Any]], inner: int) -> dict[str, list[float]]:
    """CPU microseconds of one call, for each form in each round."""
    for form in forms.values():
        form()
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(ROUNDS):
        for name, form in forms.items():
            started = time.thread_time_ns()
            for _ in range(inner):
                form()
            times[name].append((time.thread_time_ns() - started) / inner / 1e3)
    return times


def ratio(times: list[float], copy: list[float]) -> dict[str, float]:
    return {
        "us": statistics.median(times),
        "ratio": statistics.median(mine / max(base, 1e-3) for mine, base in zip(times, copy, strict=True)),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    cv2.setNumThreads(1)
    results = [measure(case) for case in CASES]
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        for result in results:
            show(result)
    return int(any(result["held"] is False for result in results))


def show(result: dict[str, Any]) -> None:
    limit = {None: "no limit set", 0.0: "limit: no copy"}.get(result["limit"], f"limit {result['limit']}x")
    word = {None: "", True: "HOLDS", False: "DOES NOT HOLD"}[result["held"]]
    print(f"\n{result['case']}: {limit} {word}")
    print(f"  {result['route']}, {result['proof']}; {result['engine']}; copies: {result['copies']}")
    for name, row in result["rows"].items():
        print(f"  {name:<16}{row['us']:>10.1f} us{row['ratio']:>9.2f} x copy")


if __name__ == "__main__":
    sys.exit(main())
