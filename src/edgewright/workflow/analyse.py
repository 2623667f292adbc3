"""Analyse: what every tensor of a quantised network loses, what that does to the outputs, and why. Changes nothing.

prepare ──> calibrate ──> plan ──> build and measure ──> error of each tensor ──> effect on each part ──> causes
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import ChipComparison
from edgewright.files import write_json_atomic, write_text_atomic
from edgewright.findings import Finding
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision
from edgewright.report.layer_page import render_layers
from edgewright.sources import source_name
from edgewright.targets.registry import get_backend
from edgewright.workflow.against import alike_for, check_other, compare_chips
from edgewright.workflow.analyser import Analyser, ExtractedPiece
from edgewright.workflow.conclude import RECIPE
from edgewright.workflow.given import check_model_file, check_plans, check_precisions
from edgewright.workflow.inputs import find_data
from edgewright.workflow.progress import Progress, Quiet
from edgewright.workflow.recipe import AUTO, Recipe
from edgewright.workflow.run_dir import RunDir

PAGE, DATA = "analysis.html", "analysis.json"


@dataclass(frozen=True)
class Analysed:
    """What an analysis left.

    Attributes:
        analysis: everything that was found.
        run_dir: where all results lie.
        page: the HTML page.
        data: the analysis as JSON.
        extracted: the piece that was asked for.
        against: the comparison with another chip that was asked for.
        seconds: wall time.
    """

    analysis: Analysis
    run_dir: Path
    page: Path
    data: Path
    extracted: ExtractedPiece | None
    against: ChipComparison | None
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the data, then causes, worst first, then what else was noticed."""
        return self.analysis.findings


def check_against(recipe: Recipe, against: str) -> None:
    """Refuse another chip that cannot be compared with the recipe's: before its toolchain is installed, too.

    Raises:
        UserError: see `workflow.against.check_other`.
    """
    check_other(recipe.target, against, _precision(recipe))


def run_analyse(
    recipe: Recipe,
    out: Path | None = None,
    progress: Progress | None = None,
    *,
    channels: Sequence[str] = (),
    extract: str | None = None,
    against: str | None = None,
) -> Analysed:
    """Analyse what the recipe's model loses in the first precision of the recipe that is not float.

    Args:
        recipe: model, data, target, observer.
        out: run directory; None: `runs/MODEL-CHIP` below the current folder, where a deploy puts its results too.
        progress: what to report progress to.
        channels: tensors or ops, as the user's file names them, whose channels are told apart.
        extract: tensor or op whose smallest failing piece is written into the run directory.
        against: another target whose build of the same model is compared with this one, tensor by tensor.

    Raises:
        UserError: something that was given cannot be used, or nothing of the model has an integer form.
        ToolchainError: a compiler or runtime failed.
    """
    started = time.perf_counter()
    precision = _precision(recipe)
    source = Path(recipe.model.path)
    check_model_file(source)
    backend = get_backend(recipe.target)
    check_plans(recipe.target, backend)
    check_precisions(recipe.target, [precision], backend)
    if recipe.quantise.observer != AUTO:
        parse_observer(recipe.quantise.observer)  # an unknown one must be told now, not after the calibration
    if against is not None:
        check_against(recipe, against)
        recipe = alike_for(recipe, against)
    data = find_data(recipe.data, quantised=True)
    path = out or Path("runs") / f"{source_name(source)}-{recipe.target.rpartition('/')[2]}"
    with RunDir.open(path) as run:
        told = progress or Quiet()
        analysis, extracted, traced = Analyser(recipe, run, backend, data, precision, told).work(channels, extract)
        compared = None
        if against is not None:
            other = recipe.model_copy(update={"target": against})
            compared = compare_chips(traced, Analyser(other, run, get_backend(against), data, precision, told))
        if not (path / RECIPE).is_file():  # that of a deploy says more: it is kept
            write_text_atomic(path / RECIPE, recipe.to_toml(path))
        write_json_atomic(path / DATA, {**analysis.to_json(), "against": compared.to_json() if compared else None})
        write_text_atomic(path / PAGE, render_layers(analysis, tuple(run.times), compared))
    return Analysed(analysis, path, path / PAGE, path / DATA, extracted, compared, time.perf_counter() - started)


def _precision(recipe: Recipe) -> Precision:
    """The first precision of the recipe that is not float; 8 bits where it names none."""
    for choice in recipe.precision:
        if choice != "float":
            return choice
    return "int8"
