"""PicoDet-XS, PaddleDetection's smallest detector, built from its own network code.

Sizes, losses and assigners are those of the published configuration of PicoDet-XS (PaddleDetection,
`configs/picodet`); the wheel holds no configuration files, so they are written out here.
"""

from __future__ import annotations

from typing import Any

import ppdet  # noqa: F401  # before Paddle: loaded after it, a library of its own zlib crashes the process
from ppdet.modeling.architectures.picodet import PicoDet
from ppdet.modeling.assigners import ATSSAssigner, TaskAlignedAssigner
from ppdet.modeling.backbones.lcnet import LCNet
from ppdet.modeling.heads.pico_head import PicoFeat, PicoHeadV2
from ppdet.modeling.layers import MultiClassNMS
from ppdet.modeling.losses.gfocal_loss import DistributionFocalLoss
from ppdet.modeling.losses.iou_loss import GIoULoss
from ppdet.modeling.losses.varifocal_loss import VarifocalLoss
from ppdet.modeling.necks.lc_pan import LCPAN

STRIDES = [8, 16, 32, 64]
_CHANNELS = 96


def build_picodet(classes: int, eval_side: int | None = None, static_epochs: int = 1) -> Any:
    """The network, untrained.

    Args:
        classes: number of classes.
        eval_side: side of the square input that it will be exported for; None while training.
        static_epochs: epochs in which targets are assigned by position (ATSS), before the task-aligned assigner.
    """
    backbone = LCNet(scale=0.35, feature_maps=[3, 4, 5])
    channels = [shape.channels for shape in backbone.out_shape]
    neck = LCPAN(in_channels=channels, out_channels=_CHANNELS, use_depthwise=True, num_features=4)
    return PicoDet(backbone, neck, _head(classes, eval_side, static_epochs))


def _head(classes: int, eval_side: int | None, static_epochs: int) -> Any:
    feature = PicoFeat(
        feat_in=_CHANNELS, feat_out=_CHANNELS, num_convs=2, num_fpn_stride=4, norm_type="bn",
        share_cls_reg=True, use_se=True,
    )  # fmt: skip
    return PicoHeadV2(
        conv_feat=feature,
        num_classes=classes,
        fpn_stride=STRIDES,
        feat_in_chan=_CHANNELS,
        prior_prob=0.01,
        reg_max=7,
        cell_offset=0.5,
        grid_cell_scale=5.0,
        loss_class=VarifocalLoss(use_sigmoid=False, iou_weighted=True, loss_weight=1.0),
        loss_dfl=DistributionFocalLoss(loss_weight=0.5),
        loss_bbox=GIoULoss(loss_weight=2.5),
        static_assigner_epoch=static_epochs,
        static_assigner=ATSSAssigner(topk=9, num_classes=classes, force_gt_matching=False),
        assigner=TaskAlignedAssigner(topk=13, alpha=1.0, beta=6.0),
        nms=MultiClassNMS(nms_top_k=1000, keep_top_k=100, score_threshold=0.025, nms_threshold=0.6),
        eval_size=None if eval_side is None else [eval_side, eval_side],
    )
