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

from edgewright.bundle.archive import Limits
from edgewright.bundle.manifest import Manifest
from edgewright.bundle.open import Bundle, open_bundle
from edgewright.data.contract import Contract, Placement, preprocess
from edgewright.data.images import read_image
from edgewright.errors import BundleError
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import feeds_for
from edgewright.runtime.decode import Outputs, Prediction, family_of, merged
from edgewright.runtime.golden import GoldenResult, check_golden
from edgewright.runtime.host import backend_for, check_host
from edgewright.runtime.output_path.path import OutputPath
from edgewright.targets.backend import Backend, Feeds, Session
from edgewright.tasks.base import DecodeSettings

ImageLike = NDArray[np.uint8] | str | Path


class Predictor:
    """A bundle with an open session. Made by `load`; close it, or use it in a `with`.

    Not for several threads at once: open one for each.

    Attributes:
        output_path: from the session's outputs to predictions: what is done, and why.
        golden: how far each part of each golden sample was from what was recorded; empty with `check=False`.
        ran_on: runtime and device, in words.
    """

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        golden: tuple[GoldenResult, ...] = (),
        held: ExitStack | None = None,
        restorer: Restorer | None = None,
    ) -> None:
        self.golden = golden
        self.ran_on = session.ran_on
        self._bundle = bundle
        self._session: Session | None = session
        self._held = held or ExitStack()
        self._head = bundle.manifest.to_head()
        self._settings = bundle.manifest.to_settings()
        family = family_of(self._head, str(bundle.folder))
        restore = bundle.restore()
        self.output_path = OutputPath(bundle.artifact, self._head, family, self.contract, self.names, restore, restorer)

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

    def __call__(self, image: ImageLike, *, confidence: float | None = None, iou: float | None = None) -> Prediction:
        """What the network sees in an image.

        Args:
            image: (height, width, 3) BGR or (height, width) gray, uint8; or the path of an image file.
            confidence: smallest score that is kept; None takes the bundle's.
            iou: overlap above which the weaker of two boxes is dropped; None takes the bundle's.

        Returns:
            `Detections` or `Keypoints` in image pixels; real outputs by name for a head without a known meaning.

        Raises:
            DataError: the image cannot be read or is none.
            ToolchainError: the runtime failed.
        """
        return next(self.predict_many([image], confidence=confidence, iou=iou))

    def predict_many(
        self, images: Iterable[ImageLike], *, confidence: float | None = None, iou: float | None = None
    ) -> Iterator[Prediction]:
        """`__call__` for images in order, read as they are wanted; a target that pays for each start pays once."""
        settings = merged(self._settings, confidence, iou)
        return self._predict_many(images, settings)

    def _predict_many(self, images: Iterable[ImageLike], settings: DecodeSettings) -> Iterator[Prediction]:
        placements: deque[Placement] = deque()  # a session may read ahead

        def feeds() -> Iterator[Feeds]:
            for image in images:
                sample, placement = self.prepare(image)
                placements.append(placement)
                yield sample

        for outputs in self._open_session().run_many(feeds()):
            yield self.decode(outputs, placements.popleft(), settings)

    def raw(self, image: ImageLike) -> Outputs:
        """Real values of the network's outputs for an image, by name, restored but undecoded.

        Each is converted when it is asked for.
        """
        return self.output_path.real(self._open_session()(self.prepare(image)[0]))

    def prepare(self, image: ImageLike) -> tuple[Feeds, Placement]:
        """What the session is fed for an image, at the artifact's boundary types, and where the image lies in it."""
        pixels = read_image(Path(image)) if isinstance(image, (str, Path)) else image
        tensor, placement = preprocess(pixels, self.contract)
        return feeds_for(self._bundle.artifact, self.contract, tensor), placement

    def decode(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        settings: DecodeSettings | None = None,
    ) -> Prediction:
        """Outputs of the session for one image to what they mean, in image pixels.

        Raises:
            BundleError: an output is missing, or the head of the manifest does not fit the outputs.
        """
        try:
            return self.output_path(outputs, placement, settings or self._settings)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise BundleError(
                f"the outputs cannot be decoded as {self._head.family!r}",
                where=str(self._bundle.folder),
                why=f"{type(error).__name__}: {error}",
                todo="pack the bundle again with `edgewright deploy`",
            ) from error

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


def load(
    path: str | Path, *, check: bool = True, backend: Backend | None = None, limits: Limits | None = None
) -> Predictor:
    """Open a bundle, prove that it belongs here and computes what was packed, and make it ready for images.

    Args:
        path: a bundle, folder or .zip.
        check: run the golden samples; without it nothing is proven of what this host computes.
        backend: what runs the artifact; None looks the bundle's target up.
        limits: what opening may cost.

    Raises:
        BundleError: damaged, altered, unsafe, of a newer schema, or it computes something else than when it was packed.
        TargetMismatch: it belongs to another target, another host or another runtime.
        ToolchainError: the runtime failed.
    """
    with ExitStack() as held:
        bundle = held.enter_context(open_bundle(path, limits=limits))
        backend = backend or backend_for(bundle.manifest, str(path))
        check_host(bundle.manifest, backend, str(path))
        session = held.enter_context(backend.open(bundle.artifact))
        restorer = Restorer(bundle.restore())
        results = check_golden(bundle, session, backend, restorer) if check else ()
        predictor = Predictor(bundle, session, results, restorer=restorer)
        _try_once(predictor, bundle)
        predictor._held = held.pop_all()
    return predictor


def _try_once(predictor: Predictor, bundle: Bundle) -> None:
    """Decode a recorded output: a head that does not fit the artifact is found now, not at the first image."""
    contract = bundle.manifest.contract
    image = np.zeros((contract.height, contract.width, 3), np.uint8)
    _, placement = predictor.prepare(image)
    predictor.decode(bundle.golden()[0].outputs, placement)
