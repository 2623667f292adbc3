"""The contract that each vendor's folder fulfils. Algorithms know nothing else of a vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from typing_extensions import Self

from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.qdq import write_qdq
from edgewright.targets.artifact import Artifact

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]
Samples = Callable[[int], Iterable[Feeds]]
"""Network inputs of so many calibration images, as the preprocessing contract makes them."""


@dataclass(frozen=True)
class Capabilities:
    """What a target can do, known before anything is built.

    Attributes:
        target: `vendor/chip`.
        title: the name that people use.
        precisions: "float", "int8", "int16", as the chip has them.
        weight_only: those of `precisions` in which weights are stored and nothing is computed: they take no calibration
            and no plan.
        fusion: which tensors have a grid.
        min_opset, max_opset: opsets that the toolchain reads.
        latency: where latency figures come from ("measured", "simulated", "estimated", "none").
        runs_here: whether artifacts run on this host at all.
        reason: why not, when `runs_here` or `builds_here` is false.
        builds_here: whether anything can be built for it on this host.
        emulated: artifacts compute as the chip would, on another processor: accuracy counts, time does not.
        ran_on: where figures come from, in words ("RKNN-Toolkit2 2.3.2, simulator"); empty where the toolchain's names
            and versions say it.
        needs_samples: whether building looks at calibration images.
        stand_in: another target of the same toolchain that computes the same program and runs here, for one that does
            not.
        float_tolerance: relative L2 error that the chip's float arithmetic explains (1e-3 for 32 bits, more for 16).
    """

    target: str
    title: str
    precisions: tuple[str, ...]
    fusion: FusionProfile
    min_opset: int
    max_opset: int
    latency: str
    runs_here: bool = True
    reason: str = ""
    builds_here: bool = True
    emulated: bool = False
    ran_on: str = ""
    needs_samples: bool = False
    float_tolerance: float = 1e-3
    weight_only: tuple[str, ...] = ()
    stand_in: str = ""


class Session(Protocol):
    """A loaded artifact. Inputs and outputs are by name, at the artifact's own boundary types."""

    ran_on: str

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample."""

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order; a target that pays for each process start runs them in one."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Backend(Protocol):
    """One target, reached through one toolchain."""

    def capabilities(self) -> Capabilities:
        """What the target can do; costs no more than reading a file."""

    def toolchain(self) -> Mapping[str, str]:
        """Names and versions of what builds and runs here: part of every cache key and of provenance."""

    def host(self) -> Mapping[str, str]:
        """What about this host decides whether an artifact runs and how fast: architecture, CPU features."""

    def build(self, model: Model, plan: PrecisionPlan | None, folder: Path, samples: Samples | None = None) -> Artifact:
        """Build `model` into `folder`, in float when `plan` is None, and read back what was really built.

        Args:
            samples: for toolchains that look at images themselves, to calibrate or to compare.

        Raises:
            UserError: the target cannot do what the plan asks for.
            ToolchainError: the toolchain failed.
        """

    def open(self, artifact: Artifact) -> Session:
        """Load an artifact on this host.

        Raises:
            TargetMismatch: it does not belong here.
            ToolchainError: the runtime failed.
        """

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Values of inner tensors of the prepared model, as the artifact computes them (real values)."""

    def expected_plan(self, model: Model, plan: PrecisionPlan) -> PrecisionPlan:
        """What the chip will make of a plan, as far as is known without building: what an emulation should compute."""

    def write_plan(self, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
        """The plan in the vendor's own format."""

    def read_plan(self, path: Path) -> PrecisionPlan:
        """What a written plan says, read back from the vendor's format: names and grids that really took hold."""

    def review(self, artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
        """Findings about what the toolchain really did with the plan."""


@runtime_checkable
class Calibrating(Protocol):
    """A backend whose toolchain has calibrations of its own, to compare ours with."""

    def calibrations(self) -> tuple[str, ...]:
        """Their names, in the vendor's words."""

    def vendor_plan(
        self, model: Model, plan: PrecisionPlan, method: str, samples: Samples, folder: Path
    ) -> PrecisionPlan:
        """`plan` with the ranges that the toolchain finds by itself; ops, widths and weights stay.

        Args:
            method: one of `calibrations`.
            samples: network inputs of that many calibration images; the backend says how many it takes.
            folder: to work in.

        Raises:
            UserError: there is no such method.
            ToolchainError: the toolchain failed.
        """


@runtime_checkable
class Emulating(Protocol):
    """A backend whose chip rounds otherwise than QuantizeLinear does."""

    def emulation(self, model: Model, plan: PrecisionPlan) -> Model:
        """A model for ONNX Runtime that computes as the chip is expected to; inputs and outputs keep their names.

        Args:
            plan: from `Backend.expected_plan`.
        """


def emulation_of(backend: Backend, model: Model, plan: PrecisionPlan) -> Model:
    """The backend's own emulation of a plan, else its QDQ form."""
    return backend.emulation(model, plan) if isinstance(backend, Emulating) else write_qdq(model, plan)


@runtime_checkable
class Drafting(Protocol):
    """A backend that can give, much sooner than `build`, an artifact that computes the same but cannot ship."""

    def draft(self, model: Model, plan: PrecisionPlan, folder: Path, samples: Samples | None = None) -> Artifact:
        """As `Backend.build`, but for the chip's own file. It has the digest of what `build` would give.

        Raises:
            UserError, ToolchainError: as `build`; what only the compiler refuses is not seen.
        """


@runtime_checkable
class FromSource(Protocol):
    """A backend that builds from the framework's own files: its `build` refuses a model that has none."""

    framework: str
    """The framework whose files it takes ("paddle")."""

    def build_from(self, origin: Origin, model: Model, precision: str, folder: Path) -> Artifact:
        """Build the model that `origin` holds into `folder`, and read back what was really built.

        Args:
            origin: the framework's files.
            model: the ONNX model that was made from them, whose inputs and outputs the artifact has, in its order.
            precision: one of `Capabilities.precisions`.

        Raises:
            UserError: the target cannot run this model, or not in this precision.
            ToolchainError: the toolchain failed.
        """


@runtime_checkable
class ChecksProgram(Protocol):
    """A backend from source that can tell by a file's name that it will not read it: before minutes are spent."""

    def check_program(self, program: Path) -> None:
        """Look at the name of the framework's program; the file need not be the one that is built.

        Raises:
            UserError: it is of a form that the target cannot read.
        """


@runtime_checkable
class OwnControls(Protocol):
    """A backend that cannot build ONNX control models, and has some in its own framework."""

    def own_controls(self) -> tuple[str, ...]:
        """Their names; the first one is what most models have."""

    def run_own_control(self, name: str, folder: Path) -> Mapping[str, float | None]:
        """Build and run one in `folder`; relative L2 by part against the framework itself, None where not finite.

        Raises:
            UserError: there is no such control, or the target does not run here.
            ToolchainError: the toolchain failed.
        """


@runtime_checkable
class SelfTimed(Protocol):
    """A session that measures its runs where they happen: with a process for each call, that is what would be timed."""

    @property
    def keeps_time(self) -> bool:
        """Whether it does; a session that wraps another one asks that."""

    def time_runs(self, feeds: Feeds, seconds: float, least: int, most: int) -> tuple[Sequence[float], str]:
        """Seconds of single warm runs of a sample, and how they were taken.

        Args:
            seconds: to spend on them, roughly.
            least, most: how many runs there are in any case, and at most.
        """
