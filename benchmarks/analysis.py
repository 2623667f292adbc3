"""What it costs to measure the error of every tensor: Edgewright's analysis and ONNX Runtime's `qdq_loss_debug`.

    python benchmarks/analysis.py            # needs the measuring data beside the checkout (shared/assets)

Both get the same float network, the same plan written as a QDQ model, and the same images. The peer gives the
accumulated error and that of a tensor's own grid; Edgewright gives these, the isolated error and that of the weights
too. Every row is a process of its own; CPU seconds of all threads are counted, and peak memory is the resident set
without file pages. Loading the graphs is in every row, imports are in none.

The line "limit" is the least that can be done: the float network and the quantised one run, nothing measured, by one
thread. The peer runs as it comes; idle threads of it spin, so at the larger number of images it runs once more with
threads that block ("peer blocking"), which costs less CPU time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.driver import run_peer
from peers.meter import Meter

ROOT = Path(__file__).resolve().parent.parent
LIMIT, OURS, PEER, BLOCKING = "limit", "edgewright", "qdq_loss_debug", "peer blocking"
LEAST_CPU, LEAST_MEMORY = 5.0, 10.0
"""How many times less than the peer we must take, at the larger number of images."""


def main() -> int:
    arguments = parse()
    if arguments.row:
        print(json.dumps(measure(arguments)))
        return 0
    model, folder = arguments.assets / "models" / arguments.model, arguments.assets / "coco" / "calib" / "images"
    if not model.is_file() or not folder.is_dir():
        print(f"no measuring data in {arguments.assets}: pass --assets", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="edgewright-benchmark-") as scratch:
        work = Path(scratch)
        count = write_work(model, folder, work, arguments.images)
        found = {}
        rows = [(row, min(5, count)) for row in (LIMIT, OURS, PEER)]
        rows += [(row, count) for row in (LIMIT, OURS, PEER, BLOCKING)]
        for row, images in rows:
            found[row, images] = child(arguments, work, row, images)
            print(f"  {row} {images}: {brief(found[row, images])}", file=sys.stderr, flush=True)
    return report(found, min(5, count), count)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--assets", type=Path, default=ROOT.parent / "shared" / "assets", help="folder of measuring data"
    )
    parser.add_argument("--model", default="leyolo_nano_320.onnx", help="file in assets/models")
    parser.add_argument("--images", type=int, default=50, help="images in the long rows")
    parser.add_argument("--memory", type=float, default=20, help="GiB that a row may take before it is ended")
    parser.add_argument("--threads", type=int, default=0, help="threads of edgewright; 0: every core")
    parser.add_argument("--row", default="", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_work(path: Path, folder: Path, work: Path, count: int) -> int:
    """Prepared network, plan, QDQ model and inputs, for all rows; returns the number of images."""
    import cv2

    from edgewright.data.contract import Contract, preprocess
    from edgewright.files import write_json_atomic
    from edgewright.graph.io import load_model
    from edgewright.graph.prepare import prepare
    from edgewright.graph.reference import random_feeds
    from edgewright.graph.steps import PrepareOptions
    from edgewright.quant.collect import collect_statistics
    from edgewright.quant.layout import default_precisions, layout
    from edgewright.quant.observers import parse_observer
    from edgewright.quant.planner import QuantOptions, make_plan
    from edgewright.quant.qdq import write_qdq
    from edgewright.targets.registry import get_backend

    model = prepare(load_model(path), PrepareOptions(), lambda fixed: [random_feeds(fixed.inputs)]).model
    name, (_, _, height, width) = model.inputs[0].name, model.inputs[0].shape
    contract = Contract(input=name, width=int(width or 0), height=int(height or 0))
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in {".jpg", ".jpeg", ".png"})[:count]
    inputs = np.stack([preprocess(np.asarray(cv2.imread(str(file)), np.uint8), contract)[0] for file in files])
    np.save(work / "inputs.npy", inputs)
    profile = get_backend("onnxruntime/cpu").capabilities().fusion
    precisions = default_precisions(model, profile, "int8")
    observed = layout(model, profile, precisions).observed
    statistics = collect_statistics(model, observed, feeds(name, inputs), histogram=False)
    plan = make_plan(model, profile, statistics, precisions, QuantOptions(parse_observer("minmax")))
    (work / "float.onnx").write_bytes(model.data)
    (work / "qdq.onnx").write_bytes(write_qdq(model, plan).data)
    write_json_atomic(work / "plan.json", plan.to_json())
    return len(files)


def feeds(name: str, images: NDArray[np.float32]) -> Iterator[dict[str, NDArray[np.float32]]]:
    for image in images:
        yield {name: np.array(image)}


def child(arguments: argparse.Namespace, work: Path, row: str, images: int) -> dict[str, Any]:
    if row in (PEER, BLOCKING):
        result = work / "peer.json"
        given: list[Path | str | float] = [work / "float.onnx", work / "qdq.onnx", work / "inputs.npy", result]
        given += ["--images", str(images), "--memory", str(arguments.memory)]
        given += ["--blocking"] if row == BLOCKING else []
        return run_peer(sys.executable, "qdq_loss.py", given, result, 1800)
    import subprocess

    command = [sys.executable, __file__, "--row", row, "--work", str(work), "--images", str(images)]
    command += ["--threads", str(arguments.threads), "--memory", str(arguments.memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"status": "failed", "message": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One row, in this process."""
    images = np.load(arguments.work / "inputs.npy", mmap_mode="r")[: arguments.images]
    run = limit_row(arguments) if arguments.row == LIMIT else our_row(arguments)
    with Meter(arguments.memory) as meter:
        tensors = run(images)
    return {**meter.to_json(), "activations": tensors}


def limit_row(arguments: argparse.Namespace) -> Callable[[NDArray[np.float32]], int]:
    import onnxruntime  # noqa: F401

    from edgewright.graph.reference import ReferenceSession

    def run(images: NDArray[np.float32]) -> int:
        for name in ("float.onnx", "qdq.onnx"):
            session = ReferenceSession((arguments.work / name).read_bytes(), threads=1)
            for image in feeds(session.input_names[0], images):
                session(image)
        return 0

    return run


def our_row(arguments: argparse.Namespace) -> Callable[[NDArray[np.float32]], int]:
    import onnxruntime  # noqa: F401

    from edgewright.diagnose.layer_errors import layer_errors
    from edgewright.graph.io import load_model
    from edgewright.quant.plan import PrecisionPlan

    def run(images: NDArray[np.float32]) -> int:
        model = load_model(arguments.work / "float.onnx")
        plan = PrecisionPlan.from_json(json.loads((arguments.work / "plan.json").read_text(encoding="utf-8")))
        given = feeds(model.inputs[0].name, images)
        return len(layer_errors(model, None, plan, given, threads=arguments.threads))

    return run


def brief(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("cpu_s", "wall_s", "peak_mb", "start_mb", "status", "message") if key in row}


def report(found: dict[tuple[str, int], dict[str, Any]], few: int, count: int) -> int:
    """Prints the table and whether the targets hold; 0 when they do."""
    print(f"{'row':<16}{'images':>7}{'tensors':>9}{'CPU s':>9}{'ms/image':>10}{'x limit':>9}{'peak MB':>9}")
    for (name, images), row in found.items():
        if "cpu_s" not in row:
            print(f"{name:<16}{images:>7}   not finished: {row.get('message', row)}")
            continue
        ratio = row["cpu_s"] / found[LIMIT, images]["cpu_s"]
        print(
            f"{name:<16}{images:>7}{row['activations'] or '-':>9}{row['cpu_s']:>9.2f}"
            f"{1000 * row['cpu_s'] / images:>10.1f}{ratio:>9.2f}{row['peak_mb']:>9}"
        )
    ours, peer, blocking = (found[row, count] for row in (OURS, PEER, BLOCKING))
    held = [flat(found[OURS, few], ours)]
    if "cpu_s" in peer and "cpu_s" in ours:
        held.append(times_less("CPU time", peer["cpu_s"] / ours["cpu_s"], LEAST_CPU))
        held.append(times_less("memory", peer["peak_mb"] / ours["peak_mb"], LEAST_MEMORY))
        if "cpu_s" in blocking:
            print(f"CPU time, blocking threads: {blocking['cpu_s'] / ours['cpu_s']:.1f} times less (for information)")
    else:
        held.append(False)
    return 0 if all(held) else 1


def flat(few: dict[str, Any], many: dict[str, Any]) -> bool:
    value = many.get("peak_mb", float("nan")) / few.get("peak_mb", float("nan"))
    print(f"edgewright: peak memory, many images over few: {value:.2f} (at most 1.10)")
    return bool(value <= 1.1)


def times_less(what: str, value: float, least: float) -> bool:
    print(f"{what}: {value:.1f} times less than the peer (at least {least:.0f})")
    return value >= least


if __name__ == "__main__":
    sys.exit(main())
