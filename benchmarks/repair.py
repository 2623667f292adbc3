"""From failing to passing: what the repair reaches on each model, what it costs, and NNCF's accuracy control beside it.

    python benchmarks/repair.py                    # every row; needs the measuring data beside the checkout
    python benchmarks/repair.py --only leyolo_nano_320 --no-peer

Each row is a deploy in a process of its own: calibration on coco/calib, metric on coco/val (the demo detector: its own
images). Rows with "halved" first measure plain int8 and then ask for half of its relative L2 in every part as well. CPU
seconds are those of the process. The last row is NNCF's `quantize_with_accuracy_control` on the same graph, images,
metric and allowed drop as the first row (an environment of its own is made for it), its settings untouched.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.driver import peer_environment, run_peer

ROOT = Path(__file__).resolve().parents[1]
FREE = ("rewrite", "calibration", "cut")
TENTH = "int16-macs<=10%, float-macs<=0%"


@dataclass(frozen=True)
class Row:
    """One line of the table: what to mend, and how far."""

    model: str
    target: str
    max_drop: float
    allow: tuple[str, ...] | None = None
    budget: str = ""
    halved: bool = False

    @property
    def wanted(self) -> str:
        """The aim in words."""
        spent = "no wide op" if self.allow == FREE else self.budget or "any cost"
        return f"drop <= {self.max_drop:g}, {spent}{', parts halved' if self.halved else ''}"


ROWS = (
    Row("leyolo_nano_320", "onnxruntime/cpu", 0.7, budget=TENTH),
    Row("leyolo_nano_320", "onnxruntime/npu", 0.7, budget=TENTH),
    Row("leyolo_nano_320", "onnxruntime/npu", 1.5, FREE),
    Row("leyolo_nano_320", "onnxruntime/cpu", 2.5, FREE),
    Row("leyolo_nano_640", "onnxruntime/cpu", 0.7, budget=TENTH),
    Row("yolox_nano_416", "onnxruntime/cpu", 0.5, budget=TENTH, halved=True),
    Row("fastestdet_352", "onnxruntime/cpu", 0.5, budget=TENTH, halved=True),
    Row("superpoint_240x320", "onnxruntime/cpu", 1.0, budget=TENTH, halved=True),
    Row("demo", "onnxruntime/cpu", 0.5, FREE),
)
PEER = 0
"""The row that NNCF is put beside; more of it is on 8-bit grids than NNCF puts there, which keeps SiLU in float."""


def main() -> int:
    """Run the rows and print the table."""
    arguments = parse()
    if arguments.row is not None:
        print(json.dumps(measure(ROWS[arguments.row], arguments.assets, arguments.work)))
        return 0
    print(f"{'model':<20}{'target':<17}{'wanted':<50}{'float':>6}{'int8':>6}{'best':>6}{'drop':>6}"
          f"{'16-bit':>8}{'evals':>7}{'wall s':>8}{'CPU s':>8}  reached")  # fmt: skip
    kept = True
    with tempfile.TemporaryDirectory(prefix="edgewright-benchmark-") as folder:
        for index, row in enumerate(ROWS):
            if arguments.only and arguments.only not in row.model:
                continue
            work = Path(folder) / str(index)
            found = child(index, arguments.assets, work)
            print(line(row, found), flush=True)
            kept = kept and bool(found.get("passed"))
            if index == PEER and arguments.peer:
                beside_nncf(row, found, work, arguments)
    return 0 if kept else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=ROOT.parent / "shared" / "assets", help="measuring data")
    parser.add_argument("--only", default="", help="rows whose model's name contains this")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="without NNCF")
    parser.add_argument(
        "--peer-env", type=Path, default=ROOT / ".venv-nncf", help="environment for NNCF; made if missing"
    )
    parser.add_argument("--peer-seconds", type=float, default=1500, help="time limit for NNCF")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def child(index: int, assets: Path, work: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--row", str(index), "--assets", str(assets), "--work", str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"message": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure(row: Row, assets: Path, work: Path) -> dict[str, Any]:
    """One row, in this process."""
    import edgewright as ew

    given = data(row, assets)
    limits: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    if row.halved:
        plain = ew.deploy(**given, target=row.target, max_drop=row.max_drop, repair=False, out=work)
        limits = {part.part: 0.5 * (part.relative_l2 or 1.0) for part in plain.table[-1].parts}
    run = ew.deploy(
        **given,
        target=row.target,
        max_drop=row.max_drop,
        max_parts=limits,
        allow=row.allow,
        budget=row.budget,
        out=work,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    search = run.report.repairs[0] if run.report.repairs else None
    best = next((one for one in search["entries"] if one["name"] == search["best"]), None) if search else None
    reference, start, last = run.table[0], run.table[1], run.table[-1]
    return {
        "passed": run.verdict == "passed",
        "float": reference.metric.value if reference.metric else None,
        "int8": start.metric.value if start.metric else None,
        "best": last.metric.value if last.metric else None,
        "details": dict(last.metric.details) if last.metric and len(last.metric.details) < 8 else {},
        "reference_details": dict(reference.metric.details)
        if reference.metric and len(reference.metric.details) < 8
        else {},
        "drop": last.drop,
        "name": last.name,
        "parts": {part.part: [part.relative_l2, limits.get(part.part)] for part in last.parts},
        "int16_macs": best["cost"]["int16_macs"] if best else 0.0,
        "evaluations": 1 + sum(one["confirmation"] is not None for one in search["entries"]) if search else 1,
        "wall_s": wall,
        "cpu_s": cpu,
    }


def details(variant: Any) -> dict[str, Any]:
    """Further figures of a metric, unless it has one for each class."""
    found = dict(variant.metric.details) if variant.metric else {}
    return found if len(found) < 8 else {}


def data(row: Row, assets: Path) -> dict[str, Any]:
    if row.model == "demo":
        demo = ROOT / "demo"
        images = demo / "images"
        return {
            "model": demo / "detector.onnx", "images": images / "evaluation", "labels": demo / "labels.json",
            "calibration": images / "calibration",
        }  # fmt: skip
    coco = assets / "coco"
    labels = None if "superpoint" in row.model else coco / "val" / "labels"
    return {
        "model": assets / "models" / f"{row.model}.onnx", "images": coco / "val" / "images", "labels": labels,
        "calibration": coco / "calib" / "images",
    }  # fmt: skip


def line(row: Row, found: dict[str, Any]) -> str:
    if "passed" not in found:
        return f"{row.model:<20}{row.target:<17}{row.wanted:<50} failed: {found.get('message')}"
    figures = "".join(
        "     -" if found[key] is None else f"{found[key]:>6.1f}" for key in ("float", "int8", "best", "drop")
    )
    parts = ", ".join(
        f"{name} {value:.3g}" + (f" of {limit:.3g}" if limit else "") for name, (value, limit) in found["parts"].items()
    )
    details = "".join(
        f"\n    {key}: {value:.4g}, float {found['reference_details'].get(key, float('nan')):.4g}"
        for key, value in found["details"].items() if isinstance(value, float)
    )  # fmt: skip
    return (
        f"{row.model:<20}{row.target:<17}{row.wanted:<50}{figures}{100 * found['int16_macs']:>7.1f}%"
        f"{found['evaluations']:>7}{found['wall_s']:>8.0f}{found['cpu_s']:>8.0f}  {'yes' if found['passed'] else 'NO'}"
        f"\n    {found['name']}; relative L2: {parts}{details}"
    )


def beside_nncf(row: Row, ours: dict[str, Any], work: Path, arguments: argparse.Namespace) -> None:
    """NNCF on what the run of `row` prepared."""
    from peers.handover import write_handover

    from edgewright.data.contract import Contract
    from edgewright.tasks.base import Head

    report = json.loads((work / "report.json").read_text(encoding="utf-8"))
    prepared = next(work.glob("stages/prepare-*/prepared.onnx"))
    coco = arguments.assets / "coco"
    sets = [sorted((coco / name / "images").iterdir()) for name in ("calib", "val")]
    head, contract = Head.from_json(report["head"]), Contract.model_validate(report["contract"])
    write_handover(work / "handover", prepared, head, contract, sets[0], sets[1], coco / "val" / "labels")
    python = peer_environment(arguments.peer_env, "requirements-nncf.txt")
    given: list[Path | str | float] = [work / "handover", work / "nncf", "--max-drop", row.max_drop]
    given += ["--time-limit", arguments.peer_seconds]
    limit = arguments.peer_seconds + 300
    found = run_peer(python, "nncf_accuracy_control.py", given, work / "nncf" / "result.json", limit)
    ap = found.get("ap", found.get("best_seen_ap"))
    print(
        f"{'':<20}{'NNCF':<17}{found['status']:<50}{found.get('float_ap') or 0:>6.1f}{found.get('int8_ap') or 0:>6.1f}"
        f"{ap or 0:>6.1f}{found.get('drop') or float('nan'):>6.1f}{'':>8}{found.get('validation_calls', 0):>7}"
        f"{found.get('wall_s', 0):>8.0f}{found.get('cpu_s', 0):>8.0f}  {found.get('message', '')}"
    )
    if "cpu_s" in found and "cpu_s" in ours:
        cpu, wall = found["cpu_s"] / ours["cpu_s"], found["wall_s"] / ours["wall_s"]
        print(f"    NNCF: {found.get('reverted_ops')} back in float; CPU {cpu:.1f} times, wall {wall:.1f} times ours")


if __name__ == "__main__":
    sys.exit(main())
