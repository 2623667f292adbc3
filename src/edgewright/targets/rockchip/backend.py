"""`rockchip/CHIP`: an NPU of Rockchip's, through RKNN-Toolkit2 and its simulator."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgewright.errors import UserError
from edgewright.files import digest_of
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Backend, Capabilities, Feeds, Outputs, Samples, Session
from edgewright.targets.facts import capabilities_of, load_facts
from edgewright.targets.layered import Single, Traceable, sort_out
from edgewright.targets.rockchip.accuracy import by_tensor, errors_of_single_layers, places
from edgewright.targets.rockchip.calibrate import (
    ALGORITHMS,
    FUSED_FILE,
    STATE_FILE,
    calibrate,
    hand_over,
    prepare,
    random_samples,
)
from edgewright.targets.rockchip.emulated import EmulatedBackend
from edgewright.targets.rockchip.first_step import FirstStep
from edgewright.targets.rockchip.plan import (
    MATCH_FILE,
    PLAN_FILE,
    grid_of,
    read_config,
    write_config,
)
from edgewright.targets.rockchip.readback import BUILT_FILE, read_built
from edgewright.targets.rockchip.review import review
from edgewright.targets.rockchip.session import SimulatorSession
from edgewright.targets.rockchip.tool import MODEL_FILE, NAME, VENDOR, Tool, spec
from edgewright.targets.rockchip.widened import widened

ARTIFACT_FILE = "model.rknn"
_FLOAT_TOLERANCE = 5e-2
"""float16 throughout: 0.001 to 0.027 was measured by part on detectors; 0.034 where it was 0.027 is what rounding every
tensor to float16 gives in ONNX Runtime (class scores of yolox_nano_416, whose inputs are 0 to 255)."""


class RockchipBackend:
    """See `targets.backend.Backend`."""

    def __init__(self, chip: str, version: str | None = None) -> None:
        self._chip = chip
        self._tool = Tool(chip, spec().version_name(version))
        self._first_step = FirstStep(self._tool)

    def capabilities(self) -> Capabilities:
        """What the chip and the toolkit can do."""
        return capabilities_of(
            VENDOR,
            self._chip,
            self._tool.version,
            runs_here=_runs_here(),
            reason="" if _runs_here() else f"{NAME} runs on Linux on x86-64 only",
            emulated=True,
            ran_on=f"{NAME} {self._tool.version}, simulator",
            needs_samples=True,
            float_tolerance=_FLOAT_TOLERANCE,
        )

    def toolchain(self) -> Mapping[str, str]:
        """Version of the toolkit."""
        return {NAME: self._tool.version}

    def host(self) -> Mapping[str, str]:
        """The environment: the simulator computes with its packages, not with this computer's."""
        return {"architecture": platform.machine(), "environment": self._tool.environment_digest}

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Build, export the .rknn, and read back what the simulator computes with."""
        self._check(model, plan)
        hand_over(model, folder)
        files = [ARTIFACT_FILE, MODEL_FILE, BUILT_FILE]
        arguments: dict[str, Any] = {}
        wider: list[str] = []
        if plan is not None:
            asked, plan = plan, self._without_float(model, self.expected_plan(model, plan))
            wider = sorted(name for name, one in asked.ops.items() if one == "int16" and plan.ops[name] == "float")
            prepared = self._first_step.prepare(model, folder, samples)
            write_config(prepared, model, plan, folder)
            arguments = {"plan": PLAN_FILE}
            files += [PLAN_FILE, MATCH_FILE, FUSED_FILE, STATE_FILE]
        self._tool.call("build", arguments, folder)
        built = read_built(folder)
        made_of = {"model": model.digest, "plan": plan.digest if plan else "float", "chip": self._chip}
        return Artifact(
            target=f"{VENDOR}/{self._chip}",
            precision="float" if plan is None else _precision(plan),
            files=tuple(files),
            folder=folder,
            inputs=tuple(PortSpec(port, _layout(port.shape)) for port in model.inputs),
            outputs=tuple(PortSpec(port) for port in model.outputs),
            toolchain=self.toolchain(),
            # the toolkit's files differ from run to run: what went in tells artifacts apart
            digest=digest_of({**made_of, **self.host(), **self.toolchain()}),
            read_back={**built.counts(), "wider": wider},
        )

    def open(self, artifact: Artifact) -> Session:
        """The simulator of an artifact."""
        artifact.require(self.capabilities().target)
        return SimulatorSession(artifact, self._tool)

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Inner tensors as the simulator hands them on; the toolkit may have given them another shape."""
        known = places(read_built(artifact.folder))
        missing = [name for name in tensors if name not in known]
        if missing:
            raise UserError(
                f"the artifact has no tensor {missing[0]!r}",
                where=str(artifact.path),
                why=f"{NAME} fused it away, {len(missing)} of {len(tensors)} asked for",
            )
        session = SimulatorSession(artifact, self._tool)
        return session.trace({name: known[name] for name in tensors}, feeds)

    def traceable(self, model: Model, artifact: Artifact) -> Traceable:
        """Tensors of the fused graph that have the range of the prepared model's; see `targets.layered.Layered`."""
        where = f"{NAME} {self._tool.version}, simulator of {self._chip}"
        return sort_out(model, where, places(read_built(artifact.folder)))

    def single(
        self, artifact: Artifact, plain: Artifact, tensors: Collection[str], samples: Iterable[tuple[Feeds, Outputs]]
    ) -> Iterator[Single]:
        """The toolkit's accuracy analysis, which computes the fused graph in float too; see `Layered`."""
        del plain
        known = places(read_built(artifact.folder))
        asked = {name: known[name] for name in tensors}
        session = SimulatorSession(artifact, self._tool)
        for real, text in session.analyse(asked, (feeds for feeds, _ in samples)):
            yield Single(real, by_tensor(errors_of_single_layers(text), asked))

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan without 16 bits where the compiler has none."""
        return widened(model, plan, self.capabilities().precisions)

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """The plan as a configuration of hybrid quantisation. Which tensor is which is found with random inputs."""
        return write_config(prepare(self._tool, model, folder, random_samples(model)), model, plan, folder)

    def read_plan(self, path: Path) -> PrecisionPlan:
        """What a written plan says, or, of a built artifact, what took hold."""
        if path.name == PLAN_FILE:
            return read_config(path)
        return read_built(path.parent).plan()

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Precisions that did not take hold, and ranges that the toolkit replaced."""
        return [] if plan is None else review(artifact, plan, read_built(artifact.folder))

    def calibrations(self) -> tuple[str, ...]:
        """The toolkit's own calibrations."""
        return tuple(ALGORITHMS)

    def vendor_plan(
        self, model: Model, plan: PrecisionPlan, method: str, samples: Samples, folder: Path
    ) -> PrecisionPlan:
        """See `targets.backend.Calibrating`. Tensors of 16 bits keep our ranges, which the toolkit has none for."""
        found = calibrate(self._tool, model, method, folder, samples)
        grids = {
            ours: grid_of(found.parameters[name])
            for name, ours in found.matched.items()
            if found.parameters.get(name, {}).get("dtype") == "int8"
        }
        own = {name: grids.get(name, grid) for name, grid in plan.activations.items() if grid.bits == 8}
        narrowed = {name: grids.get(name, grid) for name, grid in plan.narrowed.items()}
        origin = {**plan.origin, "observer": f"{NAME} {self._tool.version} {method}"}
        return replace(plan, activations={**plan.activations, **own}, narrowed=narrowed, origin=origin)

    def _without_float(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """On a chip without float the toolkit quantises on its own what the plan leaves in float for lack of a rule."""
        if "float" in self.capabilities().precisions:
            return plan
        names = [node.name or "" for node in model.ir.graph]
        return replace(plan, ops={**dict.fromkeys(names, "int8"), **plan.ops})

    def _check(self, model: Model, plan: PrecisionPlan | None) -> None:
        able = self.capabilities()
        if model.opset > able.max_opset:
            raise UserError(
                f"opset {model.opset} is newer than {NAME} {self._tool.version} reads ({able.max_opset})",
                todo=f"export with opset {able.max_opset} or lower",
            )
        open_shapes = [str(port) for port in model.inputs if not port.is_static]
        if open_shapes:
            raise UserError(f"{NAME} needs fixed shapes", where=open_shapes[0], todo="fix them with --shape")
        wanted = {"float"} if plan is None else {str(precision) for precision in plan.ops.values()}
        if plan is not None and "float" not in able.precisions:
            quantised = able.fusion.quantised_ops
            names = [node.name or "" for node in model.ir.graph if node.op_type in quantised]
            wanted |= {"float" for name in names if plan.ops.get(name, "float") == "float"}
        lacking = sorted(wanted - set(able.precisions))
        if lacking:
            raise UserError(
                f"{able.target} cannot compute in {lacking[0]}",
                why=f"it has {', '.join(able.precisions)}",
                todo="choose one of these, or another chip",
            )


def _runs_here() -> bool:
    return platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")


def _layout(shape: tuple[int | None, ...]) -> str:
    return "NCHW" if len(shape) == 4 else ""


def _precision(plan: PrecisionPlan) -> str:
    return "int16" if "int16" in plan.ops.values() and "int8" not in plan.ops.values() else "int8"


def open_backend(chip: str, version: str | None = None) -> Backend:
    """The backend of one chip of this vendor, with a version of the toolkit (None: the default one)."""
    if load_facts(VENDOR)["chips"][chip].get("toolkit", 2) == 1:
        return EmulatedBackend(chip)
    return RockchipBackend(chip, version)
