"""The terminal table: as the design shows it, in any width, encoding and colour setting."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from edgewright.findings import Finding, Severity
from edgewright.report import text
from edgewright.report.table import closing_line, findings_lines, render_text, terminal_view, variants_table
from edgewright.verify.results import RunReport


def test_wide_table(passed: RunReport) -> None:
    lines = render_text(passed, 110).splitlines()
    assert [line.split() for line in lines[:1]] == [["variant", "ran", "on", "latency", "AP", "drop", "verdict"]]
    assert " ".join(lines[1].split()) == "float onnxruntime 1.31.1 cpu measured 41 ms 44.3 reference"
    assert lines[2].endswith("measured 21 ms  39.1  -5.2  fails (limit -1.0)")
    assert lines[3].endswith("measured 22 ms  44.0  -0.3  passes, 31 of 245 ops in float")
    assert lines[5].startswith("fails  int8: AP falls by 5.2 points, more than the limit of 1.0; ")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("name", ["passed", "hostile", "empty", "unknown_head"])
def test_lines_fit_and_are_printable(name: str, width: int, request: pytest.FixtureRequest) -> None:
    out = render_text(request.getfixturevalue(name), width, encoding="ascii")
    assert out.isascii()
    assert all(char.isprintable() for line in out.splitlines() for char in line)
    if width >= 80 or name != "hostile":
        assert max((len(line) for line in out.splitlines()), default=0) <= max(width, 60)


def test_figures_survive_80_columns(passed: RunReport) -> None:
    out = render_text(passed, 80)
    for figure in ("measured 41 ms", "44.3", "-5.2", "-0.3"):
        assert figure in out


def test_wide_characters_stay_where_the_terminal_has_them(hostile: RunReport) -> None:
    assert "\u91cf\u5316 int8" in render_text(hostile, 80)
    assert "\\u91cf\\u5316 int8" in render_text(hostile, 80, encoding="ascii")


def test_unknown_head_has_plain_errors(unknown_head: RunReport) -> None:
    out = render_text(unknown_head, 120)
    assert "relative L2" in out
    assert "0.0131  +0.0131  passes" in out


def test_findings_hang_and_fold() -> None:
    info = [Finding("EW104", Severity.INFO, "x", f"Input {i} was fixed.") for i in range(5)]
    error = Finding("EW301", Severity.ERROR, "n", "word " * 20 + "end", remedy="Split it")
    lines = findings_lines([*info, error], 60)
    assert lines[0].startswith("EW301  word word")
    assert lines[1].startswith("       word ")
    assert lines[2].strip() == "end. Split it."
    assert lines[3:] == ["EW104  Input 0 was fixed.", "EW104  Input 1 was fixed. (+3 more, see the report)"]
    assert findings_lines([], 80) == []


def test_markup_in_names_is_not_obeyed(passed: RunReport) -> None:
    wild = replace(passed, variants=(replace(passed.variants[0], name="[red]a[/red]"),))
    assert "[red]a[/red]" in render_text(wild, 100)


def test_colour_only_where_it_is_wanted(passed: RunReport, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(**options: object) -> str:
        file = io.StringIO()
        Console(file=file, width=100, force_terminal=True, **options).print(terminal_view(passed))  # type: ignore[arg-type]
        return file.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown()
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in shown()
    assert "\x1b" not in render_text(passed, 80)
    assert variants_table(passed).row_count == 4


def test_closing_line(passed: RunReport, empty: RunReport) -> None:
    line = closing_line(passed, bundle="runs/a/bundle", report_path="runs/a/report.html", seconds=48.3)
    assert line == "PASSED  onnxruntime/cpu  in 48 s  bundle: runs/a/bundle  report: runs/a/report.html"
    assert closing_line(empty, bundle=None, report_path=None, seconds=200) == "FAILED  a/b  in 3 min 20 s"


def test_figures_as_text() -> None:
    assert [text.figure(v) for v in (0.0, 0.0421, 3.14e-6, 1240.4, 2e7, None)] == [
        "0", "0.0421", "3.1e-6", "1240", "2.0e7", "-",
    ]  # fmt: skip
    assert [text.signed(v, f"{v:.1f}") for v in (-5.2, 0.31, -0.01, 0.0)] == ["-5.2", "+0.3", "0.0", "0.0"]
    assert [text.milliseconds(v) for v in (41.2, 3.44, 0.616, None)] == ["41 ms", "3.4 ms", "0.62 ms", "-"]
    assert text.value_text([1, 2.5, {"a": None}]) == "1, 2.5, a: -"
    assert text.value_text(list(range(20))).endswith("11, and 8 more")
    assert text.clean("a\x1b]0;b\x07\nc") == "a\\u001b]0;b\\u0007 c"
    assert len(text.clean("x" * 10_000)) < 2_100
