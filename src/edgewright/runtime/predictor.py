"""The predictor: a proven bundle, ready for images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgewright.bundle.golden import Golden
from edgewright.bundle.manifest import Manifest
from edgewright.bundle.open import Bundle
from edgewright.data.contract import Contract, Placement, place, to_colour, to_tensor
from edgewright.data.images import read_image
from edgewright.errors import BundleError
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import feeds_for, image_port
from edgewright.runtime.decode import Outputs, Prediction, family_of, merged
from edgewright.runtime.golden import GoldenResult
from edgewright.runtime.input_path.frames import FrameFormat
from edgewright.runtime.input_path.path import InputPath
from edgewright.runtime.laps import UNTIMED, Laps
from edgewright.runtime.moved import bytes_moved
from edgewright.runtime.output_path.path import OutputPath
from edgewright.runtime.stream import Stream
from edgewright.targets.backend import Feeds, Session
from edgewright.tasks.base import DecodeSettings

ImageLike = NDArray[np.uint8] | str | Path


class Predictor:
    """A bundle with an open session. Made by `load`; close it, or use it in a `with`.

    Not for several threads at once, for frames go through buffers that are used again: open one for each.

    Attributes:
        input_path: how frames become the network's input, with its proof.
        output_path: how the network's outputs become predictions.
        golden: how far each part of each golden sample was from what was recorded; empty with `check=False`.
        ran_on: runtime and device, in words.
    """

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        golden: tuple[GoldenResult, ...] = (),
        restorer: Restorer | None = None,
    ) -> None:
        self.golden = golden
        self.ran_on = session.ran_on
        self._bundle = bundle
        self._session: Session | None = session
        self._held = ExitStack()
        self._head = bundle.manifest.to_head()
        self._settings = bundle.manifest.to_settings()
        family, restore = family_of(self._head, str(bundle.folder)), bundle.restore()
        self.input_path = InputPath(self.contract, image_port(bundle.artifact, self.contract))
        recorded = (sample.outputs for sample in bundle.golden())  # read only where a proof needs them
        self.output_path = OutputPath(
            bundle.artifact, self._head, family, self.contract, self.names, restore, restorer, samples=recorded
        )

    @property
    def manifest(self) -> Manifest:
        """What the bundle says it is."""
        return self._bundle.manifest

    @property
    def names(self) -> Sequence[str]:
        """Class names by class id; empty when they are not known."""
        return self.manifest.names

    @property
    def contract(self) -> Contract:
        """How an image becomes the network's input."""
        return self.manifest.contract

    @property
    def target(self) -> str:
        """`vendor/chip`."""
        return self.manifest.target

    def __call__(
        self,
        image: ImageLike,
        *,
        confidence: float | None = None,
        iou: float | None = None,
        frame_format: FrameFormat = "BGR",
    ) -> Prediction:
        """What the network sees in an image.

        Args:
            image: (height, width, 3) BGR or (height, width) gray, uint8; or the path of an image file.
            confidence: smallest score that is kept; None takes the bundle's.
            iou: overlap above which the weaker of two boxes is dropped; None takes the bundle's.
            frame_format: what an array is: BGR (or gray), RGB, GRAY, NV12, NV21 or YUYV.

        Returns:
            `Detections` or `Keypoints` in image pixels, or `Classes`; real outputs by name for a head without a known
            meaning.

        Raises:
            DataError: the image cannot be read or is none, or not of its format.
            ToolchainError: the runtime failed.
        """
        return self._predict(image, frame_format, merged(self._settings, confidence, iou), UNTIMED)

    def timed(self, image: ImageLike, *, frame_format: FrameFormat = "BGR") -> tuple[Prediction, Laps]:
        """`__call__`, with the time of each stage."""
        laps = Laps()
        return self._predict(image, frame_format, self._settings, laps), laps

    def timed_plain(self, image: ImageLike) -> tuple[Prediction, Laps]:
        """The same result in the plain form: new arrays, every value normalised in float and converted back."""
        laps, contract, artifact = Laps(), self.contract, self._bundle.artifact
        pixels, _ = _pixels(image, "BGR")
        laps.lap("grab")
        placed, area = place(to_colour(pixels, contract.colour), contract)
        laps.lap("resize")
        feeds = feeds_for(artifact, contract, to_tensor(placed, area, contract))
        laps.lap("input set")
        outputs = self._open_session()(feeds)
        laps.lap("run")
        return self.output_path.plain(outputs, area.placement, self._settings, laps), laps

    def _predict(self, image: ImageLike, frame_format: FrameFormat, settings: DecodeSettings, laps: Laps) -> Prediction:
        session = self._open_session()
        pixels, given = _pixels(image, frame_format)
        laps.lap("grab")
        tensor, placement = self.input_path(pixels, None, given, laps)
        outputs = session({self.contract.input: tensor})
        laps.lap("run")
        return self.decode(outputs, placement, settings, laps)

    def stream(
        self,
        frames: Iterable[ImageLike],
        *,
        depth: int = 2,
        confidence: float | None = None,
        iou: float | None = None,
        frame_format: FrameFormat = "BGR",
    ) -> Stream[ImageLike, Prediction]:
        """Predictions of frames in order, while the host's work and the runtime's go on side by side.

        Until it ends or is closed, the predictor belongs to the stream.

        Args:
            frames: taken one at a time, as they are wanted; a slow reader slows them down.
            depth: frames that may wait before the runtime, and results after it.
            confidence, iou, frame_format: see `__call__`.
        """
        settings = merged(self._settings, confidence, iou)
        free: deque[NDArray[Any]] = deque()  # the network's buffers that nobody reads any more

        def prepare(image: ImageLike, laps: Laps) -> tuple[Feeds, Any]:
            pixels, given = _pixels(image, frame_format)
            laps.lap("grab")
            buffer = free.popleft() if free else self.input_path.new_buffer()
            tensor, placement = self.input_path(pixels, buffer, given, laps)
            return {self.contract.input: tensor}, (placement, tensor)

        def finish(outputs: Mapping[str, NDArray[Any]], known: Any, laps: Laps) -> Prediction:
            placement, buffer = known
            found = self.decode(outputs, placement, settings, laps)
            free.append(buffer)
            return found

        return Stream(frames, prepare, self._open_session().run_many, finish, depth=depth)

    def predict_many(
        self,
        images: Iterable[ImageLike],
        *,
        confidence: float | None = None,
        iou: float | None = None,
        frame_format: FrameFormat = "BGR",
    ) -> Iterator[Prediction]:
        """`__call__` for images in order, read as they are wanted; a target that pays for each start pays once."""
        settings = merged(self._settings, confidence, iou)
        return self._predict_many(images, settings, frame_format)

    def _predict_many(
        self, images: Iterable[ImageLike], settings: DecodeSettings, frame_format: FrameFormat
    ) -> Iterator[Prediction]:
        placements: deque[Placement] = deque()  # a session may read ahead: each input lies in a buffer of its own

        def feeds() -> Iterator[Feeds]:
            for image in images:
                sample, placement = self.prepare(image, frame_format)
                placements.append(placement)
                yield sample

        for outputs in self._open_session().run_many(feeds()):
            yield self.decode(outputs, placements.popleft(), settings)

    def raw(self, image: ImageLike) -> Outputs:
        """Real values of the network's outputs for an image, by name, restored but undecoded.

        Each is converted when it is asked for.
        """
        return self.output_path.real(self._open_session()(self.prepare(image)[0]))

    def prepare(self, image: ImageLike, frame_format: FrameFormat = "BGR") -> tuple[Feeds, Placement]:
        """What the session is fed for an image, in a buffer of its own, and where the image lies in it."""
        pixels, given = _pixels(image, frame_format)
        tensor, placement = self.input_path(pixels, self.input_path.new_buffer(), given)
        return {self.contract.input: tensor}, placement

    def decode(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        settings: DecodeSettings | None = None,
        laps: Laps = UNTIMED,
    ) -> Prediction:
        """Outputs of the session for one image to what they mean, in image pixels.

        Raises:
            BundleError: an output is missing, or the head of the manifest does not fit the outputs.
        """
        try:
            return self.output_path(outputs, placement, settings or self._settings, laps)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise BundleError(
                f"the outputs cannot be decoded as {self._head.family!r}",
                where=str(self._bundle.folder),
                why=f"{type(error).__name__}: {error}",
                todo="pack the bundle again with `edgewright deploy`",
            ) from error

    def moved(self, image: NDArray[np.uint8]) -> dict[str, int]:
        """Bytes that each stage of the host's must read and write for such a frame."""
        return bytes_moved(self._bundle.artifact, self.contract, image)

    def golden_samples(self) -> Sequence[Golden]:
        """What was recorded when the bundle was packed."""
        return self._bundle.golden()

    def hold(self, held: ExitStack) -> None:
        """Take over what must be closed with this predictor."""
        self._held.push(held)

    def close(self) -> None:
        """Close the session and remove the bundle's temporary folder, if there is one."""
        self._session = None
        self._held.close()

    def _open_session(self) -> Session:
        if self._session is None:
            raise ValueError("this predictor is closed")
        return self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pixels(image: ImageLike, frame_format: FrameFormat) -> tuple[NDArray[np.uint8], FrameFormat]:
    """An array as it was given; a file as it is read, in BGR whatever the camera gives."""
    return (read_image(Path(image)), "BGR") if isinstance(image, (str, Path)) else (image, frame_format)
