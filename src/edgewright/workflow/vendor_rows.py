"""Rows of the table whose ranges are those of the vendor's own calibration, beside ours: all else is the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgewright.errors import ToolchainError, UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.repair.candidate import Candidate
from edgewright.repair.remedies import REMEDIES
from edgewright.targets.backend import Backend, Calibrating
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.workflow.blame import keep_log
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import network_inputs
from edgewright.workflow.variants import Built, Workshop


def check_methods(target: str, methods: Sequence[str], precisions: Sequence[str], backend: Backend) -> None:
    """Refuse calibrations that the target's toolchain has not.

    Raises:
        UserError: it has none of its own, or none of that name, or nothing is to be built in 8 bits.
    """
    if not methods:
        return
    where = "--vendor-calibration"
    if not isinstance(backend, Calibrating):
        raise UserError(f"{target} has no toolchain with a calibration of its own", where=where, todo="leave it out")
    known = backend.calibrations()
    unknown = [method for method in methods if method not in known]
    if unknown:
        raise UserError(
            f"the toolchain of {target} has no calibration {unknown[0]!r}",
            where=where,
            todo=f"it has {', '.join(known)}",
        )
    if "int8" not in precisions:
        raise UserError("vendors calibrate for 8 bits only", where=where, todo="add int8 to --precision")


@dataclass
class VendorRows:
    """Builds and measures a plan once more for each of the vendor's calibrations.

    Attributes:
        workshop: builds and measures.
        images: the calibration images.
        methods: calibrations of the vendor's, that the target has.
        findings: what could not be compared.
    """

    workshop: Workshop
    images: ImageFiles
    methods: Sequence[str]
    findings: list[Finding] = field(default_factory=list)

    def of_plan(
        self, model: Model, plan: PrecisionPlan, precision: str, restore: Model | None = None, words: Sequence[str] = ()
    ) -> list[Built]:
        """A variant for each calibration; those that fail are told in `findings`.

        Args:
            model, plan: what is built, and how but for the ranges.
            precision: for the table.
            restore: see `Workshop.make`.
            words: what else the name tells.
        """
        if precision != "int8":
            return []
        title = next(iter(self.workshop.backend.toolchain()))
        rows: list[Built] = []
        for method in self.methods:
            name = ", ".join([precision, f"{method} of {title}", *words])
            try:
                found = self._plan(name, model, plan, method)
                row = self.workshop.make(name, precision, found, (), model, restore)
            except ToolchainMissing:
                raise
            except ToolchainError as error:
                self._tell(name, f"The toolchain fails: {str(error).splitlines()[0]}.", {"error": str(error)})
                continue
            self._check_own(row, rows)
            rows.append(replace(row, calibration=f"{title} {method}"))
        return rows

    def of_candidate(self, candidate: Candidate, plan: PrecisionPlan, precision: str) -> list[Built]:
        """The same of a repaired network; see `bare`."""
        words = [entry.short for entry in candidate.applied]
        return self.of_plan(candidate.model, plan, precision, candidate.restore, words)

    def _plan(self, name: str, model: Model, plan: PrecisionPlan, method: str) -> PrecisionPlan:
        shop = self.workshop
        backend = shop.backend
        if not isinstance(backend, Calibrating):
            raise TypeError(f"{name}: the backend has no calibrations")  # `check_methods` comes first
        key = {
            **shop.key,
            "model": model.digest,
            "plan": plan.digest,
            "method": method,
            "toolchain": dict(backend.toolchain()),
            "host": dict(backend.host()),
            "contract": shop.task.contract.model_dump(mode="json"),
            "calibration": self.images.key,
        }

        def compute(folder: Path) -> dict[str, Any]:
            with shop.progress.step(f"calibrate {name}"):
                work = folder / "work"
                try:
                    found = backend.vendor_plan(
                        model, plan, method, lambda most: network_inputs(self.images.spread(most), shop.task), work
                    )
                except ToolchainError as error:
                    keep_log(error, shop.run.log_of(f"calibrate {name}"))
                    raise
                shutil.rmtree(work, ignore_errors=True)  # images and tables: the plan holds what they gave
                return {"plan": found.to_json()}

        return PrecisionPlan.from_json(shop.run.stage(f"calibrate {name}", key, compute).data["plan"])

    def _check_own(self, row: Built, before: Sequence[Built]) -> None:
        """Two calibrations of the same ranges are one: a toolchain may take a method's name and compute another."""
        for other in before:
            if row.plan is not None and other.plan is not None and row.plan.digest == other.plan.digest:
                self._tell(
                    row.name,
                    f"The toolchain gives the same ranges as for {other.name}: one of them is not what it is called.",
                    {"same_as": other.name},
                )

    def _tell(self, name: str, words: str, evidence: dict[str, Any]) -> None:
        self.findings.append(Finding("EW607", Severity.WARNING, name, words, evidence))


def bare(candidate: Candidate, observer: str) -> Candidate:
    """A candidate's graph and widths, without what was fitted to our ranges."""
    kept = [
        entry
        for entry in candidate.applied
        if entry.remedy not in REMEDIES or REMEDIES.get(entry.remedy).kind != "calibration"
    ]
    model = candidate.plain or candidate.model
    return replace(candidate, model=model, plain=None, ranges={}, observer=observer, applied=tuple(kept))
