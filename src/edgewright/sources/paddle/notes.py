"""What was done to an export, as findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgewright.findings import Finding, Severity


def cut_findings(told: Mapping[str, Any], name: str) -> list[Finding]:
    """EW121, from what the worker `normalise` told."""
    cut = told["cut"]
    if cut is None and not told["kept"]:
        return []
    if cut is None:
        return [
            Finding(
                "EW121",
                Severity.WARNING,
                name,
                f"The choice of detections was left in the network: {told['kept']}.",
                {"suppressions": told["before"]["suppressions"]},
                "Export the model without it (export_nms: False).",
            )
        ]
    settings = cut["settings"]
    limits = ", ".join(f"{key} {settings[key]:.4g}" for key in ("score_threshold", "nms_threshold") if key in settings)
    return [
        Finding(
            "EW121",
            Severity.INFO,
            name,
            f"The network was cut before its {cut['op']}{f' ({limits})' if limits else ''}: boxes and scores are "
            f"compared as they go in, and the host {'suppresses' if cut['by'] == 'nms' else 'chooses'}.{_proof(cut)}",
            {**cut},
            "Nothing to do: chips have no such op.",
        )
    ]


def _proof(cut: Mapping[str, Any]) -> str:
    """A suppression names what goes into it; where the best queries are taken, that was seen from the structure."""
    if cut["by"] == "nms":
        return ""
    if cut["gap"] is None:
        return f" This was not proven on numbers: {cut['unproven']}."
    return f" Every detection of noise is found in them, largest difference {cut['gap']:.2g}."


def constant_findings(constants: Mapping[str, NDArray[Any]], name: str) -> list[Finding]:
    """EW122, from the inputs that became constants."""
    if not constants:
        return []
    said = ", ".join(f"{key} = {value.ravel().tolist()}" for key, value in constants.items())
    return [
        Finding(
            "EW122",
            Severity.INFO,
            name,
            f"Inputs beside the image became constants: {said}. Boxes come out in pixels of the network's input.",
            {key: value.tolist() for key, value in constants.items()},
            "Nothing to do: the place of the image in the input is taken back on the host.",
        )
    ]


def narrowed_findings(count: int, name: str) -> list[Finding]:
    """EW127, from how many attributes the converter could not have read."""
    if not count:
        return []
    return [
        Finding(
            "EW127",
            Severity.INFO,
            name,
            f"{count} attributes of the program were narrowed from lists of doubles to lists of floats, so that "
            "paddle2onnx can read it.",
            {"attributes": count},
            "Nothing to do: the ONNX model is compared with the program as it was.",
        )
    ]
