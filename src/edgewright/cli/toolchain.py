"""`edgewright toolchain`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

if TYPE_CHECKING:
    from edgewright.diagnose.controls import ControlResult
    from edgewright.workflow.doctor import Health, MachineHealth, TargetHealth

HELP = "Install, remove and examine the vendors' compilers and simulators."
app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="VENDOR[==VERSION]", help="As `edgewright toolchain list` names it.")]
_KEPT = "what did not come out right is kept in"


@app.command("list", help="List the toolchains that can be installed, and those that are.")
@verb
def list_command(as_json: o.AsJson = False) -> int:
    """See the command's help."""
    from edgewright.cli.console import out, out_json
    from edgewright.workflow.toolchains import list_toolchains

    rows = list_toolchains()
    if as_json:
        out_json(rows)
        return 0
    form = "{:<22}{:<16}{:<18}{:>8}  {}"
    out(form.format("toolchain", "state", "Python", "MB", "what it is"))
    for row in rows:
        title = row["title"] + (", the default version" if row["default"] else "")
        name = f"{row['vendor']}=={row['version']}"
        out(form.format(name, row["state"], row["python"], row["disk_mb"], title))
    return 0


@app.command(
    "install",
    help="Install a toolchain into an environment of its own. What is there and up to date is left alone.\n\n"
    "Example: edgewright toolchain install rockchip",
)
@verb
def install_command(
    name: Name,
    python: Annotated[
        Optional[Path],  # noqa: UP045 - typer evaluates annotations on 3.10 as well
        typer.Option("--python", metavar="PATH", help="The Python to use. [default: one is found, or fetched by uv]"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Make it anew even if it is there.")] = False,
    as_json: o.AsJson = False,
) -> int:
    """See the command's help."""
    from edgewright.cli.console import err, out, out_json
    from edgewright.workflow.toolchains import install_toolchain

    started = time.monotonic()
    made = install_toolchain(name, python, lambda line: err(f"  {line}"), again=again)
    if as_json:
        out_json({**made.to_json(), "folder": str(made.folder), "digest": made.digest})
    else:
        took = f"{time.monotonic() - started:.0f} s"
        out(f"INSTALLED  {made.vendor}=={made.version}  in {took}  {made.disk_mb} MB  {made.folder}")
    return 0


@app.command("remove", help="Remove a toolchain's environment.")
@verb
def remove_command(name: Name, as_json: o.AsJson = False) -> int:
    """See the command's help."""
    from edgewright.cli.console import out, out_json
    from edgewright.workflow.toolchains import remove_toolchain

    removed, disk_mb = remove_toolchain(name)
    if as_json:
        out_json({"removed": removed, "disk_mb": disk_mb})
    else:
        out(f"REMOVED  {removed}  {disk_mb} MB")
    return 0


@app.command(
    "doctor",
    help="Say whether the toolchains are in order; with TARGET, take small control models through it.\n\n"
    "The control models tell a broken toolchain from a broken model: each is built in float and int8, and its outputs "
    "are compared with those of ONNX Runtime.\n\n"
    "Example: edgewright toolchain doctor sophgo/bm1684==1.6",
)
@verb
def doctor_command(
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[TARGET]", help="VENDOR/CHIP[==VERSION]; see `edgewright targets`.", show_default=False
        ),
    ] = None,
    control: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--control", metavar="NAME", help="Only this control model; may be repeated. [default: all]"),
    ] = None,
    keep: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Where to build; what came out wrong stays. [default: in the cache]"),
    ] = None,
    as_json: o.AsJson = False,
) -> int:
    """See the command's help."""
    from edgewright.cli.console import out, out_json, progress
    from edgewright.workflow.doctor import examine_machine, examine_target
    from edgewright.workflow.scratch import working_folder

    started = time.monotonic()
    if target is None:
        with tempfile.TemporaryDirectory(prefix="edgewright-doctor-") as folder:
            machine = examine_machine(Path(folder), progress(quiet=as_json))
        found: MachineHealth | TargetHealth = machine
        lines = _machine_lines(machine)
    else:
        with working_folder(keep, f"doctor-{target}") as place:
            health = examine_target(target, place, controls=tuple(control or ()), progress=progress(quiet=as_json))
            left = place if any(place.iterdir()) else None
        found = health
        lines = _target_lines(health, left)
    if as_json:
        out_json(found.to_json())
    else:
        took = f"{time.monotonic() - started:.0f} s"
        out("\n".join([*lines, f"{_verdict(found)}  {target or 'toolchains'}  in {took}"]))
    return 0 if found.in_order else 1


def _verdict(found: MachineHealth | TargetHealth) -> str:
    """What was not run is not known to be in order."""
    if found.not_run:
        return "NOT RUN"
    return "IN ORDER" if found.in_order else "NOT IN ORDER"


def _machine_lines(machine: MachineHealth) -> list[str]:
    form = "{:<22}{:<16}{:<22}{:>8}  {}"
    lines = [
        f"cache {machine.cache}, {machine.free_mb} MB free; glibc {machine.glibc or 'none'}",
        form.format("toolchain", "state", "Python", "MB", "tried out"),
    ]
    for entry in machine.toolchains:
        name = f"{entry.vendor}=={entry.version}"
        lines.append(form.format(name, entry.state, entry.python or "none", entry.disk_mb, _tried(entry)).rstrip())
        lines += [f"    {line}" for line in entry.why.splitlines()]
    return lines


def _tried(entry: Health) -> str:
    return "-" if entry.seconds is None else f"{entry.seconds:.1f} s"


def _target_lines(health: TargetHealth, left: Path | None) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in health.toolchain.items())
    form = "{:<20}{:<11}{:<18}{}"
    lines = [
        f"{health.target} with {versions}",
        form.format("control model", "precision", "state", "relative L2 by part"),
    ]
    notes: list[str] = []
    for result in health.results:
        lines.append(form.format(result.control, result.precision, result.state, _errors(result)).rstrip())
        notes += _notes(result, health)
    if left is not None:
        notes.append(f"{_KEPT} {left}")
    return lines + notes


def _errors(result: ControlResult) -> str:
    def figure(part: str, error: float | None) -> str:
        told = "not finite" if error is None else f"{error:.2g}"
        return (
            told
            if error is not None and error <= result.allowed[part]
            else f"{told} (allowed {result.allowed[part]:.2g})"
        )

    return ", ".join(f"{part} {figure(part, error)}" for part, error in result.errors.items())


def _notes(result: ControlResult, health: TargetHealth) -> list[str]:
    label = f"{result.control}, {result.precision}"
    notes: list[str] = []
    for name, text in (("why", result.cause), ("do", result.remedy), ("log", result.log)):
        notes += [f"{label}: {name}: {text}"] if text else []
    for issue in health.issues.get((result.control, result.precision), ()):
        notes.append(f"{label}: known: {issue.what} {issue.cure} ({issue.source})")
    return notes
