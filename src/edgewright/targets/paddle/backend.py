"""`paddle/cpu`: the exported Paddle model through Paddle Inference, as its user runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from edgewright.errors import TargetMismatch, UserError
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Capabilities, Feeds, Outputs, Samples, Session
from edgewright.targets.facts import capabilities_of
from edgewright.targets.paddle.build import build
from edgewright.targets.paddle.control import CONTROLS, run_control
from edgewright.targets.paddle.host import host_facts, why_no_gpu
from edgewright.targets.paddle.process import NAME, VENDOR
from edgewright.targets.paddle.review import review
from edgewright.targets.paddle.session import PaddleSession, Runnable
from edgewright.toolchains.vendors import vendor_spec

GPU = "gpu"


class PaddleBackend:
    """See `targets.backend.Backend`, `FromSource` and `OwnControls`."""

    framework = "paddle"

    def __init__(self, chip: str, version: str | None = None) -> None:
        self._chip = chip
        self._version = vendor_spec(VENDOR).version_name(version)

    def capabilities(self) -> Capabilities:
        """What Paddle Inference can do here."""
        gpu = self._chip == GPU
        reason = why_no_gpu() if gpu else ""
        return capabilities_of(VENDOR, self._chip, runs_here=not gpu, builds_here=not gpu, reason=reason)

    def toolchain(self) -> Mapping[str, str]:
        """Version of Paddle."""
        return {NAME: self._version}

    def host(self) -> Mapping[str, str]:
        """This computer."""
        return host_facts()

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Refused: there is nothing that makes a Paddle program of an ONNX model.

        Raises:
            UserError: always.
        """
        del plan, folder, samples
        self._refuse_gpu()
        raise UserError(
            f"{self.capabilities().target} runs Paddle models, and this one is ONNX",
            where=str(model.path or ""),
            why="Paddle Inference reads its own programs; nothing turns ONNX back into one",
            todo="give the exported Paddle folder or its .pdmodel, or deploy for onnxruntime/cpu",
        )

    def build_from(self, origin: Origin, model: Model, precision: str, folder: Path) -> Artifact:
        """Copy the program, and run it once as its user will, in a process of its own.

        Where that fails, the remedies that apply are tried, and the artifact is run with the first that works.
        """
        self._refuse_gpu()
        if origin.framework != self.framework:
            raise UserError(f"{self.capabilities().target} runs Paddle models, this one is of {origin.framework}")
        if precision not in self.capabilities().precisions:
            raise UserError(
                f"{self.capabilities().target} computes in float only, not in {precision}",
                why="Paddle's kernels for the CPU have no float16, and its 8-bit way needs a program that was trained "
                "or calibrated for it",
                todo="choose --precision float",
            )
        return build(origin, model, self._version, self.capabilities().target, folder)

    def open(self, artifact: Artifact) -> Session:
        """Load an artifact."""
        artifact.require(self.capabilities().target)
        self._refuse_gpu()
        return PaddleSession(Runnable.of(artifact))

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Refused: tensors of Paddle's program and of the ONNX model do not correspond by name."""
        del tensors, feeds
        raise UserError(
            f"{artifact.target} shows no inner tensors",
            where=str(artifact.path),
            why="Paddle fuses its program when it is loaded, and its names are not those of the ONNX model",
            todo="analyse the model on onnxruntime/cpu, after it was proven equal here",
        )

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan itself."""
        del model
        return plan

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """Refused: nothing is quantised here."""
        del model, plan, folder
        self._no_plan()

    def read_plan(self, path: Path) -> PrecisionPlan:
        """Refused: nothing is quantised here."""
        del path
        self._no_plan()

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """What had to be done to make it run."""
        del plan
        return review(artifact)

    def own_controls(self) -> tuple[str, ...]:
        """Small networks in Paddle; see `targets.backend.OwnControls`."""
        return tuple(CONTROLS)

    def run_own_control(self, name: str, folder: Path) -> Mapping[str, float | None]:
        """A control through Paddle Inference, compared with the same network run layer by layer."""
        self._refuse_gpu()
        return run_control(name, self._version, folder)

    def _refuse_gpu(self) -> None:
        if self._chip == GPU:
            raise TargetMismatch(
                f"{VENDOR}/{GPU} cannot be used here",
                why=why_no_gpu(),
                todo=f"deploy for {VENDOR}/cpu, or run on a computer with a GPU and Paddle for it",
            )

    def _no_plan(self) -> NoReturn:
        raise UserError(f"{self.capabilities().target} has no precision plans", why="it computes in float only")


def open_backend(chip: str, version: str | None = None) -> PaddleBackend:
    """The backend of one chip of this vendor."""
    return PaddleBackend(chip, version)
