"""Deploys that fall short, on tiny models and images, and a progress that counts or stops."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewright.graph.model import Model
from edgewright.workflow.deploy import Run, run_deploy
from edgewright.workflow.recipe import make_recipe
from tests.cli import zoo


class Steps:
    """A progress that notes every step, and stops the run at one of them as Ctrl-C would.

    Args:
        stop: number of the step to stop at; None: none.
    """

    def __init__(self, stop: int | None = None) -> None:
        self.names: list[str] = []
        self.stop = stop

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """See `Progress.step`."""
        if len(self.names) == self.stop:
            raise KeyboardInterrupt
        self.names.append(name)
        yield lambda: None


class Job:
    """A model with images and labels in a folder of its own."""

    def __init__(self, folder: Path, model: Model | Path, *, images: int = 6, calibration: int = 6) -> None:
        self.folder, self.images, self.calibration = folder, folder / "val", folder / "cal"
        zoo.write_images(self.images, images)
        zoo.write_images(self.calibration, calibration, seed=1)
        self.labels = folder / "val.json"
        self.model = model if isinstance(model, Path) else folder / "m.onnx"
        if isinstance(model, Model):
            self.model.write_bytes(model.data)

    def run(self, name: str = "run", *, labels: bool = True, steps: Steps | None = None, **sections: Any) -> Run:
        """Deploy into a run directory of this name; `sections` are those of the recipe."""
        data = {"images": str(self.images), "calibration": str(self.calibration)}
        if labels:
            data["labels"] = str(self.labels)
        task = sections.pop("task", None)
        recipe = make_recipe({"model": {"path": str(self.model), "task": task}, "data": data, **sections})
        return run_deploy(recipe, self.folder / name, steps)

    def journal(self, name: str = "run") -> Any:
        """What the search left beside the report; None where there was none."""
        path = self.folder / name / "search.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def figures(run: Run) -> list[tuple[Any, ...]]:
    """The table without times."""
    return [(row.name, row.artifact_digest, row.metric and row.metric.value, row.verdict) for row in run.table]
