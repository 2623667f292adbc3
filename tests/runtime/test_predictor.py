from __future__ import annotations

import dataclasses
import re
import shutil

import cv2
import numpy as np
import pytest

from edgewright.bundle.pack import pack_bundle, zip_bundle
from edgewright.data.contract import preprocess
from edgewright.data.images import read_image
from edgewright.errors import BundleError, DataError, TargetMismatch, UserError
from edgewright.runtime.load import load
from tests.bundle.bundle_fakes import CONTRACT, TARGET, FakeBackend, fake_contents, rewrite_manifest, sample_image


@pytest.fixture
def image(tmp_path):
    return sample_image(tmp_path / "photo.png", seed=7)


def weights(folder):
    return np.frombuffer((folder / "artifact" / "model.bin").read_bytes(), np.float32).reshape(4, 192)


def test_a_sound_bundle_runs_and_tells_its_figures(bundle, image, temp):
    backend = FakeBackend()
    with load(bundle, backend=backend) as predict:
        assert backend.opened == 1
        assert (predict.target, predict.names, predict.contract) == (TARGET, ("cat", "Hündin"), CONTRACT)
        assert predict.manifest.model.name == "tiny"
        assert predict.ran_on == "fake runtime"
        assert [r.part for r in predict.golden] == ["input", "first", "second", "count"]
        assert all(r.passed and r.relative_l2 == 0 for r in predict.golden)
        result = predict(image)
        expected = weights(bundle) @ preprocess(read_image(image), CONTRACT)[0].reshape(-1)
        np.testing.assert_allclose(result["y"][0], expected, rtol=1e-5)
        assert result["count"].dtype == np.int64
    assert backend.opened == 0
    with pytest.raises(ValueError, match="closed"):
        predict(image)


def test_a_path_a_string_and_pixels_are_the_same(bundle, image):
    with load(bundle, backend=FakeBackend()) as predict:
        results = [predict(image), predict(str(image)), predict(read_image(image)), predict.raw(image)]
    for result in results[1:]:
        np.testing.assert_array_equal(result["y"], results[0]["y"])


def test_many_images_keep_their_order_and_start_the_runtime_once(bundle, tmp_path):
    paths = [sample_image(tmp_path / f"{n}.png", seed=n) for n in range(5)]
    backend = FakeBackend()
    with load(bundle, backend=backend) as predict:
        single = [predict(path)["y"] for path in paths]
        backend.batches.clear()
        many = list(predict.predict_many(iter(paths)))
    assert backend.batches == [5]
    np.testing.assert_array_equal([r["y"] for r in many], single)
    assert len({float(r["y"][0, 0]) for r in many}) == 5


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("codes", [False, True])
def test_boundaries_of_codes_and_layouts_give_the_same_values(tmp_path, image, codes, layout):
    folder = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", codes=codes, layout=layout))
    with load(folder, backend=FakeBackend()) as predict:
        port = predict.manifest.artifact.inputs[0]
        feeds, _ = predict.prepare(image)
        assert feeds["image"].dtype == port.spec.dtype
        assert feeds["image"].shape == port.spec.shape
        result = predict(image)["y"]
    assert result.dtype == np.float32
    expected = weights(folder) @ preprocess(read_image(image), CONTRACT)[0].reshape(-1)
    np.testing.assert_allclose(result[0], expected, atol=0.0006 if codes else 1e-5)


def test_an_image_that_is_none(bundle, tmp_path):
    text = tmp_path / "a.jpg"
    text.write_text("hello")
    with load(bundle, backend=FakeBackend()) as predict:
        with pytest.raises(DataError, match="no JPEG"):
            predict(text)
        with pytest.raises(DataError, match="uint8"):
            predict(np.zeros((4, 4, 3), np.float32))


@pytest.mark.parametrize("codes", [False, True])
def test_frames_of_a_camera(tmp_path, codes):
    folder = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", codes=codes))
    rng = np.random.default_rng(3)
    shots = {
        "RGB": rng.integers(0, 256, (10, 12, 3), dtype=np.uint8),
        "NV12": rng.integers(0, 256, (18, 16), dtype=np.uint8),
        "YUYV": rng.integers(0, 256, (8, 8, 2), dtype=np.uint8),
    }
    codes_of = {"RGB": cv2.COLOR_RGB2BGR, "NV12": cv2.COLOR_YUV2BGR_NV12, "YUYV": cv2.COLOR_YUV2BGR_YUY2}
    with load(folder, backend=FakeBackend()) as predict:
        for name, shot in shots.items():
            expected = predict(cv2.cvtColor(shot, codes_of[name]))
            found = predict(shot, frame_format=name)
            many = list(predict.predict_many([shot, shot], frame_format=name))
            for result in (found, *many):
                np.testing.assert_array_equal(result["y"], expected["y"])
        with pytest.raises(DataError, match="NV12"):
            predict(shots["RGB"], frame_format="NV12")


def test_a_file_is_a_file_whatever_the_camera_gives(bundle, image):
    with load(bundle, backend=FakeBackend()) as predict:
        np.testing.assert_array_equal(predict(image, frame_format="NV12")["y"], predict(image)["y"])


def test_what_was_prepared_stays_as_it_is(tmp_path):
    """A session that reads ahead holds several inputs at once, and a camera writes the next frame over the last."""
    folder = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", codes=True))
    frame = np.zeros((8, 8, 3), np.uint8)

    def camera():
        for value in (10, 100, 200):
            frame[:] = value
            yield frame

    with load(folder, backend=FakeBackend()) as predict:
        single = [predict(np.full((8, 8, 3), value, np.uint8))["y"] for value in (10, 100, 200)]
        found = [result["y"] for result in predict.predict_many(camera())]
        one, two = (predict.prepare(np.full((8, 8, 3), value, np.uint8))[0]["image"] for value in (10, 200))
        predict(np.zeros((8, 8, 3), np.uint8))
    np.testing.assert_array_equal(found, single)
    assert (one.max(), two.max()) == (10, 200)


def test_the_predictor_tells_its_input_path(tmp_path):
    folder = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", codes=True))
    with load(folder, backend=FakeBackend()) as predict:
        assert predict.input_path.route.kind == "identity"
        assert predict.input_path.route.proof == "256 of 256 codes of each of 3 channels equal"


@pytest.mark.parametrize(
    "setting", [{"confidence": 1.5}, {"confidence": -0.1}, {"iou": -1}, {"confidence": float("nan")}]
)
def test_thresholds_that_are_none(bundle, image, setting):
    with load(bundle, backend=FakeBackend()) as predict, pytest.raises(UserError, match="must"):
        predict(image, **setting)


# ------------------------------------------------------------------------------------------- refusals


def refused(path, temp, backend, match, kind=BundleError):
    with pytest.raises(kind) as caught:
        load(path, backend=backend)
    error = caught.value
    assert type(error) is kind
    assert re.search(match, f"{error.what}\n{error.why}\n{error.todo}")  # not in `where`, named after the test
    assert backend.opened == 0, "a session was left open"
    assert not any(temp.iterdir())


def test_another_target(bundle, temp):
    refused(bundle, temp, FakeBackend(target="other/chip"), f"for {TARGET}, not for other/chip", TargetMismatch)


def test_a_target_that_nobody_knows(bundle, temp):
    with pytest.raises(TargetMismatch, match=f"bundle is for {TARGET}, which this Edgewright cannot run"):
        load(bundle)


def test_a_device_that_is_not_here(bundle, temp):
    refused(
        bundle, temp, FakeBackend(runs_here=False), r"do not run on this host[\s\S]*the fake device", TargetMismatch
    )


def test_another_architecture(bundle, temp):
    refused(bundle, temp, FakeBackend(architecture="aarch64"), "proven on x86_64, this host is aarch64", TargetMismatch)


def test_another_name_of_the_same_architecture(bundle):
    load(bundle, backend=FakeBackend(architecture="AMD64")).close()


def test_an_artifact_without_a_host_of_its_own(bundle):
    rewrite_manifest(bundle, lambda data: data.update(host={}))
    load(bundle, backend=FakeBackend(architecture="riscv64")).close()


@pytest.mark.parametrize("zipped", [False, True])
def test_it_computes_something_else(bundle, temp, tmp_path, zipped):
    path = zip_bundle(bundle, tmp_path / "b.zip") if zipped else bundle
    refused(
        path,
        temp,
        FakeBackend(gain=1.01),
        r"computes something else[\s\S]*sample 0, part '(first|second)': relative L2 0.01",
    )


def test_it_computes_something_else_because_the_runtime_is_another(bundle, temp):
    backend = FakeBackend(gain=1.01, version="2")
    refused(bundle, temp, backend, r"what changed: faketool 1 then, 2 now", TargetMismatch)


def test_an_output_that_no_part_names_is_compared_too(bundle, temp):
    refused(bundle, temp, FakeBackend(extra=5), r"part 'count'")


def test_outputs_that_are_not_numbers(bundle, temp):
    refused(bundle, temp, FakeBackend(gain=np.nan), r"relative L2 inf")


def test_a_difference_below_the_tolerance_is_reported_and_taken(bundle):
    with load(bundle, backend=FakeBackend(gain=1.0005)) as predict:
        figures = {r.part: r.relative_l2 for r in predict.golden}
    assert 0.0004 < figures["first"] < 0.0006


def test_without_the_check_nothing_is_compared(bundle, image):
    with load(bundle, backend=FakeBackend(gain=2.0), check=False) as predict:
        assert predict.golden == ()
        predict(image)


def test_a_contract_that_makes_another_input(bundle, temp):
    rewrite_manifest(bundle, lambda data: data["contract"].update(colour="BGR"))
    refused(bundle, temp, FakeBackend(), r"part 'input'")


def test_a_contract_of_another_size(bundle, temp):
    rewrite_manifest(bundle, lambda data: data["contract"].update(width=16))
    refused(bundle, temp, FakeBackend(), r"'image' wants shape")


def test_a_head_that_this_version_does_not_know(bundle, temp):
    rewrite_manifest(bundle, lambda data: data["head"].update(family="yolo99", task="detection"))
    refused(bundle, temp, FakeBackend(), r"cannot decode 'yolo99'")


def test_a_head_of_another_task(bundle, temp):
    rewrite_manifest(bundle, lambda data: data["head"].update(family="yolov8", task="keypoints"))
    refused(bundle, temp, FakeBackend(), r"'yolov8' is for detection, the manifest says keypoints")


def test_a_head_that_does_not_fit_its_outputs(bundle, temp):
    rewrite_manifest(bundle, lambda data: data["head"].update(family="yolov8", task="detection", params={}))
    refused(bundle, temp, FakeBackend(), r"cannot be decoded as 'yolov8'")


def test_a_session_that_loses_an_output(bundle, temp):
    class Forgetful(FakeBackend):
        def open(self, artifact):
            session = super().open(artifact)
            call = type(session).__call__

            class Session(type(session)):
                def __call__(self, feeds):
                    outputs = call(self, feeds)
                    del outputs["count"]
                    return outputs

            return Session(self, artifact)

    refused(bundle, temp, Forgetful(), r"gave no output 'count'")


def test_an_artifact_with_two_inputs(tmp_path, temp):
    contents = fake_contents(tmp_path / "w")
    second = dataclasses.replace(
        contents.artifact.inputs[0], spec=dataclasses.replace(contents.artifact.inputs[0].spec, name="im_shape")
    )
    artifact = dataclasses.replace(contents.artifact, inputs=(*contents.artifact.inputs, second))
    sample = contents.golden[0]
    golden = dataclasses.replace(sample, inputs={**sample.inputs, "im_shape": sample.inputs["image"]})
    folder = pack_bundle(tmp_path / "b", dataclasses.replace(contents, artifact=artifact, golden=[golden]))
    with pytest.raises(BundleError, match=r"fills 'image', the artifact wants 'image', 'im_shape'"):
        load(folder, backend=FakeBackend())


def test_a_damaged_bundle_never_reaches_the_runtime(bundle, temp):
    (bundle / "artifact" / "model.bin").write_bytes(bytes(3072))

    class Never(FakeBackend):
        def open(self, artifact):
            raise AssertionError("a damaged artifact was opened")

    refused(bundle, temp, Never(), r"not what was packed")


def test_a_zip_is_gone_after_closing(bundle, tmp_path, temp, image):
    file = zip_bundle(bundle, tmp_path / "b.zip")
    shutil.rmtree(bundle)
    with load(file, backend=FakeBackend()) as predict:
        assert len(list(temp.iterdir())) == 1
        predict(image)
    assert not any(temp.iterdir())
