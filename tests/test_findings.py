"""The catalogue and the code agree: every code that is used is explained, and none is explained that is never used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgewright.errors import UserError
from edgewright.findings import Finding, Severity, catalogue, explain

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "edgewright"


def used() -> set[str]:
    return {code for path in PACKAGE.rglob("*.py") for code in re.findall(r"\"(EW\d{3})\"", path.read_text("utf-8"))}


def test_codes_in_the_code_and_in_the_catalogue_are_the_same() -> None:
    assert used() == set(catalogue())


@pytest.mark.parametrize("code", list(catalogue()))
def test_every_entry_says_what_it_means(code: str) -> None:
    entry = explain(code.lower())
    assert entry.title
    assert not entry.title.endswith(".")
    assert entry.meaning.endswith((".", ")"))
    assert all(remedy and not remedy.endswith(".") for remedy in entry.remedies)


def test_unknown_codes() -> None:
    with pytest.raises(UserError, match="EW999") as caught:
        explain("EW999")
    assert "EW301" in caught.value.todo
    with pytest.raises(ValueError, match="EW999"):
        Finding("EW999", Severity.INFO, "", "")


def test_round_trip() -> None:
    finding = Finding("EW301", Severity.ERROR, "join", "message", {"step": 2.5}, "cut")
    assert Finding.from_json(finding.to_json()) == finding
