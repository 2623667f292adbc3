"""The time of a frame by stage."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgewright.errors import DataError
from edgewright.runtime.load import load
from edgewright.workflow.benched import bench
from edgewright.workflow.predict import predicted
from edgewright.workflow.progress import Quiet
from tests.cli import zoo
from tests.workflow.repairs import Job


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(tmp_path_factory.mktemp("bench"), zoo.detector(wide=False), images=4, calibration=4)
    assert job.run(precision=["float"]).bundle is not None
    return job


@pytest.fixture(scope="module")
def bundle(job: Job) -> Path:
    return job.folder / "run" / "bundle"


def test_every_stage_has_a_time_and_the_host_is_what_is_not_the_runtime(bundle: Path) -> None:
    found = bench(bundle, None, 7, Quiet())
    rows = {row.time.stage: row for row in found.rows}
    assert found.frames == 7
    assert {"resize", "input set", "run", "outputs get", "decode", "NMS"} <= set(rows)
    assert all(row.time.p90 >= row.time.median > 0 for row in found.rows)
    assert sum(row.time.share for row in found.rows) == pytest.approx(1)
    assert found.host == pytest.approx(found.frame - rows["run"].time.median)
    assert rows["input set"].limit
    assert rows["input set"].moved == 3 * 32 * 32 * 4, "float32 is written"
    assert rows["run"].limit is None
    assert rows["decode"].plain is not None
    assert found.plain_host > 0
    assert found.stream > 0 < found.alone
    said = found.to_json()
    assert said["frames"] == 7
    assert [stage["stage"] for stage in said["stages"]] == list(rows)


def test_a_source_shorter_than_asked_for_is_read_again(job: Job, bundle: Path) -> None:
    found = bench(bundle, str(job.images), 10, Quiet())
    assert found.frames == 10
    assert found.rows[0].time.stage == "grab"
    assert found.rows[0].time.median > 0.05, "a file was read and decoded"


def test_run_gives_the_frames_in_order_with_what_was_found(job: Job, bundle: Path) -> None:
    with load(bundle) as predictor:
        streamed = list(predicted(predictor, str(job.images), 0.25))
        names = sorted(path.name for path in job.images.iterdir())
        assert [name for name, _, _ in streamed] == names
        for name, image, found in streamed:
            alone = predictor(cv2.imread(str(job.images / name)), confidence=0.25)
            assert image.shape == cv2.imread(str(job.images / name)).shape
            assert found.xyxy.tolist() == alone.xyxy.tolist()
            assert found.scores.tolist() == alone.scores.tolist()
        assert len(list(predicted(predictor, str(job.images), 0.25, most=2))) == 2


def test_predictions_before_a_broken_image_come_out_first(job: Job, bundle: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(next(iter(sorted(job.images.iterdir()))).read_bytes())
    (tmp_path / "c.png").write_bytes(b"no image")
    with load(bundle) as predictor:
        found: list[str] = []
        with pytest.raises(DataError, match=r"c\.png"):
            found.extend(name for name, _, _ in predicted(predictor, str(tmp_path), None))
    assert found == ["a.png", "b.png"]
