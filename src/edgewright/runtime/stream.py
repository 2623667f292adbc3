"""Frames in, predictions out, with the host's work beside the runtime's."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from edgewright.runtime.channel import Channel
from edgewright.runtime.laps import Laps, StageTimes
from edgewright.targets.backend import Feeds, Outputs

Frame = TypeVar("Frame")
Result = TypeVar("Result")
Passed = tuple[Feeds, Any, Laps]
"""What the session is fed or gave, what decoding must know of the frame, and the frame's times."""


class Stream(Generic[Frame, Result]):
    """An iterator over the predictions of frames, in order.

    One thread takes and prepares frames, a second one runs the network, and whoever iterates decodes: while frame n
    runs, frame n + 1 is prepared and frame n - 1 decoded. At most `depth` frames wait between two stages, so a slow
    reader slows the source down and memory stays flat.

    Iterate it to its end, or close it, or drop it: closing stops both threads. An error of any stage ends the stream:
    what was before it comes out first, then the error.

    Args:
        frames: taken one at a time, as they are wanted.
        prepare: a frame to what the session is fed, and what decoding must know of it.
        run_many: see `targets.backend.Session.run_many`.
        decode: outputs and what `prepare` gave beside the feeds, to a result.
        depth: frames that may wait before the runtime, and results after it.

    Attributes:
        times: how long each stage took. Stages overlap: a frame costs the slowest thread, not the sum.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        prepare: Callable[[Frame, Laps], tuple[Feeds, Any]],
        run_many: Callable[[Iterable[Feeds]], Iterator[Outputs]],
        decode: Callable[[Feeds, Any, Laps], Result],
        *,
        depth: int = 2,
    ) -> None:
        self.times = StageTimes()
        prepared: Channel[Passed] = Channel(depth)
        done: Channel[Passed] = Channel(depth)
        self._decode, self._done = decode, iter(done)
        # the threads know the channels and not the stream, so that a stream that is dropped ends them
        self._threads = (
            _thread("edgewright-prepare", _take, frames, prepare, prepared),
            _thread("edgewright-run", _run, run_many, prepared, done),
        )
        self._abandon = weakref.finalize(self, _abandon, prepared, done)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        outputs, known, laps = next(self._done)
        laps.start()
        result = self._decode(outputs, known, laps)
        self.times.add(laps.seconds)
        return result

    def close(self) -> None:
        """Stop. A stage that is in the middle of a frame ends it first; one that hangs is left behind after 5 s."""
        self._abandon()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _thread(name: str, work: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, name=name, daemon=True)
    thread.start()
    return thread


def _abandon(*channels: Channel[Any]) -> None:
    for channel in channels:
        channel.abandon()


def _take(
    frames: Iterable[Frame], prepare: Callable[[Frame, Laps], tuple[Feeds, Any]], prepared: Channel[Passed]
) -> None:
    with prepared.writing():
        source = iter(frames)
        while True:
            laps = Laps()
            try:
                frame = next(source)
            except StopIteration:
                return
            laps.lap("grab")
            feeds, known = prepare(frame, laps)
            prepared.put((feeds, known, laps))


def _run(
    run_many: Callable[[Iterable[Feeds]], Iterator[Outputs]], prepared: Channel[Passed], done: Channel[Passed]
) -> None:
    inside: deque[tuple[Any, Laps]] = deque()  # a session may read ahead

    def feeds() -> Iterator[Feeds]:
        for sample, known, laps in prepared:
            inside.append((known, laps))
            laps.start()
            yield sample

    with done.writing():
        for outputs in run_many(feeds()):
            known, laps = inside.popleft()
            laps.lap("run")
            done.put((outputs, known, laps))
    prepared.abandon()  # when the runtime failed, the source must not wait for it
