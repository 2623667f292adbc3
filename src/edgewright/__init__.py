"""Edgewright takes a trained vision model to an edge chip and proves that the chip computes what was trained.

    >>> import edgewright as ew
    >>> run = ew.deploy("detector.onnx", images="val/", labels="val.json")  # doctest: +SKIP
    >>> run.verdict, run.bundle  # doctest: +SKIP
    >>> detections = ew.load(run.bundle)("image.jpg")  # doctest: +SKIP

Names are imported when they are first used, so that `import edgewright` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgewright._version import __version__

if TYPE_CHECKING:
    from edgewright.bundle.pack import zip_bundle
    from edgewright.data.contract import Contract
    from edgewright.errors import (
        BundleError,
        DataError,
        EdgewrightError,
        ModelError,
        OutputError,
        TargetMismatch,
        ToolchainError,
        UserError,
    )
    from edgewright.findings import Finding, Severity, explain
    from edgewright.runtime.load import load
    from edgewright.runtime.predictor import Predictor
    from edgewright.targets.registry import get_backend, target_names
    from edgewright.tasks.classification import Classes
    from edgewright.tasks.detection.detections import Detections
    from edgewright.tasks.keypoints.keypoints import Keypoints
    from edgewright.workflow.analyse import Analysed
    from edgewright.workflow.api import deploy, deploy_recipe, repair_run
    from edgewright.workflow.api_analyse import analyse
    from edgewright.workflow.compare import Comparison, compare
    from edgewright.workflow.deploy import Run

_HOMES = {
    "Analysed": "workflow.analyse",
    "BundleError": "errors",
    "Classes": "tasks.classification",
    "Comparison": "workflow.compare",
    "Contract": "data.contract",
    "DataError": "errors",
    "Detections": "tasks.detection.detections",
    "EdgewrightError": "errors",
    "Finding": "findings",
    "Keypoints": "tasks.keypoints.keypoints",
    "ModelError": "errors",
    "OutputError": "errors",
    "Predictor": "runtime.predictor",
    "Run": "workflow.deploy",
    "Severity": "findings",
    "TargetMismatch": "errors",
    "ToolchainError": "errors",
    "UserError": "errors",
    "analyse": "workflow.api_analyse",
    "compare": "workflow.compare",
    "deploy": "workflow.api",
    "deploy_recipe": "workflow.api",
    "explain": "findings",
    "get_backend": "targets.registry",
    "load": "runtime.load",
    "repair_run": "workflow.api",
    "target_names": "targets.registry",
    "zip_bundle": "bundle.pack",
}

__all__ = [
    "Analysed",
    "BundleError",
    "Classes",
    "Comparison",
    "Contract",
    "DataError",
    "Detections",
    "EdgewrightError",
    "Finding",
    "Keypoints",
    "ModelError",
    "OutputError",
    "Predictor",
    "Run",
    "Severity",
    "TargetMismatch",
    "ToolchainError",
    "UserError",
    "__version__",
    "analyse",
    "compare",
    "deploy",
    "deploy_recipe",
    "explain",
    "get_backend",
    "load",
    "repair_run",
    "target_names",
    "zip_bundle",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'edgewright' has no attribute {name!r}")
    return getattr(importlib.import_module(f"edgewright.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
