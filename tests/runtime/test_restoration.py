"""A session and a predictor give restored outputs, and prove them."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.bundle.pack import zip_bundle
from edgewright.data.contract import preprocess
from edgewright.data.images import read_image
from edgewright.errors import BundleError
from edgewright.graph.model import Model
from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from edgewright.runtime.artifact_session import ArtifactSession
from edgewright.runtime.load import load
from edgewright.targets.registry import get_backend
from tests.bundle.bundle_fakes import CONTRACT, FakeBackend, fake_artifact, sample_image
from tests.bundle.restored import restoration, restored_bundle
from tests.helpers import model_from_text, normal

FACTORS = np.array([1, 1, 640, 640], np.float32)


@pytest.fixture
def image(tmp_path):
    return sample_image(tmp_path / "photo.png", seed=7)


def expected(folder, image):
    weights = np.frombuffer((folder / "artifact" / "model.bin").read_bytes(), np.float32).reshape(4, 192)
    return FACTORS * (weights @ preprocess(read_image(image), CONTRACT)[0].reshape(-1))


@pytest.mark.parametrize("codes", [False, True])
def test_a_session_restores_real_values(tmp_path, image, codes):
    artifact = fake_artifact(tmp_path / "built", codes=codes)
    feeds = {"image": preprocess(read_image(image), CONTRACT)[0]}
    plain, restored = (
        ArtifactSession(FakeBackend().open(artifact), artifact, CONTRACT, restore) for restore in (None, restoration())
    )
    wanted = plain(feeds)["y"] * FACTORS
    with restored as session:
        found = [session(feeds), *session.run_many([feeds, feeds])]
    for outputs in found:
        assert list(outputs) == ["z", "count"]
        np.testing.assert_array_equal(outputs["z"], wanted)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("codes", [False, True])
def test_a_predictor_gives_and_proves_restored_outputs(tmp_path, image, codes, zipped):
    folder = restored_bundle(tmp_path, codes=codes)
    path = zip_bundle(folder, tmp_path / "b.zip") if zipped else folder
    with load(path, backend=FakeBackend()) as predict:
        assert [result.part for result in predict.golden] == ["input", "first", "second", "count"]
        found = predict(image)
        assert list(found) == ["z", "count"]
        np.testing.assert_allclose(found["z"][0], expected(folder, image), rtol=1e-5, atol=0.4 if codes else 1e-4)
        np.testing.assert_array_equal(predict.raw(image)["z"], found["z"])
        (many,) = predict.predict_many([image])
        np.testing.assert_array_equal(many["z"], found["z"])


def test_golden_samples_are_compared_behind_the_restoration(tmp_path):
    with pytest.raises(BundleError, match="computes something else"):
        load(restored_bundle(tmp_path), backend=FakeBackend(gain=1.01))


def test_the_whole_way_of_a_rewritten_model(tmp_path):
    """Cut a tail off, build what is left, and get the outputs of the whole."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,8,8] image) => (float[1,4,8,8] scores) { a = Conv (image, w) scores = Sigmoid (a) }""",
        w=normal(4, 3, 1, 1),
    )
    named(model)
    feeds = {"image": np.random.default_rng(0).random((1, 3, 8, 8), np.float32)}
    found = apply_rewrite("cut-tail", model, RewriteContext(), [feeds])
    backend = get_backend("onnxruntime/cpu")
    whole, cut = (backend.build(one, None, folder(tmp_path, name)) for name, one in (("w", model), ("c", found.model)))
    assert [port.spec.name for port in cut.outputs] == ["a"]
    with backend.open(whole) as plain, ArtifactSession(backend.open(cut), cut, CONTRACT, found.restore) as restored:
        np.testing.assert_array_equal(restored(feeds)["scores"], plain(feeds)["scores"])


def named(model: Model) -> None:
    for node in model.ir.graph:
        node.name = f"{node.outputs[0].name}_op"


def folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name
