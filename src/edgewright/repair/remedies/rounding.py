"""Rounding of weights that follows the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.graph.io import load_model, save_model
from edgewright.quant.bias_correction import correct_biases
from edgewright.quant.weight_rounding import round_weights
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.effects import candidate_effects
from edgewright.repair.remedies.base import REMEDIES, Kind

IMAGES = 32
_SECONDS = 60.0
"""Longest time for the whole network; what is not reached keeps its nearest rounding."""
_FILE = "rounded.onnx"
_SHARE = 0.25
"""Share of the predicted damage that weights must do for it to be worth the time: it mends a part of that share."""


class WeightRounding:
    """See `quant.weight_rounding`."""

    name = "weight-rounding"
    kind: Kind = "calibration"
    requires = "convolutions or fully connected layers with 8-bit weights that do a good share of the damage"
    ensures = "each weight is rounded up or down so that the layer's output error on the data is small"
    cost = "none at run time; seconds to a minute here"

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """See `Remedy.propose`. Biases are corrected anew behind it, for what they took back is gone."""
        if candidate_effects(candidate, bench).weights_share < _SHARE:
            return None
        statistics = bench.statistics(candidate)
        plain = candidate.plain or candidate.model
        plan = bench.material.maker.plan(candidate, statistics)

        def compute(folder: Path) -> dict[str, Any]:
            limit = max(0.0, min(_SECONDS, 0.5 * bench.seconds_left()))
            feeds = list(bench.fit_feeds(IMAGES))
            rounded, report = round_weights(plain, plan, feeds, time_limit=limit, seed=bench.material.seed)
            save_model(correct_biases(rounded, plan, feeds, reference=plain), folder / _FILE)
            return {"layers": len(report.layers), "images": report.images, "complete": report.complete}

        data, folder = bench.kept("round weights", {"candidate": candidate.digest, "images": IMAGES}, compute)
        if not data["layers"]:
            return None
        text = (
            f"The weights of {data['layers']} layers are rounded so that each layer's output is closest to float on "
            f"{data['images']} calibration images, and biases take back what is left of the mean."
        )
        applied = Applied(self.name, "weights rounded by data", text, data)
        return candidate.with_remedy(applied, model=load_model(folder / _FILE), plain=plain)


REMEDIES.add(WeightRounding.name, WeightRounding())
