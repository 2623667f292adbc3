"""`edgewright targets`."""

from __future__ import annotations

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = """List the targets: chips, each reached through one toolchain."""


@verb
def command(as_json: o.AsJson = False) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json
    from edgewright.targets.registry import get_backend, target_names

    found = [get_backend(name) for name in target_names()]
    rows = [(backend.capabilities(), backend.toolchain()) for backend in found]
    if as_json:
        out_json(
            [
                {
                    "target": able.target,
                    "title": able.title,
                    "precisions": list(able.precisions),
                    "latency": able.latency,
                    "runs_here": able.runs_here,
                    "toolchain": dict(tools),
                }
                for able, tools in rows
            ]
        )
        return 0
    out(f"{'target':<22}{'precisions':<22}{'latency':<12}{'toolchain':<24}what it is")
    for able, tools in rows:
        versions = ", ".join(f"{name} {version}" for name, version in tools.items())
        out(f"{able.target:<22}{', '.join(able.precisions):<22}{able.latency:<12}{versions:<24}{able.title}")
    return 0
