"""A whole frame: the host's share of it, with the plain form beside it in the same run.

    python benchmarks/runtime_frame.py                 # needs the measuring data beside the checkout
    python benchmarks/runtime_frame.py --frames 500

leyolo_nano_640 is deployed in float to this CPU, and the bundle's golden image runs through it again and again, one
frame after the other, in turn with the plain form: new float arrays for each frame, every output converted before it is
decoded. The host's work is everything but the session's run. Required: at most 8 % of the frame's time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import edgewright as ew
from edgewright.cli.bench import lines_of
from edgewright.workflow.benched import bench
from edgewright.workflow.progress import Quiet

SHARED = Path(__file__).resolve().parents[2] / "shared" / "assets"
REQUIRED = 0.08


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--frames", type=int, default=200)
    options.add_argument("--model", default="leyolo_nano_640")
    given = options.parse_args()
    if not SHARED.is_dir():
        sys.stderr.write(f"there is no measuring data in {SHARED}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="edgewright-benchmark-") as folder:
        run = ew.deploy(
            SHARED / "models" / f"{given.model}.onnx",
            images=SHARED / "coco" / "val" / "images",
            labels=SHARED / "coco" / "val" / "labels",
            precision="float",
            out=folder,
        )
        if run.bundle is None:
            sys.stderr.write(f"{given.model} did not pass\n")
            return 1
        found = bench(run.bundle, None, given.frames, Quiet())
    for line in lines_of(found):
        print(line)
    share, plain = found.host / found.frame, found.plain_host / (found.plain_host + found.frame - found.host)
    kept = share <= REQUIRED
    print(
        f"host {100 * share:.1f} % of the frame (plain: {100 * plain:.1f} %), required {100 * REQUIRED:.0f} %: ", end=""
    )
    print("yes" if kept else "NO")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
