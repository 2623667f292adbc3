"""`rockchip/rv1126` and `rockchip/rv1109`: emulated here, with a job for the user's own RKNN-Toolkit 1.x.

Toolkit 1.x is not on PyPI. The plan is computed as the chip would, on this computer's CPU: 8-bit codes with a zero
point and one grid for a whole weight. A folder `job` holds what builds the same plan with the real toolkit.
"""

from __future__ import annotations

import importlib.resources
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import UserError
from edgewright.files import digest_of, explained_write_errors, write_bytes_atomic, write_json_atomic, write_text_atomic
from edgewright.findings import Finding, Severity
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.quant.qdq_read import read_qdq
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Capabilities, Feeds, Outputs, Samples, Session
from edgewright.targets.facts import capabilities_of
from edgewright.targets.qdq_trace import trace_qdq
from edgewright.targets.rockchip.plan import limits
from edgewright.targets.rockchip.tool import VENDOR

JOB = "job"
_FILE = "model.onnx"
_SCRIPT = "job_script.txt"
_IMAGES = 32
_WORDS = {"int16": "dynamic_fixed_point-i16", "float": "float32"}


class EmulatedBackend:
    """See `targets.backend.Backend`."""

    def __init__(self, chip: str) -> None:
        self._chip = chip

    def capabilities(self) -> Capabilities:
        """What the chip can do."""
        return capabilities_of(
            VENDOR,
            self._chip,
            emulated=True,
            needs_samples=True,
        )

    def toolchain(self) -> Mapping[str, str]:
        """What emulates: the chip's own toolkit takes no part."""
        import onnxruntime as ort

        return {"onnxruntime": str(ort.__version__)}

    def host(self) -> Mapping[str, str]:
        """Nothing of this computer matters to what is emulated."""
        return {}

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Write the model that emulates the plan, and the job that builds it for the chip."""
        able = self.capabilities()
        if model.opset > able.max_opset:
            raise UserError(
                f"opset {model.opset} is newer than the emulation reads ({able.max_opset})",
                todo=f"export with opset {able.max_opset} or lower",
            )
        built = model if plan is None else write_qdq(model, plan)
        write_bytes_atomic(folder / _FILE, built.data)
        job = self._write_job(model, plan, folder / JOB, samples)
        names = [node.name or "" for node in model.ir.graph]
        counts: Counter[str] = Counter(plan.ops.get(name, "float") if plan else "float" for name in names)
        return Artifact(
            target=able.target,
            precision="float" if plan is None else "int8",
            files=(_FILE, *job),
            folder=folder,
            inputs=tuple(PortSpec(spec) for spec in model.inputs),
            outputs=tuple(PortSpec(spec) for spec in model.outputs),
            toolchain=self.toolchain(),
            digest=digest_of({"chip": self._chip, "model": model.digest, "plan": plan.digest if plan else "float"}),
            read_back={
                **{width: counts[width] for width in ("int8", "int16", "float")},
                "conversions": len(plan.narrowed) if plan else 0,
                "emulated": True,
                "job": JOB,
            },
        )

    def open(self, artifact: Artifact) -> Session:
        """The emulation."""
        artifact.require(self.capabilities().target)
        session = ReferenceSession(artifact.path.read_bytes(), name=artifact.path.name)
        session.ran_on = f"emulated {self._chip} by {session.ran_on}"
        return session

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Inner tensors as they are emulated; a gridded tensor is seen behind its grid."""
        return trace_qdq(artifact.path, tensors, feeds)

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan itself."""
        del model
        return plan

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """The plan as the job's script reads it."""
        write_json_atomic(folder / "plan.json", self._job_plan(model, plan))
        return folder / "plan.json"

    def read_plan(self, path: Path) -> PrecisionPlan:
        """Grids as the emulating model holds them."""
        return read_qdq(load_model(path))

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Where the job is; what is emulated is the plan itself."""
        del plan
        able = self.capabilities()
        job = f"{artifact.read_back['job']}/convert.py"
        return [
            Finding(
                "EW608",
                Severity.INFO,
                artifact.target,
                f"{able.target} is emulated by Edgewright: no toolchain of the vendor's took part. The artifact holds "
                f"a job that builds this plan for the chip with your own RKNN-Toolkit 1.x: {job}.",
                {"job": artifact.read_back["job"]},
            )
        ]

    def _write_job(
        self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None
    ) -> tuple[str, ...]:
        script = importlib.resources.files("edgewright.targets.rockchip").joinpath(_SCRIPT).read_text(encoding="utf-8")
        write_bytes_atomic(folder / "model.onnx", model.data)
        write_text_atomic(folder / "convert.py", script)
        write_json_atomic(folder / "plan.json", self._job_plan(model, plan))
        files = ["model.onnx", "convert.py", "plan.json"]
        if plan is not None and samples is not None:
            rows = []
            with explained_write_errors(folder):
                for index, feeds in zip(range(_IMAGES), samples(_IMAGES), strict=False):
                    row = [f"image{index:04d}_{place}.npy" for place in range(len(model.inputs))]
                    for name, port in zip(row, model.inputs, strict=True):
                        np.save(folder / name, feeds[port.name])
                    rows.append(row)
            write_text_atomic(folder / "dataset.txt", "".join(f"{' '.join(row)}\n" for row in rows))
            files += ["dataset.txt", *(name for row in rows for name in row)]
        return tuple(f"{JOB}/{name}" for name in files)

    def _job_plan(self, model: Model, plan: PrecisionPlan | None) -> dict[str, Any]:
        """Ranges by tensor, and by tensor the type of ops that are not in 8 bits."""
        grids = {} if plan is None else {name: grid for name, grid in plan.activations.items() if grid.bits == 8}
        wide = (
            {}
            if plan is None
            else {
                node.outputs[0].name or "": _WORDS[plan.ops.get(node.name or "", "float")]
                for node in model.ir.graph
                if plan.ops.get(node.name or "", "float") != "int8"
            }
        )
        return {
            "chip": self._chip,
            "quantized_dtype": "asymmetric_affine-u8",
            "quantised": plan is not None,
            "channels": [port.shape[1] if len(port.shape) == 4 else 1 for port in model.inputs],
            "ranges": {name: list(limits(grid)) for name, grid in grids.items()},
            "wide": wide,
        }
