"""What the proof of an export says, for figures of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.data.contract import Contract
from edgewright.findings import Finding, Severity
from edgewright.graph.origin import Origin
from edgewright.verify.results import PartError
from edgewright.workflow.notes import is_void
from edgewright.workflow.proof_notes import conversion_note, failure_note, preprocessing_note, stability_notes

ORIGIN = Origin("paddle", "2.6.2", Path("a"), Path("b"), ("image",), ("boxes", "scores"))
CONTRACT = Contract(input="image", width=4, height=4)
OPS = {"conv2d": 3, "relu": 2}


def errors(boxes: float | None, scores: float | None = 0.0) -> tuple[PartError, ...]:
    return tuple(
        PartError(part=name, cosine=1.0, relative_l2=value, sqnr_db=None, max_error=None, channels=())
        for name, value in (("boxes", boxes), ("scores", scores))
    )


def conversion(figures: tuple[PartError, ...], ops: dict[str, int] | None = None) -> Finding:
    return conversion_note("net", ORIGIN, figures, 4, 1e-3, OPS if ops is None else ops)


@pytest.mark.parametrize(
    ("size", "severity"),
    [
        (0.0, Severity.INFO),
        (1e-4, Severity.INFO),
        (1.1e-4, Severity.WARNING),
        (1e-3, Severity.WARNING),
        (1.1e-3, Severity.ERROR),
        (None, Severity.ERROR),
    ],
)
def test_how_much_an_error_of_the_conversion_matters(size: float | None, severity: Severity) -> None:
    for found in (conversion(errors(size)), conversion(errors(0.0, size))):
        assert (found.code, found.severity) == ("EW123", severity)
        assert is_void(found) == (severity is Severity.ERROR)


def test_the_worst_part_and_what_to_look_at() -> None:
    found = conversion(errors(1e-2, 2e-4))
    assert "relative L2 0.01 (boxes)" in found.message
    assert "No op of it sorts" in found.message
    assert found.evidence["parts"] == {"boxes": 1e-2, "scores": 2e-4}
    sorting = conversion(errors(2e-4), {**OPS, "top_k_v2": 1, "argsort": 1})
    assert "top_k_v2, argsort turns" in sorting.message
    assert "beyond measure" in conversion(errors(None)).message


def test_a_model_on_which_the_framework_disagrees_with_itself_as_much() -> None:
    """Then nothing speaks against the conversion, but it must not go unsaid."""

    def found(size: float, own: float) -> Finding:
        return conversion_note("net", ORIGIN, errors(size), 4, 1e-3, {**OPS, "top_k_v2": 1}, own)

    assert found(0.03, 0.035).severity is Severity.WARNING
    assert "differs from itself by 0.035 (EW124)" in found(0.03, 0.035).message
    assert found(0.03, 0.01).severity is Severity.ERROR
    assert found(0.03, 0.0).severity is Severity.ERROR
    assert "EW124" not in found(0.03, 0.01).message
    assert found(1e-5, 0.035).severity is Severity.INFO


def test_a_model_on_which_onnx_runtime_disagrees_with_itself_as_much() -> None:
    found = conversion_note("net", ORIGIN, errors(0.1), 4, 1e-3, {"topk": 1}, 0.0, 0.09)
    assert found.severity is Severity.WARNING
    assert "ONNX Runtime differs from itself by 0.09 when it does not optimise" in found.message
    assert conversion_note("net", ORIGIN, errors(0.1), 4, 1e-3, OPS, 0.0, 1e-6).severity is Severity.ERROR


def test_a_framework_that_agrees_with_itself_says_nothing() -> None:
    ways = {"oneDNN off": errors(0.0), "oneDNN on": errors(1e-5)}
    assert stability_notes(ORIGIN, "oneDNN off", {}, ways, {way: errors(1e-6) for way in ways}) == []


@pytest.mark.parametrize(
    ("off", "on", "said"),
    [
        (1e-6, 0.3, "oneDNN off agrees with ONNX"),
        (0.3, 1e-6, "oneDNN on agrees with ONNX"),
        (0.2, 0.3, "neither agrees"),
    ],
)
def test_which_setting_agrees_with_onnx(off: float, on: float, said: str) -> None:
    apart = {"oneDNN off": errors(0.0), "oneDNN on": errors(0.3)}
    (found,) = stability_notes(ORIGIN, "oneDNN off", {}, apart, {"oneDNN off": errors(off), "oneDNN on": errors(on)})
    assert (found.code, found.severity) == ("EW124", Severity.WARNING)
    assert said in found.message
    assert "relative L2 0.3 (boxes)" in found.message


def test_two_runs_that_differ() -> None:
    ways = {"oneDNN off": errors(0.0)}
    (found,) = stability_notes(ORIGIN, "oneDNN off", {"boxes": 0.25, "scores": -1.0}, ways, ways)
    assert "boxes by 0.25, scores in shape or NaN" in found.message


def test_a_setting_that_fails() -> None:
    found = failure_note(ORIGIN, "oneDNN on", "a segmentation fault (SIGSEGV).", "oneDNN off")
    assert found.code == "EW126"
    assert "with oneDNN on: a segmentation fault (SIGSEGV). With oneDNN off it runs." in found.message


def preprocessing(mine: np.ndarray, theirs: np.ndarray) -> Finding:
    same = np.ones((1, 3, 4, 4))
    return preprocessing_note([same, mine], [same, theirs], ["a.png", "b.png"], CONTRACT)


def test_equal_tensors() -> None:
    found = preprocessing(np.full((1, 3, 4, 4), 2.0), np.full((1, 3, 4, 4), 2.00001))
    assert (found.code, found.severity) == ("EW125", Severity.INFO)
    assert found.evidence["largest"] == pytest.approx(5e-6, rel=1e-3)


def test_other_tensors_name_the_image() -> None:
    found = preprocessing(np.full((1, 3, 4, 4), 2.0), np.full((1, 3, 4, 4), 2.0001))
    assert found.severity is Severity.WARNING
    assert "b.png by 5e-05 of the largest value" in found.message
    assert "shapes [1, 3, 4, 4] and [1, 3, 4, 8]" in preprocessing(np.ones((1, 3, 4, 4)), np.ones((1, 3, 4, 8))).message


def test_padding_beyond_that_of_the_framework() -> None:
    padded = np.zeros((1, 3, 4, 4))
    padded[..., :2] = 1.0
    found = preprocessing(padded, np.ones((1, 3, 4, 2)))
    assert found.severity is Severity.WARNING
    assert "1 of them are padded further" in found.message
    assert "gives what PaddleDetection's own steps give" in found.message
    padded[..., 3] = 0.1
    assert "gives something else" in preprocessing(padded, np.ones((1, 3, 4, 2))).message
