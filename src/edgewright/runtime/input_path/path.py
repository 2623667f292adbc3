"""The input path: a frame in, the network's buffer out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Area, Contract, Placement, area_for, pad_tensor, resample
from edgewright.kernels.arithmetic import Flip
from edgewright.kernels.forms import INTERLEAVED, PLAIN, PLANES, PLANES_SWAPPED, SWAPPED
from edgewright.kernels.pixels import PixelMap
from edgewright.runtime.boundary import to_port
from edgewright.runtime.input_path.frames import Pixels, Scratch, check_frame, to_pixels
from edgewright.runtime.input_path.route import Route, choose_route
from edgewright.runtime.input_path.tables import port_layout, port_shape
from edgewright.runtime.laps import UNTIMED, Laps
from edgewright.targets.artifact import PortSpec


class InputPath:
    """Resizes, pads, normalises, quantises, swaps colours, moves axes: as `preprocess` and `to_port` do, to the bit.

    Buffers are allocated at the first frame of a size, and used again. Not for several threads at once: make one for
    each.

    Args:
        contract: how an image becomes the network's input.
        port: what the runtime takes.
        rounding: how the target makes a code of value / scale, a key of `tensors.ROUNDINGS`.
        look_up: look every value up even where arithmetic is proven, to see what that costs.

    Attributes:
        route: the way, with its proof.
        shape, dtype: of the network's buffer.

    Raises:
        BundleError: contract and port do not belong together.
    """

    def __init__(
        self, contract: Contract, port: PortSpec, rounding: str = "half-even", *, look_up: bool = False
    ) -> None:
        self.contract = contract
        self.route: Route = choose_route(contract, port, rounding, look_up=look_up)
        self.shape = port_shape(contract, port)
        self.dtype = self.route.tables.dtype
        self._gray = contract.channels == 1
        self._layout = port_layout(contract, port)
        self._planar = self._layout == "NCHW" and not self._gray
        self._raw_is_code = self.route.arithmetic[:1] == (Flip(0),) and self.route.kind == "identity"
        self._nothing: Any = None  # what the port takes for 0, where padding is that and not a raw value
        if contract.pad_in == "tensor":
            self._raw_is_code = False  # the border is no raw value that could be resized around
            codes = to_port(np.zeros(contract.shape, contract.dtype), port, contract.layout, rounding)[0]
            self._nothing = codes[:, :1, :1] if self._layout == "NCHW" else codes[:1, :1].transpose(2, 0, 1)
        self._rgb = contract.colour == "RGB"
        # OpenCV's cubic rounds the last elements of a row otherwise than those before them, so colours that are swapped
        # before it, as `preprocess` swaps them, are other bytes than colours that are swapped after it
        self._by_place = contract.interpolation == "cubic"
        self._size = (contract.height, contract.width)
        self._area = area_for(contract.width, contract.height, contract)
        self._maps: dict[bool, PixelMap] = {}
        self._scratch = Scratch({})
        self._placed = np.empty(0, np.uint8)
        self._padded: Area | None = None  # around which `_placed` is padded
        self._own: NDArray[Any] | None = None
        self._own_bytes = np.empty(0, np.uint8)
        self._mapped: Area | None = None  # around which `_own` is padded
        self._map(self._rgb)  # the usual one, so that the first frame finds it

    @property
    def engine(self) -> str:
        """What computes here, in words; nothing where raw bytes are resized right into the network's buffer."""
        if self._moves_nothing(self._rgb):
            return "none: the raw bytes are the codes"
        return self._map(self._rgb).engine

    def new_buffer(self) -> NDArray[Any]:
        """A buffer of the network's shape and type, for `out`."""
        return np.empty(self.shape, self.dtype)

    def __call__(
        self, frame: Pixels, out: NDArray[Any] | None = None, frame_format: str = "BGR", laps: Laps = UNTIMED
    ) -> tuple[NDArray[Any], Placement]:
        """The network's input for a frame.

        Args:
            frame: as `frame_format` says, uint8; read-only and strided arrays are fine. It is not changed.
            out: where to write, from `new_buffer`; None takes the path's own buffer, or the frame itself where its
                bytes already are the input: what comes back then holds until the next call, or until the frame changes.
            frame_format: BGR (or gray), RGB, GRAY, NV12, NV21, YUYV.
            laps: told the stages "resize" and "input set".

        Returns:
            The tensor, `shape` and `dtype`, and where the frame lies in it.

        Raises:
            DataError: the frame is not of its format.
            UserError: no such format.
            ValueError: `out` is not of the network's shape and type.
        """
        check_frame(frame, frame_format)
        pixels, rgb = to_pixels(frame, frame_format, self._gray, self._scratch)
        if out is not None and not self._fits(out):
            raise ValueError(
                f"out must be a contiguous {self.dtype} array of shape {self.shape}, but got {out.dtype} {out.shape}"
            )
        swapped = not self._gray and rgb != self._rgb
        area = self._area_for(pixels.shape[1], pixels.shape[0])
        if swapped and self._by_place and pixels.shape[:2] != (area.height, area.width):
            pixels, swapped = self._swapped_first(pixels), False
        whole = pixels.shape[:2] == self._size and pixels.flags.c_contiguous
        if self._moves_nothing(swapped):
            if whole and out is None:
                return pixels.reshape(self.shape), area.placement
            self._place_codes(pixels, area, self._own_buffer() if out is None else out, own=out is None)
            laps.lap("resize")
            return self._own_buffer() if out is None else out, area.placement
        source = pixels if whole else self._place(pixels, area)
        laps.lap("resize")
        tensor = self._mapped_into(source, area, out, swapped)
        laps.lap("input set")
        return tensor, area.placement

    def _swapped_first(self, pixels: Pixels) -> Pixels:
        turned = self._scratch.get("turned", pixels.shape)
        cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=turned)
        return turned

    def _area_for(self, width: int, height: int) -> Area:
        """The same object as long as frames have the same size: what was padded for it stays padded."""
        placement = self._area.placement
        if (placement.width, placement.height) != (width, height):
            self._area = area_for(width, height, self.contract)
        return self._area

    def _mapped_into(self, source: Pixels, area: Area, out: NDArray[Any] | None, swapped: bool) -> NDArray[Any]:
        mapping = self._map(swapped)
        if out is not None:
            mapping(source.reshape(-1), out.reshape(-1).view(np.uint8))
            self._pad_with_nothing(out, area)
            return out
        into = self._own_buffer()
        if self._mapped is area and area.width == self._size[1]:  # the border above and below is there
            mapping(source.reshape(-1), self._own_bytes, area.top * area.width, (area.top + area.height) * area.width)
        else:
            mapping(source.reshape(-1), self._own_bytes)
        self._pad_with_nothing(into, area)
        self._mapped = area
        return into

    def _pad_with_nothing(self, tensor: NDArray[Any], area: Area) -> None:
        if self._nothing is not None:
            pad_tensor(tensor, area, self._layout, self._nothing)

    def _map(self, swapped: bool) -> PixelMap:
        if swapped not in self._maps:
            tables, arithmetic = self.route.tables, self.route.arithmetic
            if self._gray:
                form = PLAIN
            elif self._planar:
                form = PLANES_SWAPPED if swapped else PLANES
            else:
                form = SWAPPED if swapped else INTERLEAVED
            self._maps[swapped] = PixelMap(tables, form, arithmetic)
        return self._maps[swapped]

    def _moves_nothing(self, swapped: bool) -> bool:
        return self._raw_is_code and not self._planar and not swapped

    def _own_buffer(self) -> NDArray[Any]:
        if self._own is None:
            self._own = self.new_buffer()
            self._own_bytes = self._own.reshape(-1).view(np.uint8)
        return self._own

    def _fits(self, out: NDArray[Any]) -> bool:
        return out.shape == self.shape and out.dtype == self.dtype and out.flags.c_contiguous and out.flags.writeable

    def _place(self, pixels: Pixels, area: Area) -> Pixels:
        """The frame in a buffer of the network's size; its border is painted when the area is another."""
        shape = (self.contract.height, self.contract.width, *pixels.shape[2:])
        if self._placed.shape != shape:
            self._placed, self._padded = np.empty(shape, np.uint8), None
        if self._padded is not area:
            self._pad(self._placed, area)
            self._padded = area
        self._resize(pixels, area, self._placed)
        return self._placed

    def _place_codes(self, pixels: Pixels, area: Area, out: NDArray[Any], own: bool) -> None:
        """The frame right in the network's buffer, whose elements are raw bytes."""
        target = out.view(np.uint8).reshape(self.contract.height, self.contract.width, *pixels.shape[2:])
        if not own or self._mapped is not area:
            self._pad(target, area)
        if own:
            self._mapped = area
        self._resize(pixels, area, target)

    def _pad(self, target: Pixels, area: Area) -> None:
        value, bottom, right = self.contract.pad_value, area.top + area.height, area.left + area.width
        for strip in (target[: area.top], target[bottom:], target[:, : area.left], target[:, right:]):
            strip[:] = value

    def _resize(self, pixels: Pixels, area: Area, target: Pixels) -> None:
        inside = target[area.top : area.top + area.height, area.left : area.left + area.width]
        if pixels.shape[:2] == (area.height, area.width):
            np.copyto(inside, pixels)
            return
        done = resample(pixels, area, self.contract, inside)
        if not np.shares_memory(done, inside):  # OpenCV took a buffer of its own
            np.copyto(inside, done)
