"""Control models, one family a file."""

from edgewright.diagnose.controls import (
    depthwise_silu,
    one_channel,
    picodet_head,
    plain_conv,
    resize,
    softmax_attention,
    yolov8_head,
)
from edgewright.diagnose.controls.base import CONTROLS, Control, control_for, pictures
from edgewright.diagnose.controls.judge import ControlResult, run_control
from edgewright.diagnose.controls.own import run_own

__all__ = [
    "CONTROLS",
    "Control",
    "ControlResult",
    "control_for",
    "depthwise_silu",
    "one_channel",
    "picodet_head",
    "pictures",
    "plain_conv",
    "resize",
    "run_control",
    "run_own",
    "softmax_attention",
    "yolov8_head",
]
