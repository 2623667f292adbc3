"""Known issues of the toolchain behind a target, as findings before anything is built."""

from __future__ import annotations

from collections.abc import Collection

from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.targets.backend import Backend
from edgewright.targets.registry import toolchain_version
from edgewright.toolchains.known_issues import KnownIssue
from edgewright.toolchains.vendors import known


def issue_notes(backend: Backend, model: Model, family: str, precisions: Collection[str]) -> list[Finding]:
    """EW701 for each known issue that concerns a build.

    Args:
        model: the prepared model.
        family: of its head.
        precisions: that it will be built in.
    """
    target = backend.capabilities().target
    version = " ".join(f"{name} {version}" for name, version in backend.toolchain().items())
    return [
        Finding(
            "EW701",
            Severity.WARNING,
            target,
            f"Known of {version} ({issue.code}): {issue.what}. How it shows: {issue.shows}.",
            {"issue": issue.code, "source": issue.source},
            f"{issue.cure[:1].upper()}{issue.cure[1:]}.",
        )
        for issue in issues_of(backend, model, family, precisions)
    ]


def issues_of(backend: Backend, model: Model, family: str, precisions: Collection[str]) -> tuple[KnownIssue, ...]:
    """Known issues that concern a build, without those that Edgewright works around; see `issue_notes`."""
    version = toolchain_version(backend)
    if version is None:
        return ()
    vendor, _, chip = backend.capabilities().target.partition("/")
    ops = {node.op_type for node in model.ir.graph}
    found = [
        issue
        for precision in precisions
        for issue in known(vendor, version, chip, ops, family, precision)
        if not issue.handled
    ]
    return tuple(dict.fromkeys(found))
