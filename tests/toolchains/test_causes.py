from __future__ import annotations

import pytest

from edgewright.errors import ToolchainError
from edgewright.toolchains.causes import explain, last_lines, load_rules
from edgewright.toolchains.known_issues import concerning, load_issues
from edgewright.toolchains.versions import in_range

RULES = """
[[rule]]
code = "refused"
pattern = "quantized_dtype = '(?P<dtype>\\\\w+)' not support in '(\\\\w+)'"
cause = "The chip {2} has no {dtype}; {unknown} stays."
remedy = "Use another type than {dtype}."
source = "toolkit 2.3.2"

[[rule]]
code = "noise"
pattern = "^E RKNN: .*$"
cause = "The compiler complained."
remedy = ""
source = "toolkit 2.3.2"
weak = true

[[rule]]
code = "read-only"
pattern = "assignment destination is read-only"
cause = "The toolkit writes into an array of onnx."
remedy = "Use 2.3.2."
source = "toolkit 2.5.0"
versions = ">=2.5"
"""
REFUSAL = "I start\nThe quantized_dtype = 'w4a16' not support in 'rk3588'!\nI end\n"


def test_a_rule_is_filled_from_its_line() -> None:
    found = explain(REFUSAL, load_rules(RULES))
    assert found is not None
    assert found.cause == "The chip rk3588 has no w4a16; {unknown} stays."
    assert found.remedy == "Use another type than w4a16."
    assert found.line == "The quantized_dtype = 'w4a16' not support in 'rk3588'!"
    assert explain("I all is well\n", load_rules(RULES)) is None


def test_a_weak_rule_speaks_only_where_no_other_does() -> None:
    rules = load_rules(RULES)
    later = REFUSAL + "E RKNN: lut fuse failed\n"
    assert explain(later, rules).code == "refused"
    assert explain("E RKNN: lut fuse failed\n", rules).code == "noise"


def test_of_several_the_last_line_counts() -> None:
    rules = load_rules(RULES)
    log = "ValueError: assignment destination is read-only\n" + REFUSAL
    assert explain(log, rules, "2.5.0").code == "refused"
    assert explain(REFUSAL + "ValueError: assignment destination is read-only\n", rules, "2.5.0").code == "read-only"
    assert explain("ValueError: assignment destination is read-only\n", rules, "2.3.2") is None


@pytest.mark.parametrize("bad", [RULES + RULES, RULES.replace('"refused"', "3 4"), RULES.replace("cause =", "cuase =")])
def test_a_file_of_rules_with_a_slip_is_refused(bad: str) -> None:
    with pytest.raises(ToolchainError):
        load_rules(bad)
    with pytest.raises(ToolchainError):
        load_rules('[[rule]]\ncode = "a"\npattern = "("\ncause = ""\nremedy = ""\nsource = ""\n')


def test_last_lines_drop_what_tells_nothing() -> None:
    log = (
        "\x1b[32mI Loading\x1b[0m: 100%|██████████| 125/125 [00:00<00:00, 1200.1it/s]\n"
        "Downloading  12%\rDownloading  99%\rDownloaded\n"
        "========================\n\n   ---- \n[========>      ]  45%\n"
        "same\nsame\nsame\n"
        "\x1b[31mE real trouble\x1b[0m\r\n"
        "shape 1x3x[64]\n"
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: expect w8a8\n'
        "  indented\n"
    )
    kept = ["Downloaded", "same", "E real trouble", "shape 1x3x[64]", "ValueError: expect w8a8", "  indented"]
    assert last_lines(log) == kept
    assert last_lines("\n".join(map(str, range(100))), 3) == ["97", "98", "99"]
    assert last_lines("") == []


@pytest.mark.parametrize(
    ("version", "range_", "inside"),
    [
        *(("1.6", ">=1.6,<1.10", True), ("1.9", ">=1.6,<1.10", True), ("1.10", ">=1.6,<1.10", False)),
        *(("1.30.2", ">1.30", True), ("1.30.0", "==1.30", True), ("1.5.9", ">=1.6", False), ("2", "", True)),
        *(("v1.8-beta.0", "<=1.8", True), ("1.8", "!=1.8.0", False), ("1.30.2", "< 1.4", False)),
    ],
)
def test_ranges_of_versions(version: str, range_: str, inside: bool) -> None:
    assert in_range(version, range_) is inside


@pytest.mark.parametrize(("version", "range_"), [("1.6", "1.6"), ("1.6", "~=1.6"), ("newest", ">1")])
def test_what_is_no_range_or_no_version(version: str, range_: str) -> None:
    with pytest.raises(ToolchainError):
        in_range(version, range_)


ISSUES = """
[[issue]]
code = "scores-of-one"
versions = ">=1.6,<1.10"
chips = ["bm1684"]
families = ["picodet-head"]
precisions = ["float"]
what = "Every score is 1."
shows = "No box is drawn."
cure = "Use 1.30.2."
source = "a report"

[[issue]]
code = "einsum"
ops = ["Einsum"]
what = "Einsum of 5 dimensions crashes."
shows = "A segmentation fault."
cure = "Rewrite it."
source = "measured"

[[issue]]
code = "always"
what = "It prints much."
shows = "Long logs."
cure = "None."
source = "measured"
"""


def test_issues_concern_what_they_are_bound_to() -> None:
    issues = load_issues(ISSUES)

    def codes(*arguments: object, **more: object) -> list[str]:
        return [issue.code for issue in concerning(issues, *arguments, **more)]

    assert codes("1.6", "bm1684", {"Conv"}, "picodet-head", "float") == ["scores-of-one", "always"]
    assert codes("1.6", None, (), "picodet-head") == ["scores-of-one", "always"]
    assert codes("1.6", "bm1684", {"Conv"}, "picodet-head", "int8") == ["always"]
    assert codes("1.10", "bm1684", {"Conv"}, "picodet-head", "float") == ["always"]
    assert codes("1.6", "bm1684x", {"Conv"}, "picodet-head", "float") == ["always"]
    assert codes("1.6", "bm1684", {"Conv"}, "plain-conv", "float") == ["always"]
    assert codes("9", "any", {"Conv", "Einsum"}) == ["einsum", "always"]


@pytest.mark.parametrize(
    "bad",
    [
        ISSUES + ISSUES,
        ISSUES.replace('source = "a report"', ""),
        ISSUES.replace(">=1.6", "1.6"),
        ISSUES.replace("families", "family"),
        "[[issue",
    ],
)
def test_a_file_of_issues_with_a_slip_is_refused(bad: str) -> None:
    with pytest.raises(ToolchainError):
        load_issues(bad)
