"""Targets that are built for here and do not run here: what is told of them, and what another one may stand in for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgewright.errors import UserError
from edgewright.findings import Finding, Severity
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Backend
from edgewright.targets.naming import parse_target
from edgewright.targets.registry import get_backend, toolchain_version
from edgewright.verify.results import Variant, Verdict
from edgewright.workflow.variants import Workshop

NOT_RUN = "EW724"


@dataclass(frozen=True)
class Unrun:
    """An artifact that was built and not run.

    Attributes:
        name: as the table shows it.
        artifact: what was built.
        findings: what was read back, and that it was not run.
    """

    name: str
    artifact: Artifact
    findings: tuple[Finding, ...]

    def row(self) -> Variant:
        """The row of the table: no figure, for there is none."""
        return Variant(
            name=self.name,
            ran_on="not run",
            precision=self.artifact.precision,
            metric=None,
            drop=None,
            parts=(),
            latency=None,
            verdict="not run",
            ops={name: int(self.artifact.read_back[name]) for name in ("int8", "int16", "float")},
            artifact_digest=self.artifact.digest,
        )


def variant_name(backend: Backend, precision: str) -> str:
    """What a variant of a target that builds from source is called: stored weights are not computed in."""
    return f"{precision} weights" if precision in backend.capabilities().weight_only else precision


def measuring_backend(backend: Backend) -> Backend:
    """What figures are taken of: the target itself, or the one that stands in for it, of the same version.

    Raises:
        UserError: it does not run here, and nothing stands in for it.
    """
    able = backend.capabilities()
    if able.runs_here or not able.stand_in:
        return backend
    version = toolchain_version(backend)
    found = get_backend(able.stand_in if version is None else f"{able.stand_in}=={version}")
    if not found.capabilities().runs_here:
        raise UserError(f"{able.target} cannot be used here", why=found.capabilities().reason)
    return found


def stands_in(name: str, stand_in: str) -> str:
    """Name of the row of a stand-in: nobody must take its figures for the target's."""
    return f"{name}, {parse_target(stand_in).chip} in its stead"


def build_unrun(workshop: Workshop, precisions: Iterable[str]) -> tuple[Unrun, ...]:
    """Build, read back, and run nothing.

    Args:
        workshop: of the target itself.

    Raises:
        UserError, ToolchainError: as `Backend.build`.
    """
    backend = workshop.backend
    able = backend.capabilities()
    found = []
    for precision in dict.fromkeys(precisions):
        name = variant_name(backend, precision)
        artifact = workshop.build(name, precision)
        file = artifact.path.relative_to(workshop.run.path).as_posix()
        told = Finding(
            NOT_RUN,
            Severity.WARNING,
            able.target,
            f"{name} was built for {able.target} and not run: {able.reason}. No figure of it exists.",
            {"file": file, "digest": artifact.digest},
            f"Run {file} of the run directory on the device, and compare it there. {_stead(able.stand_in)}",
        )
        found.append(Unrun(name, artifact, (*backend.review(artifact, None), told)))
    return tuple(found)


def unrun_verdict(target: str, unrun: Sequence[Unrun], stand_in: str) -> Verdict:
    """Neither passed nor failed."""
    names = " and ".join(one.name for one in unrun)
    return Verdict("not run", target, "", f"{names}: built for {target}, not run here. {_stead(stand_in)}")


def _stead(stand_in: str) -> str:
    return f"The figures of {stand_in} are those of the same program on another processor." if stand_in else ""
