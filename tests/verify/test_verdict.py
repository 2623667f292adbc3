"""What passes and what does not."""

from __future__ import annotations

import pytest

from edgewright.findings import Finding, Severity
from edgewright.verify.results import Metric, PartError
from edgewright.verify.verdict import drop_of, limits, reasons_against, worst_error

ERROR = Finding("EW406", Severity.ERROR, "int8", "no detection")
WARNING = Finding("EW407", Severity.WARNING, "int8", "few levels")


def part(relative_l2: float | None) -> PartError:
    return PartError("scores", 1.0, relative_l2, None, None)


@pytest.mark.parametrize(
    ("drop", "findings", "relative_l2", "passes"),
    [
        (0.0, [], 0.5, True),
        (1.0, [], 0.5, True),
        (1.04, [], 0.5, True),  # printed as 1.0
        (1.06, [], 0.5, False),
        (-3.0, [], 0.5, True),
        (0.0, [ERROR], 0.0, False),
        (0.0, [WARNING], 0.0, True),
        (None, [], 0.05, True),
        (None, [], 0.2, False),
        (None, [], None, False),
    ],
)
def test_reasons(drop: float | None, findings: list[Finding], relative_l2: float | None, passes: bool) -> None:
    reasons = reasons_against(drop, [part(relative_l2)], findings, limits(None, 0.1, labelled=True))
    assert (not reasons) == passes


def test_drop_and_limits() -> None:
    assert drop_of(Metric("AP", 44.3, 64), Metric("AP", 39.1, 64)) == pytest.approx(5.2)
    assert drop_of(Metric("relative L2", 0.1, 4, False), Metric("relative L2", 0.3, 4, False)) == pytest.approx(0.2)
    assert drop_of(None, Metric("AP", 1, 1)) is None
    assert limits(None, 0.1, labelled=False).max_drop > limits(None, 0.1, labelled=True).max_drop
    assert limits(0.5, 0.1, labelled=False).max_drop == 0.5
    assert worst_error([part(0.1), part(None)]) is None
