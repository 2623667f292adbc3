"""Stage: latency of all variants on this host, interleaved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgewright.data.contract import preprocess
from edgewright.data.images import read_image
from edgewright.findings import Finding
from edgewright.graph.reference import available_cores
from edgewright.targets.backend import Session
from edgewright.verify.latency import measure_latency, slower_finding
from edgewright.verify.results import Latency
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.variants import Built, Workshop


def latency_stage(
    run: RunDir, key: Mapping[str, Any], workshop: Workshop, built: Sequence[Built]
) -> tuple[dict[str, Latency], list[Finding]]:
    """Latency by variant name, and a finding for each quantised variant that is not faster than float.

    Nothing is measured where the target's figures come from elsewhere. Variants whose weights only are stored in
    integers compute in float: nobody expects them to be faster.
    """
    able = workshop.backend.capabilities()
    if able.latency == "measured":
        latencies = time_variants(run, key, workshop, built)
    else:
        told = {one.name: toolchain_latency(one, able.latency) for one in built}
        latencies = {name: latency for name, latency in told.items() if latency is not None}
    in_float = latencies.get(built[0].name)
    if in_float is None:
        return latencies, []
    faster = [one.name for one in built if not one.is_float and one.precision not in able.weight_only]
    slow = [slower_finding(in_float, name, latencies[name]) for name in faster if name in latencies]
    return latencies, [finding for finding in slow if finding is not None]


def toolchain_latency(built: Built, source: str) -> Latency | None:
    """The figure that the toolchain gives for what it built; None where it gives none, as for a draft.

    Args:
        source: "simulated" or "estimated": what such figures of the target are.
    """
    found = built.artifact.read_back.get("latency_ms")
    if found is None:
        return None
    return Latency(float(found["value"]), float(found["value"]), source, 0, str(found["source"]))


def time_variants(
    run: RunDir, key: Mapping[str, Any], workshop: Workshop, built: Sequence[Built]
) -> dict[str, Latency]:
    """Latency by variant name, measured side by side on this host."""
    stage_key = {
        **key,
        "artifacts": [[one.name, one.artifact.digest, one.restore.digest if one.restore else ""] for one in built],
        "host": dict(workshop.backend.host()),
        "toolchain": dict(workshop.backend.toolchain()),
        "threads": available_cores(),
    }

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        contract = workshop.task.contract
        feeds = {contract.input: preprocess(read_image(workshop.images.paths[0]), contract)[0]}
        with ExitStack() as stack, workshop.progress.step("time"):
            sessions: dict[str, Session] = {one.name: stack.enter_context(workshop.open(one)) for one in built}
            found = measure_latency(sessions, feeds, threads=available_cores())
        return {name: latency.to_json() for name, latency in found.items()}

    data = run.stage("latency", stage_key, compute).data
    return {name: Latency.from_json(latency) for name, latency in data.items()}
