"""Processors through Paddle Lite: built from Paddle's own program by `opt`, one file for each."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from edgewright.errors import BundleError, TargetMismatch, UserError
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import Capabilities, Feeds, Outputs, Samples
from edgewright.targets.facts import capabilities_of, load_facts
from edgewright.targets.paddlelite.build import FILE, build_file, check_program
from edgewright.targets.paddlelite.control import CONTROLS, run_control
from edgewright.targets.paddlelite.nb import read_nb
from edgewright.targets.paddlelite.place import require_place, require_version
from edgewright.targets.paddlelite.process import VENDOR, toolchain_environment
from edgewright.targets.paddlelite.review import review
from edgewright.targets.paddlelite.session import LiteSession
from edgewright.toolchains.environments import Environment
from edgewright.toolchains.vendors import vendor_spec

_TITLE = "Paddle Lite"


class PaddleLiteBackend:
    """See `targets.backend.Backend`, `FromSource` and `OwnControls`.

    Args:
        chip: name in `facts.toml`.
        version: of Paddle Lite; None for the default one.
    """

    framework = "paddle"

    def __init__(self, chip: str, version: str | None = None) -> None:
        self._chip, self._version = chip, version
        self._facts: Mapping[str, Any] = load_facts(VENDOR)["chips"][chip]

    def capabilities(self) -> Capabilities:
        """What Paddle Lite can do for the processor, and whether it can be run here."""
        here = platform.machine() == "x86_64" and platform.system() == "Linux"
        reason = "" if here else "the wheels of Paddle Lite are for Linux on x86-64 only"
        if here and self._chip != "x86":
            reason = (
                "the runtime of Paddle Lite that can be installed here is for x86: its ARM kernels do nothing, and what"
                " it answers is what lay in memory"
            )
        version = vendor_spec(VENDOR).version_name(self._version)
        return capabilities_of(
            VENDOR,
            self._chip,
            version,
            runs_here=not reason,
            builds_here=here,
            reason=reason,
            ran_on=f"Paddle Lite {version}, this computer" if self._chip == "x86" else "not run",
            stand_in=self._facts.get("stand_in", ""),
            weight_only=tuple(self._facts["weight_only"]),
        )

    def toolchain(self) -> Mapping[str, str]:
        """Version of Paddle Lite."""
        return {_TITLE: vendor_spec(VENDOR).version_name(self._version)}

    def host(self) -> Mapping[str, str]:
        """This computer's architecture, and the environment."""
        return {"architecture": platform.machine(), "environment": self._environment().digest}

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Refused: Paddle Lite reads no ONNX."""
        del plan, folder, samples
        raise UserError(
            f"{VENDOR}/{self._chip} cannot be built from ONNX",
            where=model.name,
            why="Paddle Lite reads Paddle's own files only: a .pdmodel with its .pdiparams",
            todo="name the folder that PaddleDetection exported, or the .pdmodel, instead of the ONNX file",
        )

    def check_program(self, program: Path) -> None:
        """Refuse the program format of Paddle 3 before any work."""
        check_program(program)

    def build_from(self, origin: Origin, model: Model, precision: str, folder: Path) -> Artifact:
        """Ask Paddle Lite for every op, optimise, and read back what lies in the file."""
        able = self.capabilities()
        if origin.framework != self.framework:
            raise UserError(
                f"{able.target} cannot be built from a model of {origin.framework}",
                where=str(origin.program),
                why="Paddle Lite reads Paddle's own files only",
                todo="choose a target that reads ONNX",
            )
        if precision not in able.precisions:
            raise UserError(f"{able.target} has no {precision}", why=f"it has {', '.join(able.precisions)}")
        made = self._environment()
        built = build_file(made, origin, model, self._chip, precision, folder)
        return Artifact(
            target=able.target,
            precision=precision,
            files=(FILE,),
            folder=folder,
            inputs=tuple(PortSpec(spec) for spec in model.inputs),
            outputs=tuple(PortSpec(spec) for spec in model.outputs),
            toolchain=self.toolchain(),
            digest=built.nb.digest,
            read_back=built.read_back,
        )

    def open(self, artifact: Artifact) -> LiteSession:
        """Look into the file, and run it only if every kernel in it is for this processor."""
        able = self.capabilities()
        artifact.require(able.target)
        nb = read_nb(artifact.path)
        require_place(nb, able.target, self._facts["processors"], artifact.path)
        if not able.runs_here:
            raise TargetMismatch(
                f"artifacts for {able.target} are not run on this host",
                where=str(artifact.path),
                why=able.reason,
                todo="run it on the device, with the Paddle Lite of the same version for it",
            )
        made = self._environment()
        require_version(nb, made.version, artifact.path)
        if nb.digest != artifact.digest:
            raise BundleError(
                "this file is not the one that was built", where=str(artifact.path), todo="build it again"
            )
        return LiteSession(artifact, made, able.ran_on)

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Refused: the runtime shows no inner tensors."""
        del artifact, tensors, feeds
        self._no_plan("shows no inner tensors")

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan itself: nothing computes by it."""
        del model
        return plan

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """Refused: there is no plan."""
        del model, plan, folder
        self._no_plan("takes no precision plan")

    def read_plan(self, path: Path) -> PrecisionPlan:
        """Refused: there is no plan."""
        del path
        self._no_plan("takes no precision plan")

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Where the kernels lie, and weights that the runtime takes for what they are not."""
        del plan
        return review(artifact)

    def own_controls(self) -> tuple[str, ...]:
        """A small network of Paddle's; see `targets.backend.OwnControls`."""
        return CONTROLS

    def run_own_control(self, name: str, folder: Path) -> Mapping[str, float | None]:
        """Build and run a control, and compare it with what Paddle Inference computed of it.

        Raises:
            TargetMismatch: the target does not run here; it was built all the same.
        """
        return run_control(name, folder, self.build_from, self.open)

    def _no_plan(self, what: str) -> NoReturn:
        raise UserError(
            f"Paddle Lite {what}",
            where=f"{VENDOR}/{self._chip}",
            why="it computes in float; int8 and int16 are widths in which its opt stores weights",
            todo="analyse the model on another target (onnxruntime/cpu)",
        )

    def _environment(self) -> Environment:
        return toolchain_environment(self._version)


def open_backend(chip: str, version: str | None = None) -> PaddleLiteBackend:
    """The backend of one chip of this vendor, with a version of Paddle Lite (None: the default one)."""
    return PaddleLiteBackend(chip, version)
