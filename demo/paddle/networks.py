"""Paddle networks with seeded weights, for proofs that need numbers but no training.

Run in an environment with paddlepaddle and paddledet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional
from ppdet.modeling.architectures.yolo import YOLOv3
from ppdet.modeling.backbones.cspresnet import CSPResNet
from ppdet.modeling.backbones.resnet import ResNet
from ppdet.modeling.heads.ppyoloe_head import PPYOLOEHead
from ppdet.modeling.layers import MultiClassNMS
from ppdet.modeling.necks.custom_pan import CustomCSPPAN

from demo.paddle.picodet import build_picodet
from demo.paddle.rtdetr import RtDetr
from demo.scenes import make_scene


class SmallClassifier(nn.Layer):
    """A plain classification network: five stages of convolutions, the mean, one linear layer, softmax."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        widths = [3, 16, 24, 32, 48, 64]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2D(a, b, 3, stride=2, padding=1, bias_attr=False), nn.BatchNorm2D(b), nn.Hardswish()
                )
                for a, b in itertools.pairwise(widths)
            )
        )
        self.classify = nn.Linear(widths[-1], classes)

    def forward(self, inputs: dict[str, Any]) -> Any:
        """Probabilities (batch, classes)."""
        features = functional.adaptive_avg_pool2d(self.stages(inputs["image"]), 1).flatten(1)
        return functional.softmax(self.classify(features), axis=-1)


def small_cnn(classes: int = 10, size: int = 96) -> nn.Layer:
    """The classifier with seeded weights."""
    net = SmallClassifier(classes)
    settle(net, size, 255.0)
    spread([net.classify], net, size, 0.0, 2.0)
    return net


def picodet(classes: int = 80, size: int = 320) -> nn.Layer:
    """The smallest PicoDet with seeded weights."""
    net = build_picodet(classes, size)
    settle(net, size)
    spread(net.head.head_reg_list, net, size, 0.0, 1.5)
    spread(net.head.head_cls_list, net, size, -2.0, 0.6)
    return net


def ppyoloe(classes: int = 80, size: int = 640) -> nn.Layer:
    """PP-YOLOE-s with seeded weights: depth 0.33, width 0.5, otherwise as ppyoloe_crn."""
    backbone = CSPResNet([3, 6, 6, 3], return_idx=[1, 2, 3], use_large_stem=True, width_mult=0.5, depth_mult=0.33)
    channels = [shape.channels for shape in backbone.out_shape]
    neck = CustomCSPPAN(
        channels, [768, 384, 192], act="swish", stage_num=1, block_num=3, spp=True, width_mult=0.5, depth_mult=0.33
    )
    nms = MultiClassNMS(nms_top_k=1000, keep_top_k=300, score_threshold=0.01, nms_threshold=0.7)
    head = PPYOLOEHead(
        in_channels=[shape.channels for shape in neck.out_shape],
        num_classes=classes,
        static_assigner=None,
        assigner=None,
        nms=nms,
        eval_size=[size, size],
    )
    net = YOLOv3(backbone, neck, head, post_process=None)
    settle(net, size)
    spread(head.pred_reg, net, size, 0.0, 1.5)
    spread(head.pred_cls, net, size, -1.5, 0.35)
    deployed(net)
    return net


def rtdetr(classes: int = 80, size: int = 640) -> nn.Layer:
    """RT-DETR-r18vd with seeded weights."""
    backbone = ResNet(18, variant="d", return_idx=[1, 2, 3], freeze_at=-1, freeze_norm=False)
    net = RtDetr(backbone, classes, size)
    settle(net, size, 255.0)
    spread([net.first_scores], net, size, -2.5, 1.5)
    spread([net.first_boxes.layers[-1]] + [m.layers[-1] for m in net.boxes], net, size, 0.0, 0.5)
    spread([net.scores], net, size, -2.5, 1.5)
    return net


def images(size: int, divisor: float | None = None, count: int = 2) -> np.ndarray:
    """Scenes of the demo as network input, (count, 3, size, size); normalised as ImageNet, or divided by `divisor`."""
    found = []
    for seed in range(count):
        scene = make_scene(7_000_000 + seed)
        image = scene.image[:, :, ::-1]
        rows = np.linspace(0, image.shape[0] - 1, size).round().astype(int)
        columns = np.linspace(0, image.shape[1] - 1, size).round().astype(int)
        found.append(image[rows][:, columns].transpose(2, 0, 1).astype("float32"))
    values = np.stack(found)
    if divisor is not None:
        return values / np.float32(divisor)
    mean, std = (np.array(v, "float32").reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (values / np.float32(255) - mean) / std


def _feed(size: int, divisor: float | None) -> dict[str, Any]:
    values = images(size, divisor)
    shape = paddle.full([len(values), 2], float(size))
    return {"image": paddle.to_tensor(values), "im_shape": shape, "scale_factor": paddle.ones([len(values), 2])}


def settle(net: nn.Layer, size: int, divisor: float | None = None) -> None:
    """Give every batch norm the statistics of a few scenes, so that values neither vanish nor explode."""
    net.eval()
    norms = [layer for layer in net.sublayers() if isinstance(layer, (nn.BatchNorm2D, nn.SyncBatchNorm, nn.BatchNorm))]
    for layer in norms:
        layer.training, layer._momentum = True, 0.0
    with paddle.no_grad():
        net(_feed(size, divisor))
    for layer in norms:
        layer.training, layer._momentum = False, 0.9
    net._divisor = divisor


def spread(layers: Iterable[Any], net: nn.Layer, size: int, mean: float, std: float) -> None:
    """Scale weights and bias of each layer so that what it gives on the scenes has this mean and deviation.

    PaddleDetection starts these layers at nearly zero, where every score is 0.01 and a proof proves nothing.
    """
    layers = list(layers)
    for layer in layers:
        layer.weight.set_value(np.random.default_rng(len(layers)).normal(0, 0.05, layer.weight.shape).astype("float32"))
        seen: list[np.ndarray] = []
        hook = layer.register_forward_post_hook(
            lambda _layer, _given, out, seen=seen: seen.append(out.numpy()) and None
        )
        with paddle.no_grad():
            net(_feed(size, net._divisor))
        hook.remove()
        factor = std / max(float(np.concatenate([v.ravel() for v in seen]).std()), 1e-6)
        level = float(np.concatenate([v.ravel() for v in seen]).mean())
        layer.weight.set_value(layer.weight * factor)
        layer.bias.set_value(layer.bias * factor + (mean - level * factor))


def deployed(net: nn.Layer) -> None:
    """Fold the branches of re-parametrised convolutions into one, as PaddleDetection does when it exports."""
    for layer in net.sublayers():
        if hasattr(layer, "convert_to_deploy"):
            layer.convert_to_deploy()
