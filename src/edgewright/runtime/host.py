"""Whether a bundle belongs on this host."""

from __future__ import annotations

from edgewright.bundle.manifest import Manifest
from edgewright.errors import TargetMismatch, UserError
from edgewright.targets.backend import Backend

_SAME = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


def backend_for(manifest: Manifest, where: str) -> Backend:
    """The backend of a bundle's target, with the version of the toolchain that built it.

    Raises:
        TargetMismatch: this Edgewright knows no such target, or no such version.
    """
    from edgewright.targets.registry import backend_that_built

    try:
        return backend_that_built(manifest.target, manifest.artifact.toolchain)
    except UserError as error:
        raise TargetMismatch(
            f"this bundle is for {manifest.target}, which this Edgewright cannot run",
            where=where,
            why=error.what,
            todo=f"run it on a host with {manifest.target}; this bundle was packed by Edgewright {manifest.tool}",
        ) from error


def check_host(manifest: Manifest, backend: Backend, where: str) -> None:
    """Refuse a bundle whose artifact does not run on this host, or was proven on another kind of processor.

    Raises:
        TargetMismatch: it does not belong here.
    """
    facts = backend.capabilities()
    if facts.target != manifest.target:
        raise TargetMismatch(f"this bundle is for {manifest.target}, not for {facts.target}", where=where)
    if not facts.runs_here:
        raise TargetMismatch(
            f"artifacts for {manifest.target} do not run on this host",
            where=where,
            why=facts.reason,
            todo=f"copy the bundle to the device ({facts.title}) and run it there",
        )
    then, now = manifest.host.get("architecture", ""), backend.host().get("architecture", "")
    if then and now and _architecture(then) != _architecture(now):
        raise TargetMismatch(
            f"this bundle was proven on {then}, this host is {now}",
            where=where,
            why="other processors use other kernels: neither its accuracy nor its speed is known here",
            todo="deploy the model on this host",
        )


def _architecture(name: str) -> str:
    return _SAME.get(name.lower(), name.lower())
