"""A variant of a rewritten model: built of it, measured, timed and packed behind its restoration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.bundle.open import open_bundle
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from edgewright.runtime.load import load
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Capabilities
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.targets.registry import get_backend
from edgewright.verify.verdict import limits
from edgewright.workflow.assemble import Material, assemble
from edgewright.workflow.inputs import decoded, find_data
from edgewright.workflow.measured import Task, samples
from edgewright.workflow.prepared import PreparedModel, prepare_stage
from edgewright.workflow.progress import Quiet
from edgewright.workflow.recipe import make_recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced
from edgewright.workflow.variants import Built, Workshop

DEMO = Path(__file__).resolve().parents[2] / "demo"
KEY = {"model": "demo"}


class Shop:
    """A workshop on the demo detector and two of its images."""

    def __init__(self, run: RunDir, images: Path) -> None:
        self.recipe = make_recipe(
            {"model": {"path": str(DEMO / "detector.onnx")}, "data": {"images": str(images)}, "precision": ["float"]}
        )
        self.run, backend = run, get_backend("onnxruntime/cpu")
        files = decoded(find_data(self.recipe.data, quantised=False).evaluation, allow_skip=False)
        self.sourced = Sourced(DEMO / "detector.onnx")
        self.prepared: PreparedModel = prepare_stage(run, self.recipe, KEY, files, 13, self.sourced)
        self.task = Task(self.prepared.head, self.prepared.contract)
        self.workshop = Workshop(run, backend, Quiet(), KEY, self.sourced, self.prepared.path, self.task, files)
        self.files = files
        self.feeds = [sample.feeds for sample in samples(files, self.task.contract)]

    def rewritten(self, name: str) -> Built:
        model = self.prepared.load()
        output = model.ir.graph.outputs[0].producer()
        assert output is not None
        boxes, scores = (value.name or "" for value in output.inputs if value is not None)
        ranges = {boxes: (0.0, 600.0), scores: (0.0, 1.0)}
        found = apply_rewrite(name, model, RewriteContext(ranges), self.feeds)
        assert found is not None
        return self.workshop.make(name, "float", None, (), found.model, found.restore)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    place = tmp_path_factory.mktemp("shop")
    (place / "images").mkdir()
    for path in sorted((DEMO / "images" / "evaluation").iterdir())[:2]:
        (place / "images" / path.name).write_bytes(path.read_bytes())
    with RunDir.open(place / "run") as run:
        yield Shop(run, place / "images")


@pytest.fixture(scope="module")
def plain(shop):
    return shop.workshop.make("float", "float", None)


@pytest.fixture(scope="module")
def variants(shop):
    return {name: shop.rewritten(name) for name in ("split-outputs", "rescale-boxes", "cut-tail")}


@pytest.mark.parametrize("name", ["split-outputs", "rescale-boxes", "cut-tail"])
def test_the_same_detections_behind_every_rewrite(variants, plain, name):
    built = variants[name]
    assert built.restore is not None
    assert [port.spec.name for port in built.artifact.outputs] != [port.spec.name for port in plain.artifact.outputs]
    assert built.artifact.digest != plain.artifact.digest
    assert max(error.relative_l2 for error in built.errors) < 1e-5
    assert built.metric.value == pytest.approx(100)  # agreement with the source model
    expected, found = plain.measured.detections(plain.stage), built.measured.detections(built.stage)
    assert any(len(one) for one in expected.values())
    for image, detections in expected.items():
        np.testing.assert_allclose(found[image].xyxy, detections.xyxy, atol=0.01)
        np.testing.assert_array_equal(found[image].class_ids, detections.class_ids)


def test_the_same_model_and_restoration_are_reused(shop, variants):
    first, again = variants["split-outputs"], shop.rewritten("split-outputs")
    assert again.measured.reused
    assert again.artifact.folder == first.artifact.folder


def test_another_model_under_the_same_name_is_built_again(shop, variants):
    other = shop.workshop.make("split-outputs", "float", None)
    assert other.artifact.folder != variants["split-outputs"].artifact.folder
    assert not other.measured.reused
    assert other.restore is None


def test_another_restoration_of_the_same_model_is_measured_again(shop, variants):
    first = variants["split-outputs"]
    other = shop.workshop.make("split-outputs", "float", None, (), load_model(first.artifact.path), wrong(first))
    assert other.artifact.digest == first.artifact.digest
    assert not other.measured.reused
    assert max(error.relative_l2 for error in other.errors) > 0.1


def wrong(built: Built) -> Model:
    """A restoration that puts scores where boxes were."""
    assert built.restore is not None
    changed = built.restore.clone()
    (join,) = (node for node in changed.graph if node.op_type == "Concat")
    first, second = join.inputs
    join.replace_input_with(0, second)
    join.replace_input_with(1, first)
    return Model(changed)


def test_what_is_timed_includes_the_restoration(shop, plain, variants):
    """`workflow.timing` calls what `Workshop.open` gives."""
    with shop.workshop.open(plain) as whole, shop.workshop.open(variants["cut-tail"]) as cut:
        expected, found = whole(shop.feeds[0]), cut(shop.feeds[0])
    assert list(found) == list(expected)


def test_the_bundle_carries_the_restoration(shop, plain, variants, tmp_path):
    built = variants["cut-tail"]
    material = Material(
        recipe=shop.recipe,
        prepared=shop.prepared,
        task=shop.task,
        allowed=limits(1.0, 0.5, labelled=False, float_relative_l2=1e-3),
        workshop=shop.workshop,
        built=[plain, built],
        latencies={},
        findings=(),
        calibration=shop.workshop.images,
        repairs=(),
        command="",
    )
    outcome = assemble(material)
    assert outcome.pack is not None
    outcome.pack(tmp_path / "bundle")
    with open_bundle(tmp_path / "bundle") as bundle:
        assert bundle.manifest.variant == "cut-tail"
        assert bundle.restore() is not None
    image = shop.workshop.images.paths[0]
    with load(tmp_path / "bundle") as predict:
        found = predict(image, confidence=0.25)
    expected = plain.measured.detections(plain.stage)[image.name]
    assert len(found) == int((expected.scores >= 0.25).sum()) > 0


def test_where_the_target_has_no_float_the_embedded_runtime_stands_in(tmp_path: Path) -> None:
    class Integers(OnnxRuntimeBackend):
        """A chip without float."""

        def capabilities(self) -> Capabilities:
            return replace(super().capabilities(), target="acme/integers", precisions=("int8",), ran_on="Acme")

        def build(self, *arguments: Any, **more: Any) -> Artifact:
            assert arguments[1] is not None, "a float build of a chip that has none"
            return super().build(*arguments, **more)

    (tmp_path / "images").mkdir()
    for path in sorted((DEMO / "images" / "evaluation").iterdir())[:1]:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    with RunDir.open(tmp_path / "run") as run:
        shop = Shop(run, tmp_path / "images")
        shop.workshop = Workshop(
            run, Integers("cpu"), Quiet(), KEY, shop.sourced, shop.prepared.path, shop.task, shop.files
        )
        built = shop.workshop.make("float", "float", None)
        assert built.artifact.target == "onnxruntime/cpu"
        assert shop.workshop.ran_on(built).startswith("onnxruntime")
        with shop.workshop.open(built) as session:
            assert session(shop.feeds[0])


def test_a_target_that_builds_from_source_is_given_the_frameworks_files(tmp_path: Path) -> None:
    """In each precision of its own, without a plan: what is no float must not count as the reference."""
    seen: list[tuple[str, Path]] = []

    class FromFiles(OnnxRuntimeBackend):
        """Runs a framework's own files."""

        framework = "acme"

        def capabilities(self) -> Capabilities:
            return replace(super().capabilities(), target="acme/files", precisions=("float", "int8"), ran_on="Acme")

        def build_from(self, origin: Origin, model: Model, precision: str, folder: Path) -> Artifact:
            seen.append((precision, origin.program))
            return replace(super().build(model, None, folder), target="acme/files")

        def open(self, artifact: Artifact) -> Any:
            return OnnxRuntimeBackend("cpu").open(replace(artifact, target="onnxruntime/cpu"))

    (tmp_path / "images").mkdir()
    for path in sorted((DEMO / "images" / "evaluation").iterdir())[:1]:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    with RunDir.open(tmp_path / "run") as run:
        shop = Shop(run, tmp_path / "images")
        origin = Origin("acme", "1", tmp_path / "a.program", tmp_path / "a.weights", ("images",), ("output0",))
        workshop = Workshop(
            run,
            FromFiles("cpu"),
            Quiet(),
            KEY,
            replace(shop.sourced, origin=origin),
            shop.prepared.path,
            shop.task,
            shop.files,
        )
        assert workshop.from_source
        built = [workshop.make(precision, precision, None) for precision in ("float", "int8")]
    assert seen == [("float", origin.program), ("int8", origin.program)]
    assert [one.is_float for one in built] == [True, False]
    assert [one.stage for one in built] == ["float artifact", "int8 artifact"]
    allowed = limits(1.0, 0.5, labelled=False, float_relative_l2=1e-3)
    assert [one.judge(allowed, None, "here", "passed").verdict for one in built] == ["passed", "passed"]
