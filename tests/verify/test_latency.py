"""Who holds the clock: we do, or a session that starts a process for each call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from edgewright.data.contract import contract_for_model
from edgewright.runtime.artifact_session import ArtifactSession
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import SelfTimed
from edgewright.tensors import TensorSpec
from edgewright.verify.latency import measure_latency, slower_finding
from edgewright.verify.results import Latency

FEEDS = {"x": np.zeros((1, 3, 4, 4), np.float32)}


class Plain:
    """Answers at once."""

    ran_on = "here"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        return dict(feeds)

    def run_many(self, feeds: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        return map(self, feeds)

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None: ...


class Timed(Plain):
    """Says that a run takes 7 ms, the slowest 9 ms."""

    keeps_time = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, int, int]] = []

    def time_runs(self, feeds: Mapping[str, Any], seconds: float, least: int, most: int) -> tuple[Sequence[float], str]:
        assert list(feeds) == ["x"]
        self.asked.append((seconds, least, most))
        return [0.007] * 8 + [0.009] * 3, "in one process"


def wrapped(session: Plain) -> ArtifactSession:
    port = PortSpec(TensorSpec("x", "float32", (1, 3, 4, 4)))
    artifact = Artifact("acme/one", "float", ("a",), None, (port,), (port,), {}, "")  # type: ignore[arg-type]
    contract = contract_for_model(
        input="x", width=4, height=4, colour="RGB", resize="stretch", mean=(0.0,) * 3, std=(1.0,) * 3
    )
    return ArtifactSession(session, artifact, contract)


@pytest.mark.parametrize("wrap", [lambda session: session, wrapped])
def test_a_session_that_keeps_time_is_asked(wrap: Any) -> None:
    timed, plain = Timed(), Plain()
    found = measure_latency({"a": wrap(timed), "b": wrap(plain)}, FEEDS, seconds=0.01, threads=3)
    assert list(found) == ["a", "b"]
    assert (found["a"].median_ms, found["a"].p90_ms, found["a"].runs) == (7.0, 9.0, 11)
    assert found["a"].note == "in one process"
    assert found["a"].source == "measured"
    assert timed.calls == 0, "a call would be a process start"
    assert timed.asked == [(0.01, 15, 200)]
    assert plain.calls > 15
    assert found["b"].median_ms < 7
    assert found["b"].note == "interleaved, batch 1, 3 threads"


def test_a_wrapped_session_keeps_time_only_if_its_inner_one_does() -> None:
    session = wrapped(Plain())
    assert isinstance(session, SelfTimed)
    assert not session.keeps_time
    with pytest.raises(TypeError):
        session.time_runs(FEEDS, 1.0, 1, 1)
    assert wrapped(Timed()).keeps_time


@pytest.mark.parametrize(
    ("source", "note", "said"),
    [
        ("measured", "", "int8 takes 6.20 ms and float 2.20 ms: it is not faster on this host."),
        (
            "estimated",
            "its compiler's model",
            "int8 takes 6.20 ms and float 2.20 ms (estimated: its compiler's model): it is not faster on this target.",
        ),
    ],
)
def test_what_is_slower_than_float_is_told_with_whose_figure_it_is(source: str, note: str, said: str) -> None:
    in_float, slow, quick = (Latency(ms, ms, source, 0, note) for ms in (2.2, 6.2, 1.0))
    assert slower_finding(in_float, "int8", quick) is None
    found = slower_finding(in_float, "int8", slow)
    assert found is not None
    assert (found.code, found.message) == ("EW501", said)
