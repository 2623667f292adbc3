"""What opt made of a model, as findings."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.targets.artifact import Artifact


def review(artifact: Artifact) -> list[Finding]:
    """Where the kernels lie, what was reworded, and weights that are taken for what they are not."""
    return [*_places(artifact), *_reworded(artifact), *_stored(artifact)]


def _places(artifact: Artifact) -> list[Finding]:
    told = artifact.read_back
    places = ", ".join(f"{count} for {name}" for name, count in told["places"].items())
    stored = sum(told["stored"].values())
    weights = f" Weights of {stored} ops are stored in {artifact.precision} and become floats again." if stored else ""
    size = f"{told['bytes'] / 1e6:.2f} MB"
    return [
        Finding(
            "EW720",
            Severity.INFO,
            artifact.target,
            f"Kernels of the {artifact.precision} file ({size}), read from it: {places}.{weights}",
            {name: told[name] for name in ("places", "stored", "opt", "bytes", "command")},
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
    if artifact.precision == "float" or any(artifact.read_back["stored"].values()):
        return []
    return [
        Finding(
            "EW722",
            Severity.WARNING,
            artifact.target,
            f"opt stored no weights in {artifact.precision}, so this file is the float model.",
            {},
            "Choose --precision float.",
        )
    ]
