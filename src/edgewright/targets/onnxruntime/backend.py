"""`onnxruntime/cpu`, the embedded default: this computer's CPU through ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edgewright.errors import UserError
from edgewright.files import write_bytes_atomic
from edgewright.findings import Finding
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.quant.qdq_read import read_qdq
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Capabilities, Samples, Session
from edgewright.targets.facts import capabilities_of, load_facts
from edgewright.targets.onnxruntime.host import host_facts
from edgewright.targets.onnxruntime.readback import as_planned, read_back
from edgewright.targets.onnxruntime.review import review
from edgewright.targets.qdq_trace import trace_qdq

_FILE = "model.onnx"


class OnnxRuntimeBackend:
    """See `targets.backend.Backend`."""

    def __init__(self, chip: str) -> None:
        self._chip = chip

    def capabilities(self) -> Capabilities:
        """What ONNX Runtime can do on a CPU."""
        chip = load_facts("onnxruntime")["chips"][self._chip]
        return capabilities_of(
            "onnxruntime",
            self._chip,
            emulated=chip.get("emulated", False),
        )

    def toolchain(self) -> Mapping[str, str]:
        """Version of ONNX Runtime."""
        import onnxruntime as ort

        return {"onnxruntime": str(ort.__version__)}

    def host(self) -> Mapping[str, str]:
        """This computer."""
        return host_facts()

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Write the model, quantised by `plan`, and read back what ONNX Runtime makes of it."""
        del samples
        facts = self.capabilities()
        if model.opset > facts.max_opset:
            raise UserError(
                f"opset {model.opset} is newer than this ONNX Runtime reads ({facts.max_opset})",
                todo="export with an older opset or update onnxruntime",
            )
        if plan is not None and model.opset < facts.min_opset:
            raise UserError(
                f"opset {model.opset} is too old for {_precision(plan)}: scales per channel need {facts.min_opset}",
                todo=f"do not skip raise-opset, or export with opset {facts.min_opset}",
            )
        built = model if plan is None else write_qdq(model, plan)
        write_bytes_atomic(folder / _FILE, built.data)
        return Artifact(
            target=facts.target,
            precision="float" if plan is None else _precision(plan),
            files=(_FILE,),
            folder=folder,
            inputs=tuple(PortSpec(spec) for spec in model.inputs),
            outputs=tuple(PortSpec(spec) for spec in model.outputs),
            toolchain=self.toolchain(),
            digest=hashlib.sha256(built.data).hexdigest(),
            read_back=as_planned(model, plan) if facts.emulated else read_back(built.data, plan),
        )

    def open(self, artifact: Artifact) -> Session:
        """Load an artifact."""
        artifact.require(self.capabilities().target)
        return ReferenceSession(artifact.path.read_bytes(), name=artifact.path.name)

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Inner tensors as the artifact computes them; a gridded tensor is seen behind its grid."""
        return trace_qdq(artifact.path, tensors, feeds)

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan itself."""
        del model
        return plan

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """The plan as a QDQ model."""
        path = folder / "plan.qdq.onnx"
        write_bytes_atomic(path, write_qdq(model, plan).data)
        return path

    def read_plan(self, path: Path) -> PrecisionPlan:
        """Grids as a QDQ model holds them."""
        return read_qdq(load_model(path))

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Grids that are not in the file, ops in float against the plan, CPUs whose int8 sums may overflow."""
        if plan is None:
            return []
        emulated = self.capabilities().emulated
        return review(artifact, plan, self.read_plan(artifact.path), self.host(), emulated=emulated)


def _precision(plan: PrecisionPlan) -> str:
    return "int16" if "int16" in plan.ops.values() and "int8" not in plan.ops.values() else "int8"


def open_backend(chip: str, version: str | None = None) -> OnnxRuntimeBackend:
    """The backend of one chip of this vendor."""
    del version  # the one that is imported here
    return OnnxRuntimeBackend(chip)
