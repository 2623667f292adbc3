import numpy as np
import pytest

from edgewright.data.labels import ImageLabels, Labels
from edgewright.errors import DataError
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.detection.metrics import agreement_ap, coco_ap


def labels(tmp_path, **images):
    return Labels(tmp_path, "yolo", {name: ImageLabels.of(*rows) for name, rows in images.items()}, ("cat", "dog"))


def found(*rows, names=()):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[1] for row in rows], np.float32)
    return Detections(boxes, scores, np.array([row[2] for row in rows], np.int64), names)


A, B = (0, 0, 100, 100), (200, 200, 240, 240)


def test_perfect_detections_have_100(tmp_path, capfd):
    truth = labels(tmp_path, a=([A, B], [0, 1]), b=([], []))
    metric = coco_ap({"a": found((A, 0.9, 0), (B, 0.8, 1)), "b": found()}, truth, 2)
    assert metric.value == pytest.approx(100)
    assert metric.images == 2
    assert metric.details["AP by class"] == {"cat": pytest.approx(100), "dog": pytest.approx(100)}
    assert metric.details["AP small"] is None
    assert metric.details["AP medium"] == pytest.approx(100)
    assert metric.details["AP large"] == pytest.approx(100)
    assert (metric.details["objects"], metric.details["detections"]) == (2, 2)
    assert capfd.readouterr() == ("", "")


def test_ap_of_a_box_of_known_overlap(tmp_path):
    """Overlap 0.72 passes the thresholds 0.50 to 0.70: 5 of 10. Class dog is missed: AP 0."""
    truth = labels(tmp_path, a=([A, B], [0, 1]))
    metric = coco_ap({"a": found(((0, 0, 72, 100), 0.9, 0))}, truth, 2)
    assert metric.value == pytest.approx(50 / 2)
    assert metric.details["AP50"] == pytest.approx(100 / 2)
    assert metric.details["AP75"] == pytest.approx(0)
    assert metric.details["AP by class"] == {"cat": pytest.approx(50), "dog": pytest.approx(0)}


def test_a_better_scored_false_box_halves_the_precision(tmp_path):
    truth = labels(tmp_path, a=([A], [0]))
    metric = coco_ap({"a": found(((300, 300, 350, 350), 0.9, 0), (A, 0.5, 0))}, truth, 2)
    assert metric.value == pytest.approx(50)
    weaker = coco_ap({"a": found(((300, 300, 350, 350), 0.4, 0), (A, 0.5, 0))}, truth, 2)
    assert weaker.value == pytest.approx(100)


def test_three_hundred_detections_of_an_image_count(tmp_path):
    """The true box is the 250th by score: beyond COCO's usual 100."""
    truth = labels(tmp_path, a=([A], [0]))
    rows = [((300, 300, 310, 310), 0.9, 0)] * 249 + [(A, 0.1, 0)]
    assert coco_ap({"a": found(*rows)}, truth, 1).value == pytest.approx(100 / 250)


def test_detections_on_images_without_objects_cost_precision(tmp_path):
    truth = labels(tmp_path, a=([A], [0]), b=([], []))
    metric = coco_ap({"a": found((A, 0.5, 0)), "b": found((A, 0.9, 0))}, truth, 1)
    assert metric.value == pytest.approx(50)


def test_crowds_are_neither_missed_nor_wrong(tmp_path):
    truth = Labels(tmp_path, "coco", {"a": ImageLabels.of([A, B], [0, 0], [False, True])})
    assert coco_ap({"a": found((A, 0.5, 0), (B, 0.9, 0))}, truth, 1).value == pytest.approx(100)
    only = Labels(tmp_path, "coco", {"a": ImageLabels.of([B], [0], [True])})
    with pytest.raises(DataError, match="the labels hold no box"):
        coco_ap({"a": found((B, 0.9, 0))}, only, 1)


def test_no_detection_at_all_has_0(tmp_path):
    metric = coco_ap({"a": found()}, labels(tmp_path, a=([A], [0])), 1)
    assert (metric.value, metric.details["AP50"]) == (0, 0)


def test_images_of_which_the_labels_know_nothing_are_left_out_and_counted(tmp_path):
    truth = Labels(tmp_path, "coco", {"a": ImageLabels.of([A], [0])}, ("cat",), ("b",))
    metric = coco_ap({"a": found((A, 0.5, 0)), "b": found((A, 0.9, 0))}, truth, 1)
    assert (metric.value, metric.images, metric.details["images without labels"]) == (pytest.approx(100), 1, 1)
    with pytest.raises(DataError, match="not among"):
        coco_ap({"c": found()}, truth, 1)


def test_labels_of_other_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="class 1 is labelled, but the model has only classes 0 to 0"):
        coco_ap({"a": found()}, labels(tmp_path, a=([A], [1])), 1)


def test_agreement(tmp_path):
    reference = {"a": found((A, 0.9, 0), (B, 0.3, 1), ((5, 5, 9, 9), 0.1, 1), names=("cat", "dog")), "b": found()}
    itself = agreement_ap(reference, reference)
    assert (itself.name, itself.value) == ("agreement AP", pytest.approx(100))
    assert itself.details["objects"] == 2
    assert set(itself.details["AP by class"]) == {"cat", "dog"}
    lost = {"a": found((A, 0.7, 0)), "b": found()}
    assert agreement_ap(lost, reference).value == pytest.approx(50)
    with pytest.raises(DataError, match=r"detects nothing with a score of 0.25 or more on any of 1 images"):
        agreement_ap({"a": found()}, {"a": found((A, 0.1, 0))})
    with pytest.raises(DataError, match="in one of the two runs only"):
        agreement_ap({"a": found()}, reference)


def test_the_same_as_pycocotools_by_its_own_path(tmp_path):
    """Random data through `loadRes` and `summarize`, all 80 categories evaluated."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(0)
    truth, results, coco = {}, {}, {"images": [], "annotations": [], "categories": [{"id": n} for n in range(8)]}
    rows = []
    for image in range(12):
        corner = random.uniform(0, 300, (9, 2))
        boxes = np.concatenate([corner, corner + random.uniform(5, 150, (9, 2))], axis=1).astype(np.float32)
        ids, crowd = random.integers(0, 5, 9), random.random(9) < 0.1
        truth[f"{image}"] = ImageLabels.of(boxes.tolist(), ids.tolist(), crowd.tolist())
        noisy = np.concatenate([boxes + random.normal(0, 6, boxes.shape), boxes[::-1] + 40]).astype(np.float32)
        noisy[:, 2:] = np.maximum(noisy[:, 2:], noisy[:, :2] + 1)
        guess = np.concatenate([ids, random.integers(0, 8, 9)])
        results[f"{image}"] = Detections(noisy, random.random(18).astype(np.float32), guess)
        coco["images"].append({"id": image})
        for box, k, c in zip(boxes.astype(float), ids, crowd, strict=True):
            w, h = box[2:] - box[:2]
            coco["annotations"].append(
                {"id": len(coco["annotations"]) + 1, "image_id": image, "category_id": int(k), "area": w * h}
                | {"bbox": [box[0], box[1], w, h], "iscrowd": int(c)}
            )
        for box, s, k in zip(noisy.astype(float), results[f"{image}"].scores, guess, strict=True):
            bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            rows.append({"image_id": image, "category_id": int(k), "score": float(s), "bbox": bbox})
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = coco
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    metric = coco_ap(results, Labels(tmp_path, "coco", truth), 8)
    assert 5 < metric.value < 95
    keys = ("AP50", "AP75", "AP small", "AP medium", "AP large")
    found_figures = [metric.value, *(metric.details[key] for key in keys)]
    np.testing.assert_allclose(found_figures, evaluation.stats[:6] * 100, rtol=1e-6)
