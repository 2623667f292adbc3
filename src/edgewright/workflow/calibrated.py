"""Stage: what calibration sees, and the plans made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgewright.checks import CheckContext, ImageSet, run_checks
from edgewright.data.contract import Contract, preprocess
from edgewright.data.images import read_image
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.regions import head_outputs
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout, observable
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import TensorStatistics, load_statistics, save_statistics
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.prepared import PreparedModel
from edgewright.workflow.progress import Progress
from edgewright.workflow.recipe import QuantiseSection, Recipe
from edgewright.workflow.run_dir import RunDir

_FILE = "statistics.npz"
_SAMPLES = 4


@dataclass(frozen=True)
class Calibrated:
    """Statistics of every tensor that may get a grid, and what was noticed about the images."""

    model: Model
    profile: FusionProfile
    statistics: Mapping[str, TensorStatistics]
    images: ImageFiles
    constant: tuple[str, ...]
    contract: Contract
    section: QuantiseSection

    def options(self) -> QuantOptions:
        """How grids are chosen."""
        section = self.section
        return QuantOptions(
            observer=parse_observer(section.observer),
            symmetric=section.symmetric or self.profile.symmetric_activations,
            activation_dtype=section.activation,
            per_channel=section.per_channel,
            unclipped=frozenset(head_outputs(self.model, self.profile.fused_activations)),
        )

    def plan(self, precision: Precision) -> PrecisionPlan:
        """The plan with every op that the target has at `precision`."""
        chosen = default_precisions(self.model, self.profile, precision)
        return make_plan(self.model, self.profile, self.statistics, chosen, self.options())

    def check(self, plan: PrecisionPlan, evaluation: ImageFiles, names: list[str] | None = None) -> list[Finding]:
        """Findings of the static rules on a plan."""
        samples = [
            {self.contract.input: preprocess(read_image(path), self.contract)[0]}
            for path in self.images.paths[:_SAMPLES]
        ]
        context = CheckContext(
            model=self.model,
            plan=plan,
            leaders=layout(self.model, self.profile, plan.ops).leaders,
            statistics=self.statistics,
            samples=samples,
            calibration=_image_set(self.images, self.constant),
            evaluation=_image_set(evaluation, ()),
        )
        return run_checks(context, names)


def calibrate_stage(
    run: RunDir,
    recipe: Recipe,
    key: Mapping[str, Any],
    prepared: PreparedModel,
    profile: FusionProfile,
    images: ImageFiles,
    progress: Progress,
    observer_name: str,
) -> Calibrated:
    """Run the float model over the calibration images and keep statistics of every tensor that may get a grid.

    Args:
        images: the calibration images; all of them can be read.
        observer_name: how ranges will be taken; statistics without histograms serve only "minmax".
    """
    model = prepared.load()
    observer = parse_observer(observer_name)
    tensors = observable(model, profile)
    stage_key = {
        **key,
        "prepared": prepared.digest,
        "contract": prepared.contract.model_dump(mode="json"),
        "tensors": tensors,
        "images": images.key,
        "histogram": observer.needs_histogram,
    }

    def compute(folder: Path) -> dict[str, Any]:
        constant: list[str] = []
        with progress.step("calibrate", len(images.paths)) as advance:
            statistics = collect_statistics(
                model,
                tensors,
                _feeds(images, prepared.contract, constant),
                histogram=observer.needs_histogram,
                on_image=lambda _: advance(),
            )
        save_statistics(folder / _FILE, statistics)
        return {"constant": constant}

    result = run.stage("calibrate", stage_key, compute)
    return Calibrated(
        model=model,
        profile=profile,
        statistics=load_statistics(result.folder / _FILE),
        images=images,
        constant=tuple(result.data["constant"]),
        contract=prepared.contract,
        section=recipe.quantise.model_copy(update={"observer": observer_name}),
    )


def _feeds(images: ImageFiles, contract: Contract, constant: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
    for path in images.paths:
        image = read_image(path)
        if image.min() == image.max():
            constant.append(path.name)
        yield {contract.input: preprocess(image, contract)[0]}


def _image_set(images: ImageFiles, constant: tuple[str, ...]) -> ImageSet:
    return ImageSet(
        names=tuple(path.name for path in images.paths),
        digests=images.digests,
        constant=constant,
        skipped=tuple((entry.path.name, entry.reason) for entry in images.skipped),
    )
