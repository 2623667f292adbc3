"""The preprocessing contract: how an image becomes the network's input, as data.

One implementation (`preprocess`) serves calibration, verification, evaluation and running: they cannot disagree.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgewright.data.placement import Area, Placement
from edgewright.errors import DataError, ModelError

__all__ = [
    "INTERPOLATION",
    "Area",
    "Contract",
    "Placement",
    "area_for",
    "check_image",
    "contract_for_model",
    "normalise",
    "pad_tensor",
    "place",
    "preprocess",
    "resample",
    "to_colour",
    "to_tensor",
    "value_tables",
]

Resize = Literal["stretch", "letterbox", "letterbox-topleft", "keep-ratio"]
INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
}


class Contract(BaseModel):
    """How an image becomes the network's input tensor.

    The value at a pixel is `(raw - mean) / std`, with raw in 0..255 and mean and std per channel in the order of
    `colour`. A model that wants `/255` has mean 0 and std 255.

    Attributes:
        input: name of the model input.
        width, height: size of the network input, pixels.
        colour: channel order of the tensor.
        resize: stretch; letterbox (keep the ratio, pad both sides alike); letterbox-topleft (pad right and bottom);
            keep-ratio (as PaddleDetection does it: see `edges`; pad right and bottom, sample by the factor itself and
            not by the quotient of whole sizes).
        interpolation: how pixels are resampled.
        rounding: how a letterboxed size becomes whole pixels; YOLOX rounds down, the others to the nearest.
        edges: with keep-ratio, what the image's shorter edge becomes, and the most that its longer one may be, which
            else decides; None: the network's own edges.
        pad_value: raw value of padding.
        pad_in: "image" pads with `pad_value` before mean and std, "tensor" with 0 after them.
        mean, std: raw units, one entry a channel.
        layout: order of axes.
        dtype: element type of the tensor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    width: int = Field(ge=1, le=16384)
    height: int = Field(ge=1, le=16384)
    colour: Literal["RGB", "BGR", "GRAY"] = "RGB"
    resize: Resize = "letterbox"
    interpolation: Literal["nearest", "linear", "area", "cubic"] = "linear"
    rounding: Literal["nearest", "down"] = "nearest"
    edges: tuple[int, int] | None = None
    pad_value: int = Field(default=114, ge=0, le=255)
    pad_in: Literal["image", "tensor"] = "image"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (255.0, 255.0, 255.0)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32", "float16", "uint8"] = "float32"

    @model_validator(mode="after")
    def _check(self) -> Contract:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"mean and std must have {self.channels} entries for {self.colour}, "
                f"but got {len(self.mean)} and {len(self.std)}"
            )
        if not all(np.isfinite(self.mean)) or not all(np.isfinite(self.std)) or 0.0 in self.std:
            raise ValueError("mean and std must be finite, and std must not be zero")
        if self.edges is not None and not 1 <= self.edges[0] <= self.edges[1] <= 16384:
            raise ValueError("edges are the shorter and the longer one, from 1 to 16384 pixels")
        return self

    @property
    def channels(self) -> int:
        """Number of channels of the tensor."""
        return 1 if self.colour == "GRAY" else 3

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor for one image."""
        if self.layout == "NCHW":
            return (1, self.channels, self.height, self.width)
        return (1, self.height, self.width, self.channels)


def contract_for_model(**fields: Any) -> Contract:
    """A contract whose fields were read from a model.

    Raises:
        ModelError: the model's input is beyond what an image can be.
    """
    try:
        return Contract.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ModelError(
            f"input {fields['input']} of the model is no image that can be prepared",
            why=f"{'.'.join(map(str, problem['loc']))} is {problem['input']}: {problem['msg']}",
            todo="export the model with an input of at most 16384 x 16384 pixels",
        ) from None


def preprocess(image: NDArray[np.uint8], contract: Contract) -> tuple[NDArray[Any], Placement]:
    """The network's input for one image.

    Args:
        image: (height, width, 3) BGR or (height, width) gray, uint8.
        contract: what the network wants.

    Returns:
        The tensor, shape `contract.shape`, and where the image lies in it.

    Raises:
        DataError: the array is not an 8-bit image.
    """
    check_image(image)
    placed, area = place(to_colour(image, contract.colour), contract)
    return to_tensor(placed, area, contract), area.placement


def to_colour(image: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """BGR or gray image to the channel order of the contract; gray results have shape (h, w)."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if colour == "GRAY":
        return image if image.ndim == 2 else _u8(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    if image.ndim == 2:
        return _u8(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return image if colour == "BGR" else _u8(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def place(image: NDArray[np.uint8], contract: Contract) -> tuple[NDArray[np.uint8], Area]:
    """Resize and pad to the network's size; and where the image lies then."""
    height, width = image.shape[:2]
    area = area_for(width, height, contract)
    if (area.width, area.height) != (width, height):
        image = resample(image, area, contract)
    if (area.width, area.height) != (contract.width, contract.height):
        right, bottom = contract.width - area.width - area.left, contract.height - area.height - area.top
        fill = (contract.pad_value,) * 3
        image = _u8(cv2.copyMakeBorder(image, area.top, bottom, area.left, right, cv2.BORDER_CONSTANT, value=fill))
    return image, area


def resample(
    image: NDArray[np.uint8], area: Area, contract: Contract, into: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The image in the size of `area`; `into` is used where OpenCV can."""
    mode = INTERPOLATION[contract.interpolation]
    if contract.resize != "keep-ratio":
        return _u8(cv2.resize(image, (area.width, area.height), dst=into, interpolation=mode))
    factors = area.placement.scale_x, area.placement.scale_y
    return _u8(cv2.resize(image, None, dst=into, fx=factors[0], fy=factors[1], interpolation=mode))


def to_tensor(placed: NDArray[np.uint8], area: Area, contract: Contract) -> NDArray[Any]:
    """What `place` gave, normalised, with the padding that comes after that."""
    tensor = normalise(placed, contract)
    if contract.pad_in == "tensor":
        pad_tensor(tensor, area, contract.layout, 0)
    return tensor


def pad_tensor(tensor: NDArray[Any], area: Area, layout: str, value: Any) -> None:
    """Write `value` into the tensor of one image wherever the image does not lie."""
    planes = tensor[0] if layout == "NCHW" else tensor[0].transpose(2, 0, 1)
    bottom, right = area.top + area.height, area.left + area.width
    for strip in (planes[:, : area.top], planes[:, bottom:], planes[:, :, : area.left], planes[:, :, right:]):
        strip[...] = value


def area_for(width: int, height: int, contract: Contract) -> Area:
    """Where an image of `width` by `height` pixels goes."""
    if contract.resize == "stretch":
        placement = Placement(contract.width / width, contract.height / height, 0.0, 0.0, width, height)
        return Area(0, 0, contract.width, contract.height, placement)
    if contract.resize == "keep-ratio":
        return _bounded(width, height, contract)
    ratio = min(contract.width / width, contract.height / height)
    whole = int if contract.rounding == "down" else round
    new_w, new_h = max(1, whole(width * ratio)), max(1, whole(height * ratio))
    left = top = 0
    if contract.resize == "letterbox":
        # an odd spare pixel goes right and bottom, as the YOLO family's own letterbox places it
        left, top = (contract.width - new_w) // 2, (contract.height - new_h) // 2
    return Area(left, top, new_w, new_h, Placement(ratio, ratio, float(left), float(top), width, height))


def _bounded(width: int, height: int, contract: Contract) -> Area:
    """The shorter edge decides, unless the longer one then is too long; nothing may be larger than the network."""
    short, long = contract.edges or sorted((contract.width, contract.height))
    ratio = short / min(width, height)
    if round(ratio * max(width, height)) > long:
        ratio = long / max(width, height)
    if round(ratio * width) > contract.width or round(ratio * height) > contract.height:
        ratio = min(contract.width / width, contract.height / height)
    new_w, new_h = max(1, round(width * ratio)), max(1, round(height * ratio))
    # OpenCV takes the factor: it must not come to nothing on the shorter edge of a line
    scale_x, scale_y = max(ratio, 1 / width), max(ratio, 1 / height)
    return Area(0, 0, new_w, new_h, Placement(scale_x, scale_y, 0.0, 0.0, width, height))


def normalise(image: NDArray[np.uint8], contract: Contract) -> NDArray[Any]:
    """Pixels in the network's size and colour order to its tensor."""
    planes = [image] if image.ndim == 2 else cv2.split(image)
    if contract.dtype == "uint8":
        stacked = np.stack([np.asarray(plane) for plane in planes])
    else:
        tables = value_tables(contract.mean, contract.std)
        stacked = np.stack([cv2.LUT(plane, table) for plane, table in zip(planes, tables, strict=True)])
        if contract.dtype == "float16":
            stacked = stacked.astype(np.float16)
    if contract.layout == "NHWC":
        stacked = np.ascontiguousarray(stacked.transpose(1, 2, 0))
    return stacked[None]


@functools.lru_cache(maxsize=16)
def value_tables(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[NDArray[np.float32], ...]:
    """Normalised value of each raw byte, one table of 256 a channel: exact rounding, no arithmetic per pixel."""
    raw = np.arange(256, dtype=np.float64)
    return tuple(((raw - m) / s).astype(np.float32) for m, s in zip(mean, std, strict=True))


def check_image(image: NDArray[np.uint8]) -> None:
    """Refuse what is no 8-bit BGR or gray image.

    Raises:
        DataError: another type or shape, or no array at all.
    """
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"an image must be a NumPy array, but got {type(image).__name__}",
            todo="pass BGR pixels as OpenCV reads them",
        )
    wrong_shape = image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3))
    if wrong_shape or image.dtype != np.uint8 or 0 in image.shape:
        raise DataError(
            "an image must be a uint8 array of shape (height, width), (height, width, 1) or (height, width, 3), "
            f"but got {image.dtype} {image.shape}",
            todo="pass BGR pixels as OpenCV reads them",
        )


def _u8(image: Any) -> NDArray[np.uint8]:
    return np.asarray(image, np.uint8)
