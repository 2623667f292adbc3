"""The command `edgewright`."""

from __future__ import annotations

import typer

from edgewright._version import __version__
from edgewright.cli import compare, deploy, explain, inspect, run, targets

app = typer.Typer(
    name="edgewright",
    help="Take a trained vision model to an edge chip and prove that the chip computes what was trained.",
    epilog="Exit status: 0 passed, 1 did not pass, 2 something you gave cannot be used, 3 a toolchain failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, module in (
    ("deploy", deploy),
    ("compare", compare),
    ("run", run),
    ("inspect", inspect),
    ("targets", targets),
    ("explain", explain),
):
    app.command(name, help=module.HELP)(module.command)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"edgewright {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """See `app`."""


def run_app() -> None:
    """Entry point of the command."""
    app()
