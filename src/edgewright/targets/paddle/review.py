"""What is said of an artifact that Paddle Inference does not run by default."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.targets.artifact import Artifact
from edgewright.targets.paddle.process import NAME

FAILS_BY_DEFAULT, OTHER_VERSION = "EW710", "EW711"


def review(artifact: Artifact) -> list[Finding]:
    """EW710 where the default configuration fails and another one is used; EW711 where that is another version."""
    told = artifact.read_back
    cause = told.get("cause")
    if not cause:
        return []
    tried = [*told["remedies"]]
    asked, used = told["asked"], told["setup"]["version"]
    taken = next(one for one in tried if one["state"] == "works")
    lines = "; ".join(f"{one['what']}: {one['state']}" for one in tried)
    evidence = {"cause": cause["code"], "line": cause["line"], "remedies": tried, "setup": told["setup"]}
    found = [
        Finding(
            FAILS_BY_DEFAULT,
            Severity.WARNING,
            artifact.target,
            f"{NAME} {asked} fails on this model as it is configured by default: {cause['what']} Tried: {lines}. The "
            f"artifact is run with the first that works.",
            evidence,
            f"Whoever runs the model must do the same: {taken['what']}.",
        )
    ]
    if used != asked:
        found.append(
            Finding(
                OTHER_VERSION,
                Severity.WARNING,
                artifact.target,
                f"No configuration of {NAME} {asked} that was tried runs this model: the figures are those of {NAME} "
                f"{used}.",
                {"asked": asked, "used": used},
                f"Install {NAME} {used} where the model will run, or export it again with {asked}.",
            )
        )
    return found
