"""From the steps of `infer_cfg.yml` to a preprocessing contract.

PaddleDetection reads images as RGB and hands its numbers to OpenCV as they are, so `interp` is OpenCV's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from pydantic import ValidationError

from edgewright.data.contract import INTERPOLATION, Contract
from edgewright.errors import UserError
from edgewright.sources.paddle.infer_cfg import (
    InferConfig,
    LetterBoxResize,
    NormalizeImage,
    Pad,
    PadBatch,
    PadStride,
    Permute,
    Resize,
    Step,
)

_INTERPOLATIONS = {code: name for name, code in INTERPOLATION.items()}
_LETTERBOX_GRAY = 128
"""PaddleDetection paints 127.5 into bytes, which OpenCV rounds half to even."""
_SPAN = 255.0


def contract_of(config: InferConfig, name: str, path: Path) -> Contract:
    """The contract of a model whose image input is `name`; width and height are what the steps lead to.

    Args:
        path: of the file, for messages.

    Raises:
        UserError: the steps come in an order, or have values, that a contract cannot express.
    """
    state = _Steps(path)
    for step in config.steps:
        state.take(step)
    return state.contract(name)


class _Steps:
    """What the steps so far amount to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sized: dict[str, Any] = {}
        self.mean: tuple[float, ...] = (0.0, 0.0, 0.0)
        self.std: tuple[float, ...] = (1.0, 1.0, 1.0)
        self.stride = 1
        self.done: list[str] = []

    def take(self, step: Step) -> None:
        """Add a step."""
        if isinstance(step, (Resize, LetterBoxResize)):
            self._once("Resize or LetterBoxResize", ("Resize", "LetterBoxResize"))
            self._first(step.type, ("NormalizeImage", "Pad", "PadStride", "Permute"))
            self.sized = self._resize(step) if isinstance(step, Resize) else self._letterbox(step)
        elif isinstance(step, NormalizeImage):
            self._once(step.type, (step.type,))
            self._normalise(step)
        elif isinstance(step, Pad):
            self._once("padding", ("Pad", "PadStride", "PadBatch"))
            self._first(step.type, ("Permute",))
            self._pad(step)
        elif isinstance(step, Permute):
            self._once(step.type, (step.type,))
        else:
            self._once("padding", ("Pad", "PadStride", "PadBatch"))
            self._stride(step)
        self.done.append(step.type)

    def contract(self, name: str) -> Contract:
        """The contract of the image input `name`."""
        try:
            return Contract(input=name, **self._fields())
        except ValidationError as error:  # what each step may have, and all of them together may not
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise self._refused(f"{place} {problem['input']}" if place else "its numbers", problem["msg"]) from None

    def _fields(self) -> dict[str, Any]:
        if not self.sized:
            raise self._refused("no step gives the image its size", "a Resize or LetterBoxResize must be among them")
        sized = dict(self.sized)
        for edge in ("width", "height"):
            sized[edge] = -(-sized[edge] // self.stride) * self.stride
        layout = "NCHW" if "Permute" in self.done else "NHWC"
        return {"colour": "RGB", "mean": self.mean, "std": self.std, "layout": layout, **sized}

    def _resize(self, step: Resize) -> dict[str, Any]:
        interpolation = _INTERPOLATIONS.get(step.interp)
        if interpolation is None:
            known = ", ".join(f"{code} ({name})" for code, name in sorted(_INTERPOLATIONS.items()))
            raise self._refused(f"Resize asks for interp {step.interp}", f"known are {known}")
        height, width = step.target_size
        sized: dict[str, Any] = {"width": width, "height": height, "interpolation": interpolation}
        if step.keep_ratio:
            edges = min(height, width), max(height, width)
            return {**sized, "resize": "keep-ratio", "edges": edges, "pad_in": "tensor", "pad_value": 0}
        return {**sized, "resize": "stretch", "pad_value": 0}

    def _letterbox(self, step: LetterBoxResize) -> dict[str, Any]:
        height, width = step.target_size
        sized = {"width": width, "height": height, "interpolation": _INTERPOLATIONS[cv2.INTER_AREA]}
        return {**sized, "resize": "letterbox", "pad_value": _LETTERBOX_GRAY}

    def _normalise(self, step: NormalizeImage) -> None:
        unit = _SPAN if step.is_scale else 1.0
        if step.norm_type == "none":
            self.std = (unit,) * 3
            return
        if len(step.mean) != 3 or len(step.std) != 3 or 0.0 in step.std:
            raise self._refused(
                f"NormalizeImage has mean {list(step.mean)} and std {list(step.std)}",
                "an RGB image wants three of each, and no std of 0",
            )
        self.mean = tuple(round(unit * value, 9) for value in step.mean)
        self.std = tuple(round(unit * value, 9) for value in step.std)

    def _pad(self, step: Pad) -> None:
        values = set(step.fill_value)
        after = "NormalizeImage" in self.done
        if len(values) != 1 or not (values == {0.0} if after else values <= {float(raw) for raw in range(256)}):
            wanted = "0 after NormalizeImage" if after else "one whole number from 0 to 255 before NormalizeImage"
            raise self._refused(f"Pad fills with {list(step.fill_value)}", f"Edgewright pads with {wanted}")
        self._need_size("Pad")
        height, width = step.size
        if height < self.sized["height"] or width < self.sized["width"]:
            raise self._refused(
                f"Pad makes the image {height}x{width}", f"Resize made it {self.sized['height']}x{self.sized['width']}"
            )
        fill = {"pad_in": "tensor"} if after else {"pad_in": "image", "pad_value": int(values.pop())}
        if self.sized["resize"] != "keep-ratio" and (height, width) != (self.sized["height"], self.sized["width"]):
            raise self._refused("Pad follows a resize that fills the image already", "its size must be the same then")
        self.sized |= {"width": width, "height": height, **fill}

    def _stride(self, step: PadStride | PadBatch) -> None:
        self._need_size(step.type)
        self.stride = max(1, step.stride if isinstance(step, PadStride) else step.pad_to_stride)
        if self.sized["resize"] != "keep-ratio" and any(self.sized[edge] % self.stride for edge in ("width", "height")):
            raise self._refused(
                f"{step.type} pads to a multiple of {self.stride}, which the size of the image is not",
                f"it is {self.sized['height']}x{self.sized['width']} already",
            )

    def _need_size(self, step: str) -> None:
        if not self.sized:
            raise self._refused(f"{step} comes before the image has its size", "Resize must come first")

    def _once(self, what: str, types: tuple[str, ...]) -> None:
        if any(kind in self.done for kind in types):
            raise self._refused(f"there is more than one step for {what}", f"steps so far are {', '.join(self.done)}")

    def _first(self, kind: str, others: tuple[str, ...]) -> None:
        found = [other for other in others if other in self.done]
        if found:
            raise self._refused(f"{kind} comes after {found[0]}", "Edgewright resizes bytes, as PaddleDetection does")

    def _refused(self, what: str, why: str) -> UserError:
        return UserError(
            f"infer_cfg.yml describes a preprocessing that Edgewright cannot do: {what}",
            where=str(self.path),
            why=why,
            todo="export the model with another TestReader, or take the file away and say --resize, --mean, --std and "
            "--colour yourself",
        )
