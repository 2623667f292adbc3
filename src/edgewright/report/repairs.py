"""A search for a repair in words: what was tried on calibration images, what was confirmed, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.report import text
from edgewright.report.rows import metric_text
from edgewright.tasks.metric import Metric


@dataclass(frozen=True)
class RepairRow:
    """One candidate in words; `-` where it was not measured.

    Attributes:
        chosen_on: agreement with the float model on calibration images, on which the choice rests.
        confirmed: task metric on the evaluation images, on which nothing was chosen.
        word: "passed", "failed", or "" for a candidate that was only tried.
        on_front: whether no other candidate is cheaper and better.
    """

    name: str
    wide_macs: str
    conversions: str
    chosen_on: str
    confirmed: str
    change: str
    word: str
    on_front: bool


@dataclass(frozen=True)
class RepairView:
    """One search: a sentence, and its candidates in the order of the search."""

    precision: str
    sentence: str
    rows: list[RepairRow]


def repair_view(search: Mapping[str, Any]) -> RepairView:
    """The words for one search (`SearchResult.to_json`)."""
    front = set(search["front"])
    rows = [_row(entry, entry["name"] in front) for entry in search["entries"]]
    return RepairView(text.clean(str(search["precision"])), repair_sentence(search), rows)


def repair_sentence(search: Mapping[str, Any]) -> str:
    """What was done, and both figures of the best candidate: where it was chosen and where it was confirmed."""
    entries = search["entries"]
    tried = [entry for entry in entries if entry["trial"] is not None]
    measured = [entry for entry in entries if entry["confirmation"] is not None]
    best = next((entry for entry in measured if entry["name"] == search["best"]), None)
    told = (
        f"Repair of {search['precision']}: {text.plural(len(tried), 'candidate')} tried on calibration images, "
        f"{len(measured)} measured on all evaluation images."
    )
    if search["ended"]:
        told += f" Ended early: {search['ended']}."
    if best is None:
        return told
    drop = text.finite(best["confirmation"]["drop"])
    lost = "" if drop is None else f", drop {drop:.1f}"
    return f"{told} Best: chosen at {_trial(best)} on calibration, confirmed at {_confirmed(best)}{lost}."


def _row(entry: Mapping[str, Any], on_front: bool) -> RepairRow:
    cost, confirmation = entry["cost"], entry["confirmation"]
    drop = None if confirmation is None else text.finite(confirmation["drop"])
    return RepairRow(
        name=str(entry["name"]),
        wide_macs=_wide(cost),
        conversions=str(cost["conversions"]),
        chosen_on=_trial(entry),
        confirmed=_confirmed(entry),
        change="-" if drop is None else text.signed(-drop, f"{abs(drop):.1f}"),
        word="" if confirmation is None else _word(confirmation),
        on_front=on_front,
    )


def _word(confirmation: Mapping[str, Any]) -> str:
    if confirmation.get("provisional"):
        return "draft"  # it passed, but another one ships
    return "passed" if confirmation["passed"] else "failed"


def _wide(cost: Mapping[str, Any]) -> str:
    told = [
        f"{100 * cost[key]:.1f} % {words}"
        for key, words in (("int16_macs", "16 bits"), ("float_macs", "float"))
        if cost[key] > 0
    ]
    return ", ".join(told) or "0 %"


def _trial(entry: Mapping[str, Any]) -> str:
    trial = entry["trial"]
    if trial is None:
        return "-"
    metric = Metric.from_json(trial["metric"]) if trial["metric"] else None
    images = text.plural(trial["images"], "image")
    if metric is not None:
        return f"{metric.name} {metric_text(metric)} ({images})"
    worst = max((value for value in trial["relative_l2"].values() if value is not None), default=None)
    return f"relative L2 {text.figure(worst)} ({images})"


def _confirmed(entry: Mapping[str, Any]) -> str:
    confirmation = entry["confirmation"]
    if confirmation is None:
        return "-"
    if confirmation["failed"]:
        return "not built"
    if confirmation["metric"]:
        metric = Metric.from_json(confirmation["metric"])
        return f"{metric.name} {metric_text(metric)} ({text.plural(metric.images, 'image')})"
    worst = max((value for value in confirmation["parts"].values() if value is not None), default=None)
    return f"relative L2 {text.figure(worst)}"
