"""What a whole deploy costs, and what starting costs.

    python benchmarks/deploy_cost.py         # needs the measuring data beside the checkout (shared/assets)

CPU seconds of the whole process and its children, and wall seconds, of `edgewright deploy` of leyolo_nano_320 (128
calibration and 64 evaluation images, int8 and float, report and bundle); then of the same command again, unchanged;
then of `import edgewright` and `edgewright --help`, median of five.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {"deploy": "40 s CPU", "again": "2 s", "import edgewright": "0.3 s", "edgewright --help": "0.4 s"}
MAIN = "from edgewright.cli.main import run_app; run_app()"


def main() -> None:
    """Print the table and the profile by stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "assets"
    parser.add_argument("--assets", type=Path, default=default, help="folder with models/ and coco/")
    assets: Path = parser.parse_args().assets
    coco = assets / "coco"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", MAIN, "deploy", str(assets / "models" / "leyolo_nano_320.onnx")]
        command += ["--images", str(coco / "val" / "images"), "--labels", str(coco / "val" / "labels")]
        command += ["--calibration", str(coco / "calib" / "images"), "--out", folder, "--precision", "int8,float"]
        print(f"{'what':<22}{'wall s':>9}{'CPU s':>9}   limit")
        for what in ("deploy", "again"):
            print(row(what, [cost(command)]))
        profile = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))["profile"]
    print(row("import edgewright", [cost([sys.executable, "-c", "import edgewright"]) for _ in range(5)]))
    print(row("edgewright --help", [cost([sys.executable, "-c", MAIN, "--help"]) for _ in range(5)]))
    print("\nprofile of the first run, by stage")
    for stage in profile:
        print(f"  {stage['name']:<40}{stage['wall_s']:>8.2f} s wall{stage['cpu_s']:>8.2f} s CPU")


def cost(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command; its output is dropped."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def row(what: str, costs: list[tuple[float, float]]) -> str:
    """One line of the table, from medians."""
    wall, cpu = (statistics.median(column) for column in zip(*costs, strict=True))
    return f"{what:<22}{wall:>9.2f}{cpu:>9.2f}   {LIMITS[what]}"


if __name__ == "__main__":
    main()
