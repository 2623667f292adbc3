"""`edgewright repair`."""

from __future__ import annotations

from typing import Any

from edgewright.cli import options as o
from edgewright.cli.deploy import show
from edgewright.cli.given import model_or_run
from edgewright.cli.verb import command_line, verb

HELP = """Find the cheapest change of graph, calibration or precision that brings the task metric back.

Takes a model, or the directory of a deploy that fell short. What to do is chosen on calibration images against the
float model; whether it suffices is measured on the evaluation images. An interrupted search goes on where it stopped.

Example: edgewright repair runs/model-cpu --max-drop 0.5 --budget "int16-macs<=10%"
"""


@verb
def command(
    model: o.ModelOrRun,
    images: o.MaybeImages = None,
    labels: o.MaybeLabels = None,
    calibration: o.Calibration = None,
    target: o.Target = None,
    task: o.MaybeTask = None,
    max_drop: o.MaxDrop = None,
    allow: o.Allow = None,
    budget: o.Budget = None,
    keep_outputs: o.KeepOutputs = False,
    time_limit: o.TimeLimit = None,
    seed: o.Seed = None,
    paddle: o.Paddle = None,
    out: o.RunOut = None,
    yes: o.Yes = False,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import progress
    from edgewright.cli.offer import offer_source, offer_toolchain
    from edgewright.workflow.deploy import run_deploy

    given: dict[str, Any] = {
        "model": {"task": task, "paddle": paddle},
        "data": o.data_section(images, labels, calibration),
        "target": target,
        "verify": {"max_drop": max_drop, "repair": True},
        "repair": o.repair_section(allow, budget, keep_outputs, time_limit, seed),
    }
    recipe, place = model_or_run(model, given, out)
    offer_source(recipe, yes=yes)
    offer_toolchain(recipe.target, yes=yes)
    run = run_deploy(recipe, place, progress(quiet=as_json), command_line())
    show(run, as_json=as_json)
    return 0 if run.verdict == "passed" else 1
