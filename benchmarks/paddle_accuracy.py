"""AP of the shipped PicoDet through every kind of target: Paddle's own runtimes, ONNX Runtime, vendors' simulators.

    python benchmarks/paddle_accuracy.py [TARGET...]     # missing toolchains are installed

Every figure is of the demo's 40 evaluation images. Targets that compute in integers show plain int8 and what a repair
makes of it; "drop" is from the export itself, run by ONNX Runtime after it was proven to be what Paddle computes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import edgewright as ew
from edgewright.errors import EdgewrightError

DEMO = Path(__file__).resolve().parents[1] / "demo"
TARGETS = (
    "onnxruntime/cpu",
    "paddle/cpu",
    "paddlelite/x86",
    "rockchip/rk3588",
    "sophgo/bm1684x",
    "sophgo/bm1684",
)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=TARGETS)
    print(f"{'target':<18}{'variant':<52}{'AP':>6}{'drop':>7}  {'verdict':<12}{'seconds':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for target in parser.parse_args().targets:
            measure(target, Path(folder) / target.replace("/", "-"))


def measure(target: str, out: Path) -> None:
    """Deploy, and print a line for each row of its table."""
    images = DEMO / "images"
    try:
        run = ew.deploy(
            DEMO / "paddle" / "detector",
            target=target,
            images=images / "evaluation",
            labels=DEMO / "labels.json",
            calibration=images / "calibration",
            out=out,
        )
    except EdgewrightError as error:
        print(f"{target:<18}{error.what}")
        return
    for row in run.table:
        ap = "-" if row.metric is None else f"{row.metric.value:.1f}"
        drop = "-" if row.drop is None else f"{0.0 - row.drop:+.1f}"
        print(f"{target:<18}{row.name:<52}{ap:>6}{drop:>7}  {row.verdict:<12}{run.seconds:>8.0f}")


if __name__ == "__main__":
    main()
