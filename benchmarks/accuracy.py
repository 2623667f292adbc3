"""Accuracy of real models through `deploy`, beside published figures and beside plain ONNX Runtime.

    python benchmarks/accuracy.py            # needs the measuring data beside the checkout (shared/assets)

1. Float AP of four COCO detectors through `edgewright deploy --precision float`, against figures measured elsewhere.
2. leyolo_nano_320 at default int8: the verdict, and the findings that explain it.
3. The same with the decode tail in float, beside ONNX Runtime's own quantiser with the same nodes left out, on the same
   calibration and evaluation images, decoded and measured by the same code.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import edgewright as ew
from edgewright.data.contract import preprocess
from edgewright.data.images import list_images, read_image
from edgewright.data.labels import load_labels
from edgewright.graph.io import load_model, save_model
from edgewright.graph.prepare import prepare
from edgewright.graph.reference import ReferenceSession, random_feeds
from edgewright.graph.regions import decode_tail
from edgewright.graph.steps import PrepareOptions
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.detection.metrics import coco_ap
from edgewright.tasks.detection.postprocess import decode_image

PUBLISHED = {
    "leyolo_nano_640": 39.4,
    "leyolo_nano_320": 37.4,
    "yolox_nano_416": 36.3,
    "fastestdet_352": 22.6,
}
OBSERVERS = {"minmax": "MinMax", "percentile:99.9": "Percentile"}


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "assets"
    parser.add_argument("--assets", type=Path, default=default, help="folder with models/ and coco/")
    assets: Path = parser.parse_args().assets
    with tempfile.TemporaryDirectory() as folder:
        float_figures(assets, Path(folder))
        collapse_and_tail(assets, Path(folder))


def float_figures(assets: Path, folder: Path) -> None:
    """AP of the float artifact through deploy."""
    print(f"{'model':<20}{'published':>10}{'deploy':>8}{'difference':>12}")
    for name, published in PUBLISHED.items():
        run = deploy(assets, name, folder, precision="float")
        value = run.table[0].metric.value
        print(f"{name:<20}{published:>10.1f}{value:>8.1f}{value - published:>+12.2f}")


def collapse_and_tail(assets: Path, folder: Path) -> None:
    """Default int8, then the decode tail in float, beside ONNX Runtime."""
    name = "leyolo_nano_320"
    run = deploy(assets, name, folder)
    print(f"\n{name} at default int8: {run.verdict.upper()}")
    for finding in run.findings:
        if finding.severity.value == "error":
            print(f"  {finding.code} {finding.where}: {finding.message}")
    print(f"\n{'decode tail in float':<24}{'edgewright':>12}{'ONNX Runtime':>14}")
    for observer, method in OBSERVERS.items():
        ours = deploy(assets, name, folder, observer=observer).table[-1].metric.value
        theirs = onnxruntime_ap(assets, name, folder, method)
        print(f"{observer:<24}{ours:>12.1f}{theirs:>14.1f}")
    for observer in ("percentile:99.99", "mse", "entropy"):
        print(f"{observer:<24}{deploy(assets, name, folder, observer=observer).table[-1].metric.value:>12.1f}{'-':>14}")


def deploy(assets: Path, name: str, folder: Path, **options: Any) -> ew.Run:
    """A deploy of one of the models."""
    coco = assets / "coco"
    return ew.deploy(
        assets / "models" / f"{name}.onnx",
        images=coco / "val" / "images",
        labels=coco / "val" / "labels",
        calibration=coco / "calib" / "images",
        out=folder / name,
        **options,
    )


def onnxruntime_ap(assets: Path, name: str, folder: Path, method: str) -> float:
    """AP of ONNX Runtime's own static quantisation, per channel, the decode tail excluded."""
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static

    source = load_model(assets / "models" / f"{name}.onnx")
    model = prepare(source, PrepareOptions(), lambda m: [random_feeds(m.inputs)]).model
    head = recognise(model)
    family = FAMILIES.get(head.family)
    contract = family.contract(head, model)
    save_model(model, folder / "prepared.onnx")

    class Reader:
        def __init__(self) -> None:
            self.rows: Iterator[Path] = iter(list_images(assets / "coco" / "calib"))

        def get_next(self) -> dict[str, Any] | None:
            path = next(self.rows, None)
            return None if path is None else {contract.input: preprocess(read_image(path), contract)[0]}

    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            folder / "prepared.onnx",
            folder / "theirs.onnx",
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(decode_tail(model)),
            calibrate_method=getattr(CalibrationMethod, method),
            extra_options={"CalibPercentile": 99.9} if method == "Percentile" else {},
        )
    logging.disable(logging.NOTSET)
    session = ReferenceSession((folder / "theirs.onnx").read_bytes())
    paths = list_images(assets / "coco" / "val")
    labels = load_labels(assets / "coco" / "val", paths)
    found = {}
    for path in paths:
        tensor, place = preprocess(read_image(path), contract)
        outputs = session({contract.input: np.asarray(tensor)})
        found[path.name] = decode_image(family, outputs, head, contract, family.evaluation, place)
    return float(coco_ap(found, labels, int(head.params["nc"])).value)


if __name__ == "__main__":
    main()
