"""Remedies, tried with a stand-in for Paddle; with the real one in `test_real_faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.targets.paddle import remedies as module
from edgewright.targets.paddle.advice import explained
from edgewright.targets.paddle.inference import Options
from edgewright.targets.paddle.remedies import Setup, Tried, from_json, remedies, try_remedies
from edgewright.toolchains.causes import Cause
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.vendors import vendor_rules

SETUP = Setup("3.0.0rc1", Options())


def death(code: str | None = None, kind: str = "exception") -> Death:
    cause = Cause(code, "it broke", "mend it", "line", "here") if code else None
    return Death(kind, "it died", cause=cause)  # type: ignore[arg-type]


def tried_with(
    code: str | None, works: set[str], kind: str = "exception", program: str = "model.json"
) -> tuple[Setup | None, dict[str, Tried], list[str]]:
    ran: list[str] = []

    def run(name: str, setup: Setup) -> None:
        assert setup != SETUP
        ran.append(name)
        if name not in works:
            raise WorkerFailed("no", death("other"), log=Path("log.txt"))

    found, tried = try_remedies(death(code, kind), SETUP, Path(program), run)
    return found, {one.name: one for one in tried}, ran


@pytest.fixture(autouse=True)
def three_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed_versions", lambda: ("2.6.2", "3.3.1", "3.0.0rc1"))


def test_the_table_names_causes_that_there_are() -> None:
    codes = {rule.code for rule in vendor_rules("paddle")} | {module.CRASH, module.UNKNOWN}
    for remedy in remedies():
        assert remedy.causes
        assert remedy.causes <= codes
        Options.from_json(remedy.options or {})
    assert len({remedy.name for remedy in remedies()}) == len(remedies())


def test_the_first_that_works_is_taken_and_all_are_told() -> None:
    found, tried, ran = tried_with("pir-output-defs", {"second-predictor", "other-version-3.3.1"})
    assert found == Setup("3.0.0rc1", Options(attempts=2))
    assert ran == ["onednn-off", "second-predictor", "ir-optim-off", "other-version-3.3.1"]
    assert [tried[name].state for name in ran] == ["fails", "works", "fails", "works"]
    assert tried["onednn-off"].why == "other"
    assert tried["gpu"].state == tried["export-again"].state == "not tried"
    assert str(tried["gpu"]).endswith("its kernels are others: not tried")


def test_an_older_version_is_tried_where_it_reads_the_program() -> None:
    assert "other-version-2.6.2" not in tried_with("pir-output-defs", set())[1]
    assert "other-version-2.6.2" in tried_with("unknown-op", set(), program="model.pdmodel")[1]


def test_what_cannot_help_is_not_tried() -> None:
    """A file that is cut off stays so, whatever the configuration."""
    found, tried, ran = tried_with("cut-weights", {"onednn-off"})
    assert (found, tried, ran) == (None, {}, [])
    found, tried, ran = tried_with("gpu-only-op", {"onednn-off"})
    assert (found, ran) == (None, [])
    assert set(tried) == {"gpu", "plain-ops"}


def test_failures_without_a_known_line_have_remedies_too() -> None:
    assert tried_with(None, {"ir-optim-off"})[0] == Setup("3.0.0rc1", Options(ir_optim=False))
    assert "second-predictor" not in tried_with(None, set(), kind="signal")[2], "a crash leaves no second one"


def test_what_is_said_where_nothing_works_and_where_something_does() -> None:
    def said(*states: str) -> WorkerFailed:
        names = ("use A", "use B", "use C")
        tried = [Tried(what, what, state) for what, state in zip(names, states, strict=True)]  # type: ignore[arg-type]
        return explained(WorkerFailed("no", death("unknown-op"), log=Path("log.txt")), tried)

    none = said("fails", "fails", "not tried")
    assert "none of the remedies that can be tried here works:" in none.why
    assert none.todo == "mend it; or use C"
    some = said("fails", "works", "not tried")
    assert "use A: fails" in some.why
    assert "none of" not in some.why
    assert some.todo == "use B"


def test_options_are_changed_and_not_replaced() -> None:
    seen: list[Options] = []

    def run(name: str, setup: Setup) -> None:
        del name
        seen.append(setup.options)

    try_remedies(death("pir-attribute"), Setup("3.3.1", Options(onednn="off", threads=2)), Path("m.json"), run)
    assert Options(onednn="off", threads=2, ir_optim=False) in seen
    assert Options(onednn="off", threads=2) in seen, "with another version"
    assert len(seen) == 2, "switching off what is off is no remedy"


def test_a_setup_survives_json() -> None:
    setup = Setup("3.3.1", Options(onednn="off", attempts=2))
    assert from_json(setup.to_json()) == setup
    with pytest.raises(ValueError, match="onednn"):
        Options.from_json({"onednn": "rm -rf"})
    with pytest.raises(ValueError, match="attempts"):
        Options.from_json({"attempts": 10**9})
