"""Bias correction: the mean of each output channel as in the float network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.graph.io import load_model, save_model
from edgewright.quant.bias_correction import correct_biases
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.remedies.base import REMEDIES, Kind

IMAGES = 24
"""A mean over an image's positions settles with few images."""
_FILE = "corrected.onnx"


class BiasCorrection:
    """See `quant.bias_correction`."""

    name = "bias-correction"
    kind: Kind = "calibration"
    requires = "convolutions or fully connected layers on codes"
    ensures = "rounding of weights and inputs moves the mean of no output channel"
    cost = "none at run time; a layer without a bias gets one"

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """See `Remedy.propose`."""
        statistics = bench.statistics(candidate)
        plan = bench.material.maker.plan(candidate, statistics)

        def compute(folder: Path) -> dict[str, Any]:
            feeds = list(bench.fit_feeds(IMAGES))
            corrected = correct_biases(candidate.model, plan, feeds, reference=candidate.plain)
            save_model(corrected, folder / _FILE)
            return {"changed": corrected.digest != candidate.model.digest, "images": len(feeds)}

        data, folder = bench.kept("correct biases", {"candidate": candidate.digest, "images": IMAGES}, compute)
        if not data["changed"]:
            return None
        images = data["images"]
        text = f"Biases take back what rounding moves the mean of each output channel by, measured on {images} images."
        return candidate.with_remedy(
            Applied(self.name, "biases corrected", text),
            model=load_model(folder / _FILE),
            plain=candidate.plain or candidate.model,
        )


REMEDIES.add(BiasCorrection.name, BiasCorrection())
