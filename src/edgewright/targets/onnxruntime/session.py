"""Running an artifact in ONNX Runtime on this CPU, in our own process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType

from typing_extensions import Self

from edgewright.graph.reference import Feeds, Outputs, ReferenceSession


class CpuSession:
    """A loaded ONNX artifact; see `targets.backend.Session`."""

    def __init__(self, data: bytes, name: str, *, threads: int = 0) -> None:
        import onnxruntime as ort

        self.ran_on = f"onnxruntime {ort.__version__} cpu"
        self._session: ReferenceSession | None = ReferenceSession(data, threads=threads, name=name)

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample."""
        if self._session is None:
            raise ValueError("this session is closed")
        return self._session(feeds)

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order."""
        for sample in feeds:
            yield self(sample)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None
