"""The command `edgewright`."""

from __future__ import annotations

import sys
from typing import Any

import typer
import typer.core

from edgewright._version import __version__
from edgewright.cli import analyse, bench, compare, deploy, explain, inspect, plan_io, repair, run, targets, toolchain
from edgewright.cli.ended import ended_cleanly
from edgewright.cli.verb import tell_usage_error


class _Verbs(typer.core.TyperGroup):
    """Commands whose usage errors, too, are one JSON object on standard output where `--json` was given."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Typer's UsageError, known by what it has: its class moved from Click into Typer
            if "--json" in sys.argv and hasattr(error, "format_message"):
                tell_usage_error(error.format_message(), ctx.invoked_subcommand or "")
            raise


app = typer.Typer(
    cls=_Verbs,
    name="edgewright",
    help="Take a trained vision model to an edge chip and prove that the chip computes what was trained.",
    epilog="Exit status: 0 passed, 1 did not pass, 2 something you gave cannot be used, 3 a toolchain failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # markup would swallow every [default: ...]
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, module in (
    ("deploy", deploy),
    ("analyse", analyse),
    ("repair", repair),
    ("compare", compare),
    ("run", run),
    ("bench", bench),
    ("inspect", inspect),
    ("plan-io", plan_io),
    ("targets", targets),
    ("explain", explain),
):
    app.command(name, help=module.HELP, short_help=module.HELP.partition("\n")[0])(module.command)
app.add_typer(toolchain.app, name="toolchain")


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
    with ended_cleanly():
        app(prog_name="edgewright")
