"""What opt made of a model, as findings."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.targets.artifact import Artifact


def review(artifact: Artifact) -> list[Finding]:
    """Where the kernels lie, what was reworded, and weights that are taken for what they are not."""
    return [*_places(artifact), *_reworded(artifact), *_stored(artifact)]


def _places(artifact: Artifact) -> list[Finding]:
    places = artifact.read_back["places"]
    told = ", ".join(f"{count} for {name}" for name, count in places.items())
    return [
        Finding(
            "EW720",
            Severity.INFO,
            artifact.target,
            f"Kernels of the built file, read from it: {told}.",
            {"places": dict(places), "opt": artifact.read_back["opt"]},
        )
    ]


def _reworded(artifact: Artifact) -> list[Finding]:
    changed = artifact.read_back["reworded"]
    if not changed:
        return []
    told = ", ".join(f"{what} ({count} op{'s' if count != 1 else ''})" for what, count in changed.items())
    return [
        Finding(
            "EW721",
            Severity.INFO,
            artifact.target,
            f"The program was put into the words of Paddle Lite, which compute the same: {told}.",
            {"changed": dict(changed)},
        )
    ]


def _stored(artifact: Artifact) -> list[Finding]:
    if artifact.precision == "float":
        return []
    if artifact.read_back["stored"]:
        return []
    return [
        Finding(
            "EW722",
            Severity.ERROR,
            artifact.target,
            f"opt stored no weights in {artifact.precision}, so this file is the float model.",
            {},
            "Choose --precision float.",
        )
    ]
