"""Where the time of a frame goes: each stage of a bundle beside what the memory allows and beside the plain way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.data.frames import frames
from edgewright.data.images import Image, image_from_bytes
from edgewright.errors import DataError
from edgewright.runtime.laps import StageTime, StageTimes
from edgewright.runtime.load import load
from edgewright.runtime.memory import copy_seconds
from edgewright.runtime.predictor import Predictor
from edgewright.workflow.progress import Progress

RUN = "run"
_WARM_UP = 5
_KEPT = 64
"""Frames of a source that are decoded beforehand and used again and again, where reading them is not what is timed."""


@dataclass(frozen=True)
class Row:
    """A stage.

    Attributes:
        time: median and 90th percentile.
        moved: bytes that it must read and write, None where that is not the memory's work.
        limit: milliseconds in which this machine copies as many bytes.
        plain: median milliseconds of the same stage in the plain form (float arrays, every value converted); None where
            there is no such stage.
    """

    time: StageTime
    moved: int | None
    limit: float | None
    plain: float | None

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {
            **self.time.to_json(),
            "bytes": self.moved,
            "limit_ms": None if self.limit is None else round(self.limit, 4),
            "plain_ms": None if self.plain is None else round(self.plain, 4),
        }


@dataclass(frozen=True)
class Benched:
    """What was measured.

    Attributes:
        target, ran_on: of the bundle, and what ran it.
        source: what the frames were, in words.
        frames: number of frames timed, after a warm-up.
        rows: stages in the order of a frame's way.
        plain_host: median milliseconds of the host's work in the plain form.
        alone, stream: frames a second, one after the other and by `Predictor.stream`.
    """

    target: str
    ran_on: str
    source: str
    frames: int
    rows: tuple[Row, ...]
    plain_host: float
    alone: float
    stream: float

    @property
    def frame(self) -> float:
        """Milliseconds of a frame, all stages one after the other."""
        return sum(row.time.median for row in self.rows)

    @property
    def host(self) -> float:
        """Milliseconds of all stages but the runtime's."""
        return sum(row.time.median for row in self.rows if row.time.stage != RUN)

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {
            "schema_version": 1,
            "verdict": "passed",
            "target": self.target,
            "ran_on": self.ran_on,
            "source": self.source,
            "frames": self.frames,
            "stages": [row.to_json() for row in self.rows],
            "frame_ms": round(self.frame, 4),
            "host_ms": round(self.host, 4),
            "host_share": round(self.host / self.frame, 4),
            "plain_host_ms": round(self.plain_host, 4),
            "fps": round(self.alone, 2),
            "stream_fps": round(self.stream, 2),
        }


def bench(bundle: Path, source: str | None, count: int, progress: Progress) -> Benched:
    """Time the stages of `count` frames, one after the other, then as a stream.

    Args:
        bundle: folder or zip.
        source: image, folder, video or camera, read as it is timed; None takes the bundle's golden images from memory.
        count: frames, 1 or more.

    Raises:
        BundleError, TargetMismatch: the bundle cannot be used here.
        DataError: the source has no frame, or the bundle no golden image.
        ToolchainError: the runtime failed.
    """
    with load(bundle) as predictor:
        first, told = _first(predictor, source)
        for _ in range(_WARM_UP):
            predictor.timed(first)
            predictor.timed_plain(first)
        ours, plain = StageTimes(), StageTimes()
        with progress.step("frames", count) as done:
            for image, grabbed in _timed(predictor, source, count):
                _, laps = predictor.timed(image)
                ours.add({**laps.seconds, "grab": laps.seconds["grab"] + grabbed})
                plain.add(predictor.timed_plain(image)[1].seconds)
                done()
        with progress.step("stream"):
            alone = _frames_a_second(predictor, source, count, lambda images: map(predictor, images))
            stream = _frames_a_second(predictor, source, count, predictor.stream)
        return Benched(
            predictor.target,
            predictor.ran_on,
            told,
            ours.frames,
            _rows(ours, plain, predictor.moved(first)),
            sum(row.median for row in plain.table() if row.stage != RUN),
            alone,
            stream,
        )


def _rows(ours: StageTimes, plain: StageTimes, moved: Mapping[str, int]) -> tuple[Row, ...]:
    as_plain = {row.stage: row.median for row in plain.table()}
    limits = {stage: 1e3 * copy_seconds(size) for stage, size in moved.items()}
    return tuple(Row(row, moved.get(row.stage), limits.get(row.stage), as_plain.get(row.stage)) for row in ours.table())


def _first(predictor: Predictor, source: str | None) -> tuple[Image, str]:
    """A frame to warm up with, and what the frames are, in words."""
    if source is not None:
        name, image = next(frames(source))
        return image, f"{name} and what follows it, read from {Path(source).name}"
    golden = _golden(predictor)
    return golden[0], f"{len(golden)} golden image{'s' if len(golden) != 1 else ''} of the bundle, from memory"


def _golden(predictor: Predictor) -> list[Image]:
    images = [
        image_from_bytes(sample.image, Path(f"golden image {number}"))
        for number, sample in enumerate(predictor.golden_samples())
        if sample.image is not None
    ]
    if not images:
        raise DataError("the bundle has no golden image", todo="name an image, a folder or a video behind the bundle")
    return images[:_KEPT]


def _timed(predictor: Predictor, source: str | None, count: int) -> Iterator[tuple[Image, float]]:
    """Frames with the seconds that grabbing took; none for frames from memory."""
    if source is None:
        yield from ((image, 0.0) for image in itertools.islice(itertools.cycle(_golden(predictor)), count))
        return
    given = 0
    while given < count:  # a short source is read again
        began = time.perf_counter()
        for _, image in frames(source):
            yield image, time.perf_counter() - began
            given += 1
            if given == count:
                return
            began = time.perf_counter()


def _frames_a_second(
    predictor: Predictor, source: str | None, count: int, predict: Callable[[Iterable[Image]], Iterable[Any]]
) -> float:
    began = time.perf_counter()
    for _ in predict(image for image, _ in _timed(predictor, source, count)):
        pass
    return count / (time.perf_counter() - began)
