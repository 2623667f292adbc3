"""Results of verification, as values that can be stored, shown and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgewright.findings import Finding
from edgewright.tasks.metric import Metric

__all__ = [
    "Latency",
    "Metric",
    "PartError",
    "RunReport",
    "StageTime",
    "Variant",
    "Verdict",
    "VerdictWord",
]

VerdictWord = Literal["reference", "passed", "failed", "not run"]


@dataclass(frozen=True)
class PartError:
    """Error of one part against the reference, over all images.

    Attributes:
        part: name of the part.
        cosine: cosine similarity of all values, -1..1; 1 when both are zero everywhere.
        relative_l2: |x - ref| / |ref|; 0 is equal. Infinite values are stored as None.
        sqnr_db: 10 log10(sum ref^2 / sum (x - ref)^2), decibels; None when there is no error.
        max_error: largest |x - ref|.
        channels: relative L2 of each channel, in order; empty when the part has no channels.
    """

    part: str
    cosine: float
    relative_l2: float | None
    sqnr_db: float | None
    max_error: float | None
    channels: tuple[float | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {**self.__dict__, "channels": list(self.channels)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PartError:
        """Inverse of `to_json`."""
        return cls(**{**data, "channels": tuple(data["channels"])})


@dataclass(frozen=True)
class Latency:
    """Time of one run with batch 1.

    Attributes:
        median_ms, p90_ms: milliseconds.
        source: "measured", "simulated" or "estimated".
        runs: number of runs behind the figures.
        note: what a reader must know ("interleaved with float", "static cycle model").
    """

    median_ms: float
    p90_ms: float
    source: str
    runs: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Latency:
        """Inverse of `to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class Variant:
    """One way of building the model, verified: a row of the table.

    Attributes:
        name: "float", "int8", "int8, decode tail in float".
        ran_on: where the figures come from ("onnxruntime 1.31.1 cpu").
        precision: "float" or "int8".
        metric: task metric; None when there is none.
        drop: reference minus value, in points; None for the reference.
        parts: error by part against the source model.
        latency: None when nothing could be measured.
        verdict: "reference", "passed", "failed", or "not run" where nothing was measured.
        reasons: why it failed, one line each.
        ops: number of ops at each precision, as read back.
        artifact_digest: SHA-256 of what was built.
        calibration: the vendor's own calibration whose ranges it has ("TPU-MLIR kl"); empty: the ranges are ours.
    """

    name: str
    ran_on: str
    precision: str
    metric: Metric | None
    drop: float | None
    parts: tuple[PartError, ...]
    latency: Latency | None
    verdict: VerdictWord
    reasons: tuple[str, ...] = ()
    ops: Mapping[str, int] = field(default_factory=dict)
    artifact_digest: str = ""
    calibration: str = ""

    def to_json(self) -> dict[str, Any]:
        """The row as JSON data."""
        return {
            "name": self.name,
            "ran_on": self.ran_on,
            "precision": self.precision,
            "metric": self.metric.to_json() if self.metric else None,
            "drop": self.drop,
            "parts": [part.to_json() for part in self.parts],
            "latency": self.latency.to_json() if self.latency else None,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "ops": dict(self.ops),
            "artifact_digest": self.artifact_digest,
            "calibration": self.calibration,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Variant:
        """Inverse of `to_json`."""
        return cls(
            **{
                **data,
                "metric": Metric.from_json(data["metric"]) if data["metric"] else None,
                "parts": tuple(PartError.from_json(part) for part in data["parts"]),
                "latency": Latency.from_json(data["latency"]) if data["latency"] else None,
                "reasons": tuple(data["reasons"]),
            }
        )


@dataclass(frozen=True)
class StageTime:
    """What a step cost.

    Attributes:
        wall_s: seconds of wall time.
        cpu_s: seconds of this process's CPU meanwhile, that of what went on beside the step included.
        reused: its result came from the run directory.
        tools_s: seconds of `wall_s` in vendors' processes.
    """

    name: str
    wall_s: float
    cpu_s: float
    reused: bool = False
    tools_s: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The answer to: does the chip compute what was trained?

    Attributes:
        word: "passed", "failed", or "not run": it was built for a target that does not run here.
        target: `vendor/chip`.
        variant: name of the variant that ships; empty when none passed.
        summary: one sentence.
    """

    word: Literal["passed", "failed", "not run"]
    target: str
    variant: str
    summary: str

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON data."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Inverse of `to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class RunReport:
    """Everything that a deploy found, ready for the table, the page, the bundle and `--json`.

    Attributes:
        model: name, digest, opset, inputs and outputs of the source model.
        head: recognised head (`Head.to_json`).
        contract: the preprocessing contract.
        data: what the figures rest on (image counts, labels, calibration set).
        stages: error by part of each stage against the source model, in order of the way: name to part errors.
        regions: number of ops by region (stem, backbone, neck, head, tail).
        profile: cost of each step.
        settings: the recipe that reproduces the run.
        provenance: versions of tool, libraries and host; command; time.
        repairs: searches for a repair (`SearchResult.to_json`), one for each precision that fell short.
    """

    verdict: Verdict
    variants: tuple[Variant, ...]
    findings: tuple[Finding, ...]
    model: Mapping[str, Any]
    head: Mapping[str, Any]
    contract: Mapping[str, Any]
    data: Mapping[str, Any]
    stages: Mapping[str, tuple[PartError, ...]]
    regions: Mapping[str, int]
    profile: tuple[StageTime, ...]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    repairs: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "verdict": self.verdict.to_json(),
            "variants": [variant.to_json() for variant in self.variants],
            "findings": [finding.to_json() for finding in self.findings],
            "model": dict(self.model),
            "head": dict(self.head),
            "contract": dict(self.contract),
            "data": dict(self.data),
            "stages": {name: [error.to_json() for error in errors] for name, errors in self.stages.items()},
            "regions": dict(self.regions),
            "profile": [dict(step.__dict__) for step in self.profile],
            "settings": dict(self.settings),
            "provenance": dict(self.provenance),
            "repairs": [dict(search) for search in self.repairs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunReport:
        """Inverse of `to_json`."""
        return cls(
            verdict=Verdict.from_json(data["verdict"]),
            variants=tuple(Variant.from_json(variant) for variant in data["variants"]),
            findings=tuple(Finding.from_json(finding) for finding in data["findings"]),
            model=data["model"],
            head=data["head"],
            contract=data["contract"],
            data=data["data"],
            stages={
                name: tuple(PartError.from_json(error) for error in errors) for name, errors in data["stages"].items()
            },
            regions=data["regions"],
            profile=tuple(StageTime(**step) for step in data["profile"]),
            settings=data["settings"],
            provenance=data["provenance"],
            repairs=tuple(data["repairs"]),
        )
