"""What an exporter put behind a network is taken off, and told."""

import numpy as np
import onnx_ir as ir
import pytest

from edgewright.graph.endings import remove
from edgewright.graph.endings.remove import remove_ending
from edgewright.graph.io import save_model
from edgewright.graph.model import Model
from edgewright.workflow.inspect import inspect_path
from tests.tasks import paddle_models as paddle
from tests.tasks import task_models as tiny


def with_nms():
    return paddle.randomised(paddle.corner_rows(nc=3, end="nms", scaled=True))


def codes(ended):
    return [finding.code for finding in ended.findings]


def test_scale_and_nms_go_and_both_are_told():
    ended = remove_ending(with_nms())
    assert ended is not None
    assert codes(ended) == ["EW131", "EW130"]
    assert ended.findings[1].evidence["by"] == "nms"
    assert ended.findings[1].evidence["gap"] < 1e-6
    assert [spec.shape for spec in ended.model.outputs] == [(1, 84, 4), (1, 3, 84)]


def test_a_cut_that_gives_other_detections_is_not_made(monkeypatch):
    monkeypatch.setattr(remove, "largest_gap", lambda *_: 0.5)
    model = with_nms()
    ended = remove_ending(model)
    assert ended is not None
    assert codes(ended) == ["EW131", "EW132"]
    assert [spec.name for spec in ended.model.outputs] == [spec.name for spec in model.outputs]


def test_a_model_that_gives_no_row_on_noise_is_cut_and_said_so():
    model = with_nms()
    changed = model.clone()
    changed.graph.initializers["least"].const_value = ir.tensor(np.array([2.0], np.float32), name="least")
    ended = remove_ending(Model(changed))
    assert ended is not None
    assert codes(ended) == ["EW131", "EW130"]
    assert ended.findings[1].evidence["gap"] is None
    assert "not proven" in ended.findings[1].message


@pytest.mark.parametrize("model", [tiny.yolov8(), paddle.corner_rows(), paddle.queries()])
def test_other_models_are_left_alone(model):
    assert remove_ending(model) is None


def test_inspect_shows_the_head_before_the_selection(tmp_path):
    path = tmp_path / "detector.onnx"
    save_model(with_nms(), path)
    found = inspect_path(path)
    assert found["head"]["family"] == "ppyoloe"
    assert found["name"] == "detector"
    assert [finding["code"] for finding in found["findings"]] == ["EW131", "EW130"]
