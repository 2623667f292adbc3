"""Terminal, page, chart and JSON of an analysis, whatever its names and figures are."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest

from edgewright.diagnose.analysis import Analysis, PartLoss
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding, Severity
from edgewright.report import layer_chart as chart_module
from edgewright.report.layer_chart import layer_chart, numbered
from edgewright.report.layer_page import render_layers
from edgewright.report.layers import layers_closing, layers_text
from edgewright.report.layers_json import layers_json, layers_schema
from edgewright.report.layers_rows import channel_lines, percent, summary_of
from edgewright.tasks.metric import Metric
from tests.report.conftest import HOSTILE
from tests.report.test_summary import problems
from tests.report.vendor_samples import chips, layers

REGIONS = ("stem", "backbone", "neck", "head", "tail")


def wrong_in(value: Any, schema: dict[str, Any]) -> list[str]:
    """As `problems`, with the definitions of this schema put in place."""

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(schema["$defs"][part["$ref"].rsplit("/", 1)[1]])
        return {key: resolved(item) for key, item in part.items() if key != "$defs"}

    return problems(value, resolved(schema))


def error(depth: int, **given: Any) -> TensorError:
    fields: dict[str, Any] = {
        "tensor": f"t{depth}",
        "op": f"node{depth}",
        "op_type": "Conv",
        "source_ops": (f"/model.{depth}/conv",),
        "region": REGIONS[min(depth // 4, 4)],
        "depth": depth,
        "bits": 8,
        "elements": 64,
        "minimum": -1.0,
        "maximum": 2.5,
        "isolated": 0.01 + 0.001 * depth,
        "grid": 0.01,
        "weight": 0.005,
        "accumulated": 0.02 * depth,
        "cosine": 0.99,
        "saturated": 0.0,
        "effects": {"boxes": 0.0004 * depth, "scores": 0.001 * depth},
    }
    return TensorError(**{**fields, **given})


def analysis(**given: Any) -> Analysis:
    join = error(19, tensor="join", op="join", source_ops=("/head/join", "/head/b"), op_type="Concat", weight=None,
                 isolated=0.004, effects={"boxes": 0.004, "scores": 1.01})  # fmt: skip
    fields: dict[str, Any] = {
        "target": "onnxruntime/cpu",
        "precision": "int8",
        "observer": "minmax",
        "model": {"name": "detector", "digest": "ab" * 32},
        "head": {"family": "yolov8"},
        "images": {"evaluation": 40, "calibration": 32, "measured": 32, "effects": 12, "floor": 12},
        "reference": Metric("AP", 44.3, 40),
        "metric": Metric("AP", 0.0, 40),
        "drop": 44.3,
        "parts": (PartLoss("boxes", 0.03, 0.002, 0.005), PartLoss("scores", 1.0, 0.01, 0.05)),
        "tensors": (*(error(depth) for depth in range(19)), join, error(20, tensor="moved")),
        "followers": {"moved": "join"},
        "regions": {"stem": 4, "tail": 5},
        "unknown": (),
        "findings": (
            Finding("EW322", Severity.ERROR, "a", "The worst one.", {"damage": 0.9}),
            Finding("EW301", Severity.ERROR, "b", "A milder one.", {"damage": 0.5}),
            Finding("EW207", Severity.INFO, "set", "More images will not help."),
        ),
    }
    return Analysis(**{**fields, **given})


def hostile() -> Analysis:
    wild = error(3, tensor=HOSTILE, op=HOSTILE, op_type=HOSTILE, source_ops=(HOSTILE, HOSTILE), isolated=None,
                 grid=None, weight=None, accumulated=None, effects={HOSTILE: math.inf, "scores": math.nan},
                 channels=(None, 0.5))  # fmt: skip
    return analysis(
        target=HOSTILE,
        model={"name": HOSTILE},
        parts=(PartLoss(HOSTILE, None, None, 0.05), PartLoss("scores", math.nan, 0.1, 0.05)),
        tensors=(wild, error(4, isolated=0.0, accumulated=0.0, effects={})),
        metric=Metric(HOSTILE, math.nan, 0),
        followers={HOSTILE: HOSTILE},
        unknown=(HOSTILE,),
        findings=(Finding("EW301", Severity.ERROR, HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}, HOSTILE),) * 30,
        facts={"stops": [HOSTILE], "silent": [HOSTILE]},
        vendor=layers(HOSTILE, math.nan),
    )


def traced() -> Analysis:
    return analysis(vendor=layers("t3", 0.25))


def empty() -> Analysis:
    none = {"evaluation": 1, "calibration": 1, "measured": 1, "effects": 0, "floor": 0}
    return analysis(tensors=(), parts=(), reference=None, metric=None, drop=None, findings=(), images=none)


def test_the_terminal_tells_parts_tensors_regions_causes_and_ends_in_a_sentence() -> None:
    lines = layers_text(analysis(), 140, limit=3).splitlines()
    assert lines[0].startswith("int8 of detector on onnxruntime/cpu, ranges by minmax of 32 images, 20 grids")
    assert lines[1] == "AP 44.3 in float, 0.0 as planned"
    assert re.search(r"^scores +100 % +1 % +5 %$", "\n".join(lines), re.MULTILINE)
    table = lines.index(next(line for line in lines if line.startswith("op ")))
    assert re.fullmatch(r"/head/join \+1 +Concat +tail +0\.4 % +38 % +- +0\.4 % +101 %", lines[table + 1])
    assert lines[table + 4] == "17 more in the report, or with --limit 20"
    assert lines[-1].startswith(
        "scores 100 %, boxes 3 % off. Most of the error of scores enters in the tail; /head/join"
    )
    closing = layers_closing(analysis(), report_path="r/analysis.html", seconds=12.0)
    assert closing == "ANALYSED  onnxruntime/cpu  in 12 s  report: r/analysis.html"


def test_causes_stand_by_damage_and_not_by_code() -> None:
    codes = re.findall(r"^EW\d+", layers_text(analysis(), 110), re.MULTILINE)
    assert codes == ["EW322", "EW301", "EW207"]


def test_what_moves_data_has_no_row() -> None:
    assert "moved" not in layers_text(analysis(), 110, limit=99)
    assert len(re.findall(r'<th scope="row">.+<small>', render_layers(analysis()))) == 20


def test_what_wipes_a_part_out_comes_first_and_the_noticed_error_decides_among_others() -> None:
    boxes, scores = error(1, effects={"boxes": 0.2}), error(2, effects={"scores": 0.4})
    gone = error(3, effects={"scores": 0.6})
    assert analysis(tensors=(scores, boxes, gone)).ranked() == [gone, boxes, scores]
    by_error = error(4, effects={}, isolated=None)
    assert analysis(tensors=(boxes, by_error)).ranked() == [by_error, boxes]


def test_the_lost_part_is_named_before_one_that_is_only_further_above_its_limit() -> None:
    assert analysis().worst_part() == PartLoss("scores", 1.0, 0.01, 0.05)
    fine = analysis(parts=(PartLoss("scores", 0.01, None, 0.05),))
    assert fine.worst_part() is None
    assert summary_of(fine) == "No part loses what the task notices: scores 1 %."
    alone = analysis(tensors=(error(1, effects={}),))
    assert summary_of(alone).endswith("What each op does to it is not known.")


def test_regions_add_up_as_squares() -> None:
    found = analysis(
        tensors=(error(0, effects={"a": 0.3}), error(1, effects={"a": 0.4}), error(19, effects={"a": 1.0}))
    )
    assert found.by_region() == {"stem": {"a": pytest.approx(0.5)}, "tail": {"a": 1.0}}


@pytest.mark.parametrize("made", [analysis, hostile, empty, traced])
def test_nothing_a_file_says_acts_on_terminal_or_page(made: Any) -> None:
    found = made()
    for encoding in ("utf-8", "ascii"):
        said = layers_text(found, 90, encoding=encoding, against=chips(HOSTILE))
        said.encode(encoding)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", said)
    page = render_layers(found, (), chips(HOSTILE))
    assert "<script" not in page.lower()
    assert "\u202e" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert "NaN" not in page.replace("NaN or Inf", "")
    assert page.count("<section") == page.count("</section>")


@pytest.mark.parametrize("made", [analysis, hostile, empty, traced])
def test_json_keeps_to_the_schema(made: Any) -> None:
    data = layers_json(made(), None, "r/analysis.html", "r", 1.23456, chips("t3"))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert wrong_in(data, layers_schema()) == []
    assert list(data) == layers_schema()["required"]
    assert wrong_in({**data, "verdict": "passed"}, layers_schema()) != []
    assert wrong_in({**data, "more": 1}, layers_schema()) != []


def test_every_field_of_the_schema_is_described() -> None:
    schema = layers_schema()
    groups = [schema["properties"], *(entry["properties"] for entry in schema["$defs"].values())]
    missing = [key for group in groups for key, entry in group.items() if not entry.get("description")]
    assert missing == []


def test_what_the_toolchain_computes_stands_beside_the_emulation() -> None:
    lines = layers_text(traced(), 140, limit=2).splitlines()
    intro = lines.index("Acme 1, simulator: 2 tensors on 8 images, ops alone on 2")
    assert re.fullmatch(r"part +there +emulated +apart", lines[intro + 1])
    assert re.fullmatch(r"boxes +25 % +20 % +10 %", lines[intro + 2])
    table = next(place for place, line in enumerate(lines) if line.startswith("op ") and "alone there" in line)
    assert re.fullmatch(r"/neck/Add +Add +30 % +10 % +25 % +20 % +10 %", lines[table + 1]), "ranked by harm"
    assert re.fullmatch(r"/stem/Conv +Conv +25 % +25 % +0 +- +-", lines[table + 2])
    assert "1 tensor fused, so never made there: inner in t3." in lines
    assert "The emulation first differs at /neck/Add, by 25 %." in lines
    assert "Alone, 1 of 1 ops lose more there than emulated: Add 1." in lines
    page = render_layers(traced())
    assert '<section id="vendor">' in page
    assert '<section id="vendor">' not in render_layers(analysis())


def test_two_chips_are_told_with_the_property_that_costs_most() -> None:
    told = layers_text(analysis(), 160, against=chips("t3"))
    assert re.search(r"^boxes +50 % +20 %$", told, re.MULTILINE)
    assert re.search(r"^AP +13.8 +30.8$", told, re.MULTILINE)
    assert re.search(r"^with +to boxes +agreement AP$", told, re.MULTILINE)
    assert re.search(r"^one step for all +45 % +64.6$", told, re.MULTILINE)
    assert re.search(r"^depthwise Conv +1 +40 % +10 % +1$", told, re.MULTILINE)
    assert "They part at /t3: 50 % off on v/a, 20 % on v/b." in told
    assert "(v/a and v/b): biases of 16 bits 9 and 0." in told
    assert "'one step for all' alone makes it 45 %." in told
    assert '<section id="chips">' in render_layers(analysis(), (), chips("t3"))


def test_an_analysis_survives_json() -> None:
    assert Analysis.from_json(json.loads(json.dumps(traced().to_json()))) == traced()
    found = analysis()
    assert Analysis.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_bars_and_line_stand_at_their_errors() -> None:
    found = analysis(
        tensors=(
            error(0, isolated=0.001, accumulated=0.1),
            error(1, isolated=0.1, accumulated=1.0),
            error(19, isolated=None, accumulated=0.0),
        )
    )
    chart = layer_chart(found, width=400, height=300)
    assert chart is not None
    ys = {words: y for y, words in chart.ticks}
    assert list(ys) == ["100 %", "10 %", "1 %", "0.1 %"]
    stem, tail = chart.bars
    assert [float(y) for y in re.findall(r"V([\d.]+)", stem.path)] == [ys["0.1 %"], ys["10 %"]]
    assert [float(y) for y in re.findall(r"V([\d.]+)", tail.path)] == [ys["100 %"]], "not finite is at the top"
    points = [tuple(map(float, point.split())) for point in chart.line[1:].split("L")]
    assert [y for _, y in points] == [ys["10 %"], ys["100 %"], chart.base]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    stem_band, tail_band = chart.bands
    assert (stem_band.region, tail_band.region) == ("stem", "tail")
    assert stem_band.width == pytest.approx(2 * tail_band.width, abs=0.2)


def test_numbers_do_not_overlap_and_stay_in_the_chart() -> None:
    found = analysis()
    for width in (360, 860):
        chart = layer_chart(found, width=width, height=320)
        assert chart is not None
        assert len(chart.marks) == len(numbered(found)) == chart_module.LABELLED
        at = sorted(mark.label_x for mark in chart.marks)
        assert min(b - a for a, b in itertools.pairwise(at)) >= 14
        assert at[0] > 0
        assert at[-1] < width
    assert numbered(found)[0] == (1, "/head/join and 1 more")


def test_long_paths_are_drawn_whole() -> None:
    found = analysis(tensors=tuple(error(depth) for depth in range(900)))
    page = render_layers(found)
    lines = re.findall(r'<path class="acc" d="([^"]+)"', page)
    assert lines[0].count("L") == 899
    assert " ... " not in lines[0]


def test_no_tensor_no_chart() -> None:
    assert layer_chart(empty(), width=400, height=300) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "infinite"), (math.inf, "infinite"), (0, "0"), (1e-6, "<0.01 %"), (0.0123, "1.2 %"), (0.0996, "10 %")],
)
def test_percent(value: float | None, words: str) -> None:
    assert percent(value) == words


def test_the_worst_channels_are_told_first() -> None:
    (line,) = channel_lines(error(1, channels=(0.1, None, 0.3)), most=2)
    assert line.endswith("3 channels, accumulated error of the worst: 1: infinite, 2: 30 %")


def test_void_is_said_before_everything() -> None:
    wrong = Finding("EW211", Severity.ERROR, "source model", "The float model itself reaches only AP 0.1.")
    found = replace(analysis(), findings=(wrong, *analysis().findings))
    lines = layers_text(found, 110).splitlines()
    assert lines[0].startswith("EW211")
    assert sum(line.startswith("EW211") for line in lines) == 1
    assert "mend that first" in lines[-1]
    assert layers_closing(found, report_path="p", seconds=1).startswith("VOID")
    assert layers_json(found, None, "p", "r", 1.0)["verdict"] == "void"
