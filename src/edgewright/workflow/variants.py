"""Building and verifying one variant: a row of the table."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.findings import Finding
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.plan import PrecisionPlan
from edgewright.runtime.artifact_session import ArtifactSession
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Backend, Drafting, Feeds, FromSource, Session
from edgewright.targets.registry import get_backend
from edgewright.verify.evaluate import REFERENCE
from edgewright.verify.results import Latency, Metric, PartError, Variant, VerdictWord
from edgewright.verify.verdict import BUILT_WRONG, Limits, drop_of, reasons_against
from edgewright.workflow.blame import blamed
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Measured, Task, measure_stage, network_inputs
from edgewright.workflow.progress import Progress
from edgewright.workflow.remembered import RememberedSession
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced


@dataclass(frozen=True)
class Built:
    """A variant with everything that is known of it.

    Attributes:
        name, precision: as the table shows them.
        plan: None for float.
        artifact: what was built.
        measured: figures against the source model.
        stage: name of the stage in `measured` that this variant is.
        findings: static rules, what the toolchain did, degenerate outputs.
        restore: computes the model's outputs from the artifact's, where the artifact is of a rewritten model.
        calibration: the vendor's own calibration whose ranges it has ("TPU-MLIR kl"); empty: the ranges are ours.
    """

    name: str
    precision: str
    plan: PrecisionPlan | None
    artifact: Artifact
    measured: Measured
    stage: str
    findings: tuple[Finding, ...]
    restore: Model | None = None
    calibration: str = ""

    @property
    def is_float(self) -> bool:
        """Whether it computes in float; without a plan it need not: targets that build from source have none."""
        return self.precision == "float"

    @property
    def errors(self) -> tuple[PartError, ...]:
        """Error by part of the artifact."""
        return self.measured.errors[self.stage]

    @property
    def metric(self) -> Metric | None:
        """Task metric of the artifact."""
        return self.measured.metrics.get(self.stage)

    @property
    def reference_metric(self) -> Metric | None:
        """Task metric of the source model on the same images."""
        return self.measured.metrics.get(REFERENCE)

    def judge(
        self,
        allowed: Limits,
        latency: Latency | None,
        ran_on: str,
        passed: VerdictWord,
        void: Sequence[Finding] = (),
    ) -> Variant:
        """The row of the table.

        Args:
            passed: the word when nothing speaks against the variant.
            void: findings that make every figure void, such as a float model that does not fit the labels.
        """
        drop = drop_of(self.reference_metric, self.metric)
        built_wrong = [finding for finding in self.findings if finding.code == BUILT_WRONG]
        against = [*void, *built_wrong, *self.measured.findings]
        reasons = reasons_against(drop, self.errors, against, allowed, is_float=self.is_float)
        return Variant(
            name=self.name,
            ran_on=ran_on,
            precision=self.precision,
            metric=self.metric,
            drop=drop,
            parts=self.errors,
            latency=latency,
            verdict="failed" if reasons else passed,
            reasons=reasons,
            ops={name: int(self.artifact.read_back[name]) for name in ("int8", "int16", "float")},
            artifact_digest=self.artifact.digest,
            calibration=self.calibration,
        )


class Workshop:
    """What building and measuring variants of one model needs.

    Args:
        run, backend, progress: where, with what, and whom to tell.
        key: versions and the source model's digest.
        sourced: the source model.
        prepared: path of the prepared model.
        task, images: what is measured, on what.
        labels: digest of the labels; empty without. Building does not depend on them, measuring does.
        calibration: images for toolchains that look at some when they build.
    """

    def __init__(
        self,
        run: RunDir,
        backend: Backend,
        progress: Progress,
        key: Mapping[str, Any],
        sourced: Sourced,
        prepared: Path,
        task: Task,
        images: ImageFiles,
        labels: str = "",
        calibration: ImageFiles | None = None,
    ) -> None:
        self.run, self.backend, self.progress, self.key = run, backend, progress, key
        able = backend.capabilities()
        # a chip that computes in integers only has no float artifact: the embedded runtime stands in for it
        self._plain = backend if "float" in able.precisions else get_backend("onnxruntime/cpu")
        self.sourced, self.prepared, self.task, self.images = sourced, prepared, task, images
        self.labels = labels
        self.calibration = calibration if able.needs_samples else None
        self._reference: Measured | None = None  # the first variant measures the source model for all
        self._answers: RememberedSession | None = None

    @property
    def from_source(self) -> bool:
        """Whether the target builds from the framework's own files, in precisions of its own and without a plan."""
        return isinstance(self.backend, FromSource)

    def make(
        self,
        name: str,
        precision: str,
        plan: PrecisionPlan | None,
        findings: tuple[Finding, ...] = (),
        model: Model | None = None,
        restore: Model | None = None,
        *,
        draft: bool = False,
    ) -> Built:
        """Build a variant, read it back, and measure it.

        Args:
            name, precision: as the table shows them.
            plan: None for float, and where the target builds from source.
            findings: what is known of it before it is built.
            model: what to build, where that is a rewritten form of the prepared model.
            restore: computes the prepared model's outputs from those of `model`; None when they are the same.
            draft: spare the compiler where the target can do without: good for figures, not for shipping.

        Raises:
            UserError: the target cannot do what the plan asks for.
            ToolchainError: the toolchain failed.
        """
        backend = self._backend(precision)
        artifact = self._build(name, precision, plan, model, draft=draft)
        stage = f"{precision} artifact"
        most = artifact.read_back.get("most_images")
        images = self.images if most is None else self.images.spread(most)
        all_of_them = len(images.paths) == len(self.images.paths)
        measured = measure_stage(
            self.run,
            name,
            {
                **self.key,
                "artifact": artifact.digest,
                "toolchain": dict(backend.toolchain()),
                "host": dict(backend.host()),
                "labels": self.labels,
                **({} if restore is None else {"restore": restore.digest}),
                **({} if most is None else {"ran_on": artifact.read_back["ran_on"]}),
            },
            self.task,
            images,
            lambda: self._sessions(artifact, stage, restore, with_prepared=precision == "float"),
            self.progress,
            self._reference if all_of_them else None,
        )
        if all_of_them:
            self._reference = self._reference or measured
        reviewed = (*findings, *backend.review(artifact, plan), *measured.findings)
        return Built(name, precision, plan, artifact, measured, stage, reviewed, restore)

    def build(self, name: str, precision: str) -> Artifact:
        """Build from source without measuring, for a target whose artifacts do not run here.

        Raises:
            UserError, ToolchainError: as `Backend.build`.
        """
        return self._build(name, precision, None, None, draft=False)

    def ran_on(self, built: Built) -> str:
        """Where a variant's figures come from, and on how many images they rest where these are not all."""
        if built.artifact.read_back.get("most_images") is not None:
            told = str(built.artifact.read_back["ran_on"])
            fewer = built.measured.images < len(self.images.paths)
            return f"{told}, {built.measured.images} of {len(self.images.paths)} images" if fewer else told
        backend = self._backend(built.precision)
        able = backend.capabilities()
        if able.ran_on:
            return able.ran_on
        versions = " ".join(f"{name} {version}" for name, version in backend.toolchain().items())
        return f"emulated by {versions}" if able.emulated else f"{versions} {able.target.rpartition('/')[2]}"

    def open(self, built: Built) -> ArtifactSession:
        """A session on a built variant, with what the host does behind it."""
        return self._open(built.artifact, built.restore)

    def _backend(self, precision: str) -> Backend:
        return self._plain if precision == "float" else self.backend

    def _build(
        self, name: str, precision: str, plan: PrecisionPlan | None, model: Model | None, *, draft: bool
    ) -> Artifact:
        backend = self._backend(precision)
        drafting = backend if draft and isinstance(backend, Drafting) else None
        key = {
            **self.key,
            "target": self.backend.capabilities().target,
            "plan": plan.digest if plan else precision,
            "prepared": str(self.prepared.parent.name),
            "toolchain": dict(backend.toolchain()),
            "host": dict(backend.host()),
            **({} if model is None else {"model": model.digest}),
            **({} if self.calibration is None else {"calibration": self.calibration.key}),
            **({} if drafting is None else {"draft": True}),
        }

        def compute(folder: Path) -> dict[str, Any]:
            with self.progress.step(f"build {name}"):
                built = load_model(self.prepared) if model is None else model
                inputs = None if self.calibration is None else functools.partial(_inputs, self.calibration, self.task)
                log = self.run.log_of(f"build {name}")
                with blamed(backend, built, plan, self.task.head.family, self.progress, log):
                    if drafting is not None and plan is not None:
                        return drafting.draft(built, plan, folder, inputs).to_json()
                    if isinstance(backend, FromSource) and self.sourced.origin is not None:
                        return backend.build_from(self.sourced.origin, built, precision, folder).to_json()
                    return backend.build(built, plan, folder, inputs).to_json()

        result = self.run.stage(f"build {name}", key, compute)
        return Artifact.from_json(result.data, result.folder)

    def _sessions(
        self, artifact: Artifact, stage: str, restore: Model | None, *, with_prepared: bool
    ) -> dict[str, Session]:
        if self._answers is None:
            self._answers = RememberedSession(_plain(load_model(self.sourced.path)))
        sessions: dict[str, Session] = {REFERENCE: self._answers}
        if with_prepared:
            sessions["prepared"] = _plain(load_model(self.prepared))
        sessions[stage] = self._open(artifact, restore)
        return sessions

    def _open(self, artifact: Artifact, restore: Model | None) -> ArtifactSession:
        backend = self._plain if artifact.target == self._plain.capabilities().target else self.backend
        return ArtifactSession(backend.open(artifact), artifact, self.task.contract, restore)


def _inputs(images: ImageFiles, task: Task, most: int) -> Iterator[Feeds]:
    return network_inputs(images.spread(most), task)


def _plain(model: Model) -> Session:
    """A model as it is, in the embedded runtime: the reference, whatever the target."""
    return ReferenceSession(model.data, name=model.name)
