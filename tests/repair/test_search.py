"""The search, on a bench whose figures are known: the cheapest that suffices, within every limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgewright.graph.model import Model
from edgewright.graph.rewrites import InexactRewrite, apply_rewrite
from edgewright.repair.account import refused
from edgewright.repair.budget import parse_budget
from edgewright.repair.candidate import Candidate
from edgewright.repair.remedies import KINDS, REMEDIES, Kind, rewriting
from edgewright.repair.result import Entry, SearchResult
from edgewright.repair.search import Search
from edgewright.repair.widen import WIDENINGS
from edgewright.tensors import Part
from tests.helpers import normal
from tests.quant.graphs import model_of
from tests.repair.fake_bench import FakeBench, Memory
from tests.repair.nets import CPU

WAYS = ("rescale-boxes", "split-outputs", "cut-tail", "float-tail")
KIND_OF: dict[str, Kind] = {entry.name: entry.kind for entry in (*REMEDIES, *WIDENINGS)}
GOOD, BAD = 0.004, 1.0


def search(
    bench: FakeBench, *, budget: str = "", allowed: Collection[Kind] = KINDS, most: int = 25, start: Any = None
) -> SearchResult:
    return Search(bench, parse_budget(budget), allowed, most).run(start or bench.start())


def has(candidate: Candidate, *names: str) -> bool:
    return any(entry.remedy in names for entry in candidate.applied)


def mended_by(*names: str) -> Callable[[Candidate], float]:
    """One remedy mends everything; nothing else helps."""
    return lambda candidate: GOOD if has(candidate, *names) else BAD


def wide(candidate: Candidate, precision: str = "int16") -> set[str]:
    return {name for name, entry in candidate.ops.items() if entry == precision}


def mended_by_wide(*ops: str) -> Callable[[Candidate], float]:
    """All these ops in 16 bits mend everything; nothing else helps."""
    return lambda candidate: GOOD if wide(candidate) >= set(ops) else BAD


def within(found: SearchResult) -> list[Entry]:
    """Without what was measured only to tell what would suffice."""
    return [entry for entry in found.entries if not entry.beyond]


def test_what_passes_already_is_confirmed_and_left_alone(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: GOOD)
    found = search(bench)
    assert found.best is not None
    assert found.best.passed
    assert found.best.candidate.digest == bench.start().digest
    assert (len(bench.confirmed), bench.trials) == (1, [])


@pytest.mark.parametrize("name", [*WAYS, "ranges", "bias-correction"])
def test_the_one_remedy_that_helps_is_found(memory: Memory, name: str) -> None:
    bench = FakeBench(memory, mended_by(name))
    found = search(bench, allowed={KIND_OF[name], "cut"})
    best = found.best
    assert best is not None
    assert best.passed
    assert [entry.remedy for entry in best.candidate.applied] == [name]
    assert found.ended == ""
    assert len(bench.confirmed) <= 3, "trials choose; what they favour is confirmed"


def test_a_rewrite_that_is_not_exact_is_left_out_and_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed_the_model(*args: object) -> None:
        asked.append(args)
        raise InexactRewrite("the rewrite 'rescale-boxes' is not exact on this model", why="'answer' differs")

    asked: list[object] = []
    monkeypatch.setattr(rewriting, "apply_rewrite", fails_for("rescale-boxes", changed_the_model))
    found = search(FakeBench(memory, mended_by("split-outputs")))
    assert found.best is not None
    assert found.best.passed
    assert has(found.best.candidate, "split-outputs")
    assert len(asked) == 1, "what is not exact is not proposed again"
    (finding,) = refused(found)
    assert (finding.code, finding.where) == ("EW610", "rescale-boxes")
    assert "'answer' differs" in finding.message


def fails_for(name: str, failure: Callable[..., None]) -> Callable[..., object]:
    """`apply_rewrite`, but for one rewrite."""
    return lambda given, *rest: failure(given) if given == name else apply_rewrite(given, *rest)


def test_a_remedy_that_helps_only_beside_another_is_found(memory: Memory) -> None:
    """Boxes and scores on one grid hide what ranges do."""
    levels = {(False, False): 1.0, (True, False): 0.1, (False, True): 1.0, (True, True): GOOD}
    bench = FakeBench(memory, lambda one: levels[has(one, "cut-tail"), has(one, "ranges")])
    best = search(bench, allowed=("calibration", "cut")).best
    assert best is not None
    assert best.passed
    assert {entry.remedy for entry in best.candidate.applied} == {"cut-tail", "ranges"}


def test_of_two_that_do_the_same_the_cheaper_is_taken(memory: Memory) -> None:
    bench = FakeBench(memory, mended_by("cut-tail", "float-tail"))
    best = search(bench, allowed=("cut", "float")).best
    assert best is not None
    assert [entry.remedy for entry in best.candidate.applied] == ["cut-tail"]
    assert best.cost.float_ops == 0


def test_free_remedies_come_before_wider_types(memory: Memory) -> None:
    """16 bits would do as well, and would need no remedy before."""
    needed = mended_by_wide("Concat_answer")
    bench = FakeBench(memory, lambda one: min(needed(one), mended_by("cut-tail")(one)))
    best = search(bench, allowed=("cut", "16bit", "float")).best
    assert best is not None
    assert best.passed
    assert wide(best.candidate) == set()


def test_the_strides_mul_and_what_shares_its_grid_are_the_first_in_16_bits(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: BAD)
    found = search(bench, allowed=("16bit",))
    widened = [entry for entry in found.confirmed if has(entry.candidate, "16bit")]
    assert wide(widened[0].candidate) == {"Concat_answer", "Mul_boxes", "Sigmoid_scores"}, "what the join joins"
    assert widened[0].cost.int16_macs == 0


@pytest.mark.parametrize("op", ["Concat_answer", "Sigmoid_scores", "Conv_s0", "Add_moved", "Conv_c"])
def test_the_fewest_wide_ops_that_pass(memory: Memory, op: str) -> None:
    """Bisected: one step less, in the order of gain for cost, fails; what is needless beside the last one goes."""
    bench = FakeBench(memory, mended_by_wide(op))
    steps = WIDENINGS[0].steps(bench.start(), bench, 1.0)
    last = next(number for number, step in enumerate(steps) if op in step.ops)
    found = search(bench, allowed=("16bit",))
    best = found.best
    assert best is not None
    assert best.passed
    assert op in wide(best.candidate)
    few = {name for step in steps[: max(2, last + 1)] for name in step.ops}
    assert wide(best.candidate) <= few
    assert best.cost.int16_macs <= steps[last].macs + 1e-9
    assert len(bench.confirmed) <= 8


def test_float_where_16_bits_do_not_help(memory: Memory) -> None:
    bench = FakeBench(memory, lambda one: BAD if "Conv_s0" in one.ops else GOOD)
    best = search(bench, allowed=("16bit", "float")).best
    assert best is not None
    assert best.passed
    assert best.cost.float_ops > 0
    assert best.cost.int16_ops == 0, "16 bits that do not help are not kept"


def test_a_target_without_a_wider_type_is_not_asked_for_one(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: BAD, precisions=("int8",))
    found = search(bench)
    assert found.best is not None
    assert not found.best.passed
    assert all(set(entry.candidate.ops.values()) == {"int8"} for entry in found.entries)
    assert not any(has(entry.candidate, "float-tail", "float", "16bit") for entry in found.entries)


def test_where_nothing_suffices_it_is_told_what_would(memory: Memory) -> None:
    """16 bits throughout are measured though they may not be used, and are never taken for a repair."""
    everything = len(FakeBench(memory, lambda _: BAD).start().ops)
    for level, passed in ((GOOD, True), (0.5, False)):
        bench = FakeBench(memory, lambda one, level=level: level if len(wide(one)) == everything else BAD)
        found = search(bench, allowed=("calibration",))
        assert found.beyond is not None
        assert found.beyond.confirmation.passed == passed
        assert not found.best.passed
        assert found.to_json()["passed"] is False
        assert found.beyond not in found.front
        assert [entry["beyond"] for entry in found.to_json()["entries"]].count(True) == 1


def test_16_bits_throughout_are_a_repair_where_they_are_allowed(memory: Memory) -> None:
    everything = len(FakeBench(memory, lambda _: BAD).start().ops)
    bench = FakeBench(memory, lambda one: GOOD if len(wide(one)) == everything else BAD)
    assert search(bench, allowed=("16bit",)).best.passed
    assert not search(bench, allowed=("16bit",), budget="int16-macs<=50%").best.passed


@pytest.fixture(scope="module")
def unlimited(memory: Memory) -> SearchResult:
    """All that a search for wider types looks at where nothing suffices."""
    return search(FakeBench(memory, lambda _: BAD), allowed=("16bit", "float"))


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        ("int16-macs<=1%", "int16_macs"),
        ("float-macs<=1%, int16-macs<=0%", "float_macs"),
        ("int16-ops<=3", "int16_ops"),
        ("float-ops<=4", "float_ops"),
        ("conversions<=3", "conversions"),
    ],
)
def test_what_exceeds_the_budget_is_never_built(
    memory: Memory, unlimited: SearchResult, budget: str, name: str
) -> None:
    limits = parse_budget(budget)
    assert any(limits.exceeded_by(entry.cost) for entry in within(unlimited)), "the budget forbids something"
    found = search(FakeBench(memory, lambda _: BAD), budget=budget, allowed=("16bit", "float"))
    assert not any(limits.exceeded_by(entry.cost) for entry in within(found))
    assert max(getattr(entry.cost, name) for entry in within(found)) > 0, "some of it was spent"


def test_a_budget_that_leaves_nothing_ends_with_the_best_that_fits(memory: Memory) -> None:
    bench = FakeBench(memory, mended_by_wide("Conv_c"))
    found = search(bench, budget="int16-macs<=0%, float-ops<=0", allowed=("16bit", "float"))
    assert found.best is not None
    assert not found.best.passed
    assert found.ended == "", "it came to its end"
    assert search(FakeBench(memory, mended_by_wide("Conv_c")), allowed=("16bit",)).best.passed, "there would be a way"


def test_what_is_too_slow_does_not_pass(memory: Memory) -> None:
    """Time is known only once a candidate was built."""
    bench = FakeBench(memory, mended_by("cut-tail"), latency=lambda one: 1.5 if has(one, "cut-tail") else 1.0)
    for budget, passed in (("latency<=1.05x", False), ("latency<=1.6x", True)):
        found = search(bench, budget=budget, allowed=("cut",))
        assert any(has(entry.candidate, "cut-tail") for entry in found.confirmed)
        assert found.best is not None
        assert found.best.passed == found.to_json()["passed"] == passed


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_confirmations_than_allowed(memory: Memory, most: int) -> None:
    bench = FakeBench(memory, lambda one: BAD - 0.001 * len(wide(one)))
    found = search(bench, most=most, allowed=("16bit",))
    assert len(bench.confirmed) == len(found.confirmed) == most
    assert found.ended == f"{most} evaluations on all images are done"
    assert found.best is not None


def test_what_is_measured_beyond_counts_as_a_confirmation(memory: Memory) -> None:
    free = FakeBench(memory, lambda _: BAD)
    search(free, allowed=("cut",))
    bench = FakeBench(memory, lambda _: BAD)
    search(bench, allowed=("cut",), most=len(free.confirmed) - 1)
    assert len(bench.confirmed) <= len(free.confirmed) - 1


@pytest.mark.parametrize("seconds", [0, 1, 2, 5])
def test_the_time_limit_ends_with_the_best_so_far(memory: Memory, seconds: int) -> None:
    bench = FakeBench(memory, lambda one: BAD - 0.001 * len(wide(one)), seconds=seconds)
    found = search(bench, allowed=("cut", "16bit"))
    assert found.ended == "the time limit is reached"
    assert bench.left >= -1, "nothing is begun once the time is over"
    assert (found.best is None) == (seconds == 0)
    assert len(found.entries) <= seconds
    assert found.best is None or found.best.confirmation is not None


@pytest.mark.parametrize("allowed", [(), *((kind,) for kind in KINDS), ("cut", "16bit")], ids="-".join)
def test_only_kinds_that_are_allowed(memory: Memory, allowed: tuple[Kind, ...]) -> None:
    bench = FakeBench(memory, lambda _: BAD)
    found = search(bench, allowed=allowed)
    used = {KIND_OF[applied.remedy] for entry in within(found) for applied in entry.candidate.applied}
    assert used == set(allowed), "each kind has something to offer here, and no other is used"
    widths = {precision for entry in within(found) for precision in entry.candidate.ops.values()}
    assert widths == ({"int8", "int16"} if "16bit" in allowed else {"int8"})
    assert (max(entry.cost.float_ops for entry in within(found)) > 0) == ("float" in allowed)


def test_outputs_are_kept_where_the_user_asks_for_it(memory: Memory) -> None:
    kinds: tuple[Kind, ...] = ("rewrite", "cut", "float")
    free = search(FakeBench(memory, mended_by("cut-tail", "float-tail")), allowed=kinds)
    assert any(entry.candidate.restore is not None for entry in free.entries)
    bench = FakeBench(memory, mended_by("cut-tail", "float-tail"), keep_outputs=True)
    found = search(bench, allowed=kinds)
    assert found.best.passed
    assert has(found.best.candidate, "float-tail")
    outputs = [value.name for value in bench.model.ir.graph.outputs]
    for entry in found.entries:
        assert entry.candidate.restore is None
        assert [value.name for value in entry.candidate.model.ir.graph.outputs] == outputs


@pytest.mark.parametrize("op", ["Concat_logits", "Conv_b0", "Conv_c", "nowhere"])
def test_nothing_is_confirmed_twice(memory: Memory, op: str) -> None:
    bench = FakeBench(memory, mended_by_wide(op))
    search(bench, allowed=("16bit", "float"))
    digests = [candidate.digest for candidate in bench.confirmed]
    assert len(digests) == len(set(digests)) > 2


@pytest.mark.parametrize(("noise", "seeds", "most"), [(0.0, 1, 0), (0.3, 2, 1)])
def test_a_remedy_without_a_real_gain_is_not_kept(memory: Memory, noise: float, seeds: int, most: int) -> None:
    """Two candidates that are equal in truth differ by chance; few of so many comparisons may be taken for a gain."""
    kept, offered = 0, 0
    for seed in range(seeds):
        bench = FakeBench(memory, lambda _: BAD, noise=noise, seed=seed)
        found = search(bench, allowed=("rewrite", "cut"))
        offered += len(found.entries) - 1
        kept += max(len(entry.candidate.applied) for entry in found.confirmed)
    assert offered >= 3 * seeds
    assert kept <= most


def test_what_few_images_cannot_tell_apart_is_asked_of_more(memory: Memory) -> None:
    clear, unclear = "decoded on the host", "boxes rescaled"
    levels = {clear: 0.1, unclear: 0.95 * BAD}
    bench = FakeBench(
        memory, lambda one: next((level for name, level in levels.items() if name in one.name), BAD), noise=0.3
    )
    search(bench, allowed=("rewrite", "cut"))
    few = min(images for _, images in bench.trials)
    asked = {name: {images for one, images in bench.trials if name in one.name} for name in levels}
    assert asked[clear] == {few}, "few images show that it is better"
    assert max(asked[unclear]) > few


def test_the_front_has_what_nothing_beats(memory: Memory) -> None:
    bench = FakeBench(memory, lambda one: BAD - 0.01 * len(wide(one)))
    found = search(bench, allowed=("16bit",))
    drops = [entry.confirmation.drop for entry in found.front]
    ranks = [entry.cost.rank for entry in found.front]
    assert len(found.front) == len(found.confirmed) >= 3
    assert ranks == sorted(ranks)
    assert drops == sorted(drops, reverse=True)


def test_the_state_is_saved_after_every_confirmation(memory: Memory) -> None:
    bench = FakeBench(memory, mended_by_wide("Conv_c"))
    found = search(bench, allowed=("16bit",))
    done = [sum(entry["confirmation"] is not None for entry in journal["entries"]) for journal in bench.journals]
    assert sorted(set(done)) == list(range(1, len(bench.confirmed) + 1))
    assert [journal["passed"] for journal in bench.journals] == sorted(journal["passed"] for journal in bench.journals)
    last = bench.journals[-1]
    assert last["passed"] is True
    assert last["best"] == found.best.candidate.name
    assert last["front"] == found.to_json()["front"]


def test_an_interruption_leaves_the_best_so_far_saved(memory: Memory) -> None:
    whole = FakeBench(memory, mended_by_wide("Conv_c"))
    search(whole, allowed=("16bit",))

    class Stopped(FakeBench):
        def confirm(self, candidate: Candidate, *, draft: bool = False) -> Any:
            if len(self.confirmed) == 3:
                raise KeyboardInterrupt
            return super().confirm(candidate, draft=draft)

    bench = Stopped(memory, mended_by_wide("Conv_c"))
    with pytest.raises(KeyboardInterrupt):
        search(bench, allowed=("16bit",))
    assert bench.journals == whole.journals[:3]
    assert len(whole.journals) > 3


def test_while_degrees_are_weighed_drafts_suffice_and_what_ships_is_built_once(memory: Memory) -> None:
    bench = FakeBench(memory, mended_by_wide("Conv_c"), whole=lambda _: 0.5)
    found = search(bench, allowed=("16bit",))
    assert found.best is not None
    assert found.best.passed
    assert [one.digest for one in bench.built] == [found.best.candidate.digest]
    assert found.best.confirmation is not None
    assert found.best.confirmation.drop == 0.5, "the figure of what ships, not of its draft"
    assert len(bench.confirmed) > 3


def test_what_passes_as_a_draft_only_does_not_ship_and_the_search_goes_on(memory: Memory) -> None:
    without = search(FakeBench(memory, mended_by_wide("Conv_c")), allowed=("16bit",)).best
    assert without is not None
    few = len(wide(without.candidate))
    bench = FakeBench(memory, mended_by_wide("Conv_c"), whole=lambda one: 0.5 if len(wide(one)) > few else 40.0)
    found = search(bench, allowed=("16bit",))
    assert found.best is not None
    assert found.best.passed
    assert len(wide(found.best.candidate)) > few
    assert len(bench.built) > 1
    never = search(FakeBench(memory, mended_by_wide("Conv_c"), whole=lambda _: 40.0), allowed=("16bit",))
    assert never.best is not None
    assert not never.best.passed
    assert all(not entry.passed for entry in never.entries)


def test_when_time_is_out_what_passed_as_a_draft_is_built(memory: Memory) -> None:
    most = FakeBench(memory, mended_by_wide("Conv_c"), whole=lambda _: 0.5)
    search(most, allowed=("16bit",))
    first = next(index for index, one in enumerate(most.confirmed) if "Conv_c" in wide(one))
    bench = FakeBench(memory, mended_by_wide("Conv_c"), whole=lambda _: 0.5)
    found = search(bench, allowed=("16bit",), most=first + 1)
    assert found.ended
    assert found.best is not None
    assert found.best.passed
    assert [one.digest for one in bench.built] == [found.best.candidate.digest]


def test_the_same_every_time(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        bench = FakeBench(Memory(tmp_path / str(number)), lambda one: 1 / (1 + len(wide(one))), noise=0.2)
        result = search(bench, allowed=("cut", "16bit"), most=4)
        found.append((result.to_json(), [(one.digest, images) for one, images in bench.trials]))
    assert found[0] == found[1]


def test_every_candidate_says_what_was_done(memory: Memory) -> None:
    bench = FakeBench(memory, lambda _: BAD)
    found = search(bench)
    assert {KIND_OF[applied.remedy] for entry in found.entries for applied in entry.candidate.applied} == set(KINDS)
    names = [entry.candidate.name for entry in found.entries]
    assert len(set(names)) == len(names), "rows of a table must be told apart"
    for applied in (applied for entry in found.entries for applied in entry.candidate.applied):
        assert applied.text.endswith(".")
    json.dumps(found.to_json(), allow_nan=False)


def uneven() -> Model:
    """Half of the channels have weights a hundred times as small as the others."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w2"], ["out"], name="second"),
    ]
    first = np.array([1, 1, 0.01, 0.01], np.float32).reshape(4, 1, 1, 1)
    return model_of(nodes, ["out"], [1, 1, 8, 8], w1=first, w2=normal(3, 4, 1, 1))


def narrow_bench(memory: Memory, level: Callable[[Candidate], float], **options: Any) -> FakeBench:
    """A chip without 16 bits, with one step for all weights of a layer."""
    profile = replace(CPU, shift_only=True, per_channel_weights=False)
    parts = (Part("out", "out", 0, 0, None, "other", 1),)
    precisions = ("float", "int8")
    return FakeBench(memory, level, model=uneven(), parts=parts, profile=profile, precisions=precisions, **options)


@pytest.mark.parametrize(
    ("mends", "best"),
    [
        (("split-channels",), "split-channels"),
        (("split-channels", "ranges"), "ranges"),
        (("split-channels", "float"), "float"),
    ],
)
def test_channels_are_computed_apart_only_where_cheaper_forms_do_not_suffice(
    memory: Memory, mends: tuple[str, ...], best: str
) -> None:
    found = search(narrow_bench(memory, mended_by(*mends)))
    assert found.best is not None
    assert found.best.passed
    done = {entry.remedy for entry in found.best.candidate.applied}
    assert done & {"split-channels", "ranges", "float"} == {best}, "what does not help is not kept"
    apart = [has(entry.candidate, "split-channels") for entry in within(found)]
    assert any(apart) == (best == "split-channels"), "what is not needed is not built"


@pytest.mark.parametrize(("in_float", "best"), [(0.4, "float"), (1.2, "split-channels")])
def test_ops_in_float_that_take_as_long_as_float_do_not_end_the_search(
    memory: Memory, in_float: float, best: str
) -> None:
    bench = narrow_bench(
        memory,
        mended_by("split-channels", "float"),
        beside_float=lambda one: in_float if has(one, "float") else 0.7,
    )
    found = search(bench)
    assert found.best is not None
    assert found.best.passed
    assert has(found.best.candidate, best)


def test_what_takes_as_long_as_float_is_kept_where_nothing_else_passes(memory: Memory) -> None:
    found = search(narrow_bench(memory, mended_by("split-channels"), beside_float=lambda one: 2.8))
    assert found.best is not None
    assert found.best.passed
    assert has(found.best.candidate, "split-channels")


def test_a_network_of_8_bits_that_passes_ends_the_search_however_long_it_takes(memory: Memory) -> None:
    found = search(narrow_bench(memory, mended_by("ranges"), beside_float=lambda one: 2.8))
    assert not any(has(entry.candidate, "float", "split-channels") for entry in found.entries)
