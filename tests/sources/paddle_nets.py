# Runs in a Paddle environment, 2.6 and 3.3: a small detector of PaddleDetection's form, exported by paddle.jit.save.
"""`python paddle_nets.py FOLDER KIND [EDGE]`; EDGE 0 leaves both edges open.

KIND is plain, nms, sized, resized, queries, or offset: queries whose rows are no corners of their boxes.
"""

from __future__ import annotations

import sys

import paddle
from paddle import nn
from paddle.nn import functional

CLASSES, CELL = 3, 16


class Net(nn.Layer):
    """Boxes in image pixels and scores of a grid of cells; with "nms" only what a suppression leaves."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = nn.Conv2D(3, 8, 3, stride=4, padding=1)
        self.norm = nn.BatchNorm2D(8)
        self.head = nn.Conv2D(8, 4 + CLASSES, 3, stride=4, padding=1)

    def forward(self, image, scale_factor=None, im_shape=None):
        cells = self.head(functional.relu(self.norm(self.stem(image)))).flatten(2).transpose([0, 2, 1])
        if self.kind in ("queries", "offset"):
            return best_of_queries(cells, im_shape, scale_factor, 8.0 if self.kind == "offset" else 0.0)
        boxes, scores = (
            functional.sigmoid(cells[:, :, :4]) * 96.0,
            functional.sigmoid(8.0 * cells[:, :, 4:]).transpose([0, 2, 1]),
        )
        if self.kind == "resized":
            return functional.interpolate(self.norm(self.stem(image)), scale_factor=2.0, mode="nearest")
        if self.kind == "plain":
            return functional.softmax(cells.mean(axis=1))
        if self.kind == "sized":
            boxes = boxes * im_shape[:, 1:2].unsqueeze(1) / 96.0
        scale = paddle.concat([scale_factor[:, 1:2], scale_factor[:, 0:1]] * 2, axis=1).unsqueeze(1)
        return (boxes / scale, scores) if self.kind != "nms" else suppressed(boxes / scale, scores)


def best_of_queries(cells, im_shape, scale_factor, offset):
    """`DETRPostProcess` of PaddleDetection with a sigmoid for each class; an offset makes other corners of boxes."""
    boxes, scores = functional.sigmoid(cells[:, :, :4]), functional.sigmoid(8.0 * cells[:, :, 4:])
    centre, half = boxes[:, :, :2], 0.5 * boxes[:, :, 2:]
    size = paddle.floor(im_shape / scale_factor + 0.5).flip(1).tile([1, 2]).unsqueeze(1)
    corners = paddle.concat([centre - half, centre + half], axis=-1) * size + offset
    best, index = paddle.topk(scores.flatten(1), 30, axis=-1)
    rows = paddle.arange(end=index.shape[0]).unsqueeze(-1).tile([1, 30])
    chosen = paddle.gather_nd(corners, paddle.stack([rows, index // CLASSES], axis=-1))
    labels = (index % CLASSES).unsqueeze(-1).astype("float32")
    found = paddle.concat([labels, best.unsqueeze(-1), chosen], axis=-1)
    count = paddle.to_tensor(30, dtype="int32").tile([found.shape[0]])
    return found.reshape([-1, 6]), count


def suppressed(boxes, scores):
    """`multiclass_nms3`, as PaddleDetection calls it."""
    settings = {"score_threshold": 0.01, "nms_top_k": 100, "keep_top_k": 20, "nms_threshold": 0.5, "normalized": True}
    if not paddle.__version__.startswith("2"):
        found = paddle._C_ops.multiclass_nms3(boxes, scores, None, 0.01, 100, 20, 0.5, True, 1.0, -1)
        return found[0], found[2]
    if paddle.in_dynamic_mode():
        return boxes, scores
    from paddle.base.layer_helper import LayerHelper

    helper = LayerHelper("multiclass_nms3")
    kept, index, count = (helper.create_variable_for_type_inference(dtype) for dtype in (boxes.dtype, "int32", "int32"))
    helper.append_op(
        type="multiclass_nms3",
        inputs={"BBoxes": boxes, "Scores": scores},
        attrs={"background_label": -1, "nms_eta": 1.0, **settings},
        outputs={"Out": kept, "Index": index, "NmsRoisNum": count},
    )
    return kept, count


def export(folder: str, kind: str, edge: int) -> None:
    """Write `model.*` into the folder."""
    paddle.seed(0)
    net = Net(kind)
    net.eval()
    size = [edge, edge] if edge else [None, None]
    specs = [paddle.static.InputSpec([None, 3, *size], name="image")]
    if kind in ("nms", "sized", "queries", "offset"):
        specs.append(paddle.static.InputSpec([None, 2], name="scale_factor"))
    if kind in ("sized", "queries", "offset"):
        specs.append(paddle.static.InputSpec([None, 2], name="im_shape"))
    paddle.jit.save(paddle.jit.to_static(net, input_spec=specs), f"{folder}/model")


if __name__ == "__main__":
    export(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 96)
