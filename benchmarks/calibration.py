"""What calibration costs: CPU time and memory of Edgewright's and of ONNX Runtime's, on the same images and tensors.

    python benchmarks/calibration.py            # needs the measuring data beside the checkout (shared/assets)

Every row is a process of its own. CPU seconds of all threads are counted, not wall time, so that other work on the
machine disturbs little. Preprocessing is done once, before the rows; each row maps the same float32 file, and what
reading it costs is measured by a pass without a network and taken off. Peak memory is the resident set without the
pages of that file, sampled every 10 ms. Starting up (building the session) is in every row, imports are in none.

The line "session.run" is the physical limit: the network alone, nothing observed. ONNX Runtime's calibrators run as
they are: with idle threads that spin, which ours forbids and which is part of the difference.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
OURS = ("minmax", "percentile", "mse", "entropy")
PEERS = {"ort-minmax": "MinMax", "ort-percentile": "Percentile"}


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
        data = Path(scratch) / "images.npy"
        count = preprocess(folder, data, arguments.images)
        few = min(8, count)
        rows = [("session.run", count), *((name, n) for name in OURS for n in (few, count))]
        rows += [("ort-minmax", few), ("ort-minmax", count), ("ort-percentile", few)]
        rows += [("ort-percentile", min(arguments.peer_images, count))]
        found = {}
        for name, n in rows:
            found[name, n] = child(arguments, model, data, name, n)
            print(f"  {name} {n}: {found[name, n]}", file=sys.stderr, flush=True)
    return report(found, few, count)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--assets", type=Path, default=ROOT.parent / "shared" / "assets", help="folder of measuring data"
    )
    parser.add_argument("--model", default="leyolo_nano_640.onnx", help="file in assets/models")
    parser.add_argument("--images", type=int, default=128, help="images in the long rows")
    parser.add_argument(
        "--peer-images", type=int, default=24, help="images of ONNX Runtime's percentile; see its memory"
    )
    parser.add_argument("--memory", type=float, default=12, help="GiB that a row may take before it is ended")
    parser.add_argument("--row", default="", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def preprocess(folder: Path, target: Path, count: int) -> int:
    """Letterboxed 640x640 RGB / 255 of the first images, as one .npy file; returns how many."""
    import cv2

    from edgewright.data.contract import Contract
    from edgewright.data.contract import preprocess as to_input

    contract = Contract(input="images", width=640, height=640)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[:count]
    shape = (len(paths), *contract.shape)
    out = np.lib.format.open_memmap(target, mode="w+", dtype=np.float32, shape=shape)
    for index, path in enumerate(paths):
        out[index] = to_input(np.asarray(cv2.imread(str(path)), np.uint8), contract)[0]
    out.flush()
    return len(paths)


def child(arguments: argparse.Namespace, model: Path, data: Path, row: str, count: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--row", row, "--images", str(count), "--data", str(data)]
    command += ["--model", str(model), "--memory", str(arguments.memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:100]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One row, in this process."""
    images = np.load(arguments.data, mmap_mode="r")[: arguments.images]
    run = row_of(arguments.row, str(arguments.model))
    start = time.process_time()
    for image in feeds(images):
        image["images"].sum()  # touches every byte as a network would
    reading = time.process_time() - start
    with PeakMemory(arguments.memory) as peak:
        start = time.process_time()
        tensors = run(images)
        cpu = time.process_time() - start - reading
    return {"cpu": round(cpu, 3), "peak_mb": round(peak.anonymous_mb), "tensors": tensors}


def feeds(images: NDArray[np.float32]) -> Iterator[dict[str, NDArray[np.float32]]]:
    for image in images:
        yield {"images": np.array(image)}


def row_of(name: str, model: str) -> Callable[[NDArray[np.float32]], int]:
    """Imports what the row needs, so that imports are not measured."""
    if name == "session.run":
        return plain_row(model)
    return peer_row(model, PEERS[name]) if name in PEERS else our_row(model, name)


def plain_row(model: str) -> Callable[[NDArray[np.float32]], int]:
    from edgewright.graph.reference import ReferenceSession

    def run(images: NDArray[np.float32]) -> int:
        session = ReferenceSession(Path(model).read_bytes())
        for image in feeds(images):
            session(image)
        return 0

    return run


def our_row(model: str, name: str) -> Callable[[NDArray[np.float32]], int]:
    import cv2  # noqa: F401
    import onnxruntime  # noqa: F401

    from edgewright.graph.io import load_model
    from edgewright.quant.collect import collect_statistics
    from edgewright.quant.observers import parse_observer

    def run(images: NDArray[np.float32]) -> int:
        loaded = load_model(model)
        observer = parse_observer(name)
        tensors = peer_tensors(model)
        found = collect_statistics(loaded, tensors, feeds(images), histogram=observer.needs_histogram)
        ranges = {tensor: observer.range(entry, 256, False) for tensor, entry in found.items()}
        return len(ranges)

    return run


def peer_row(model: str, method: str) -> Callable[[NDArray[np.float32]], int]:
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, images: NDArray[np.float32]) -> None:
            self.images = feeds(images)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self.images, None)

    def run(images: NDArray[np.float32]) -> int:
        with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nothing:
            shown, sys.stdout = sys.stdout, nothing  # it prints
            try:
                augmented = str(Path(folder) / "augmented.onnx")
                kind = getattr(CalibrationMethod, method)
                calibrator = create_calibrator(model, None, augmented_model_path=augmented, calibrate_method=kind)
                calibrator.collect_data(Reader(images))
                return len(calibrator.compute_data().data)
            finally:
                sys.stdout = shown

    return run


def peer_tensors(model: str) -> list[str]:
    """The tensors that ONNX Runtime's calibrators take, so far as they hold computed floats."""
    import onnx

    proto = onnx.shape_inference.infer_shapes(onnx.load(model))
    typed = [*proto.graph.value_info, *proto.graph.output, *proto.graph.input]
    floats = {value.name for value in typed if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    fixed = {name for node in proto.graph.node if node.op_type == "Constant" for name in node.output}
    made = [name for node in proto.graph.node for name in node.output]
    return [name for name in (*(value.name for value in proto.graph.input), *made) if name in floats - fixed]


class PeakMemory:
    """Largest anonymous memory (not the mapped images) of this process, sampled; ends the process over a limit."""

    def __init__(self, limit_gib: float) -> None:
        self.limit_kb = limit_gib * 2**20
        self.anonymous_kb = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def anonymous_mb(self) -> float:
        return self.anonymous_kb / 1024

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            now = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.anonymous_kb = max(self.anonymous_kb, now)
            if now > self.limit_kb:
                print(f"more than {self.limit_kb / 2**20:.0f} GiB", file=sys.stderr, flush=True)
                os._exit(3)


def report(found: dict[tuple[str, int], dict[str, Any]], few: int, count: int) -> int:
    """Prints the table and whether the targets hold; 0 when they do."""
    limit = per_image(found, "session.run", count)
    print(f"{'row':<16}{'images':>7}{'tensors':>8}{'CPU s':>9}{'ms/image':>10}{'x limit':>9}{'peak MB':>9}")
    for (name, n), row in found.items():
        if "failed" in row:
            print(f"{name:<16}{n:>7}   not finished: {row['failed']}")
            continue
        each = 1000 * row["cpu"] / n
        print(
            f"{name:<16}{n:>7}{row['tensors'] or '-':>8}{row['cpu']:>9.2f}{each:>10.1f}{each / limit:>9.2f}"
            f"{row['peak_mb']:>9}"
        )
    held = [
        ratio(f"{name}: peak memory, {count} images over {few}", peaks(found, name, few, count), 1.3) for name in OURS
    ]
    minmax = per_image(found, "minmax", count) / per_image(found, "ort-minmax", count)
    held.append(ratio("minmax: time over ONNX Runtime's min-max", minmax, 1.0))
    for name in OURS[1:]:  # on the few images that both have: start-up and search weigh most there
        part = per_image(found, name, few) / per_image(found, "ort-percentile", few)
        held.append(ratio(f"{name}: time over ONNX Runtime's percentile, {few} images each", part, 1 / 3))
    longest = max((n for name, n in found if name == "ort-percentile" and "failed" not in found[name, n]), default=few)
    if longest > few:
        grows = (found["ort-percentile", longest]["peak_mb"] - found["ort-percentile", few]["peak_mb"]) / (
            longest - few
        )
        print(f"ONNX Runtime's percentile takes {grows:.0f} MB more with each image, so {longest} is its longest row")
    return 0 if all(held) else 1


def peaks(found: dict[tuple[str, int], dict[str, Any]], name: str, few: int, count: int) -> float:
    return float(found[name, count]["peak_mb"] / found[name, few]["peak_mb"])


def per_image(found: dict[tuple[str, int], dict[str, Any]], name: str, count: int) -> float:
    """CPU milliseconds an image, start-up included; NaN for a row that did not finish."""
    return 1000 * float(found.get((name, count), {}).get("cpu", float("nan"))) / max(count, 1)


def ratio(what: str, value: float, most: float) -> bool:
    print(f"{what}: {value:.2f} (at most {most:.2f}) {'holds' if value <= most else 'FAILS'}")
    return value <= most


if __name__ == "__main__":
    sys.exit(main())
