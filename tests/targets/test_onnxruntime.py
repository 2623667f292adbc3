"""`onnxruntime/cpu`: what is built is what was planned, read back from the file and from the optimised graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import ModelError, TargetMismatch, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.steps import PrepareOptions, own_weights
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.qdq import write_qdq
from edgewright.targets.artifact import Artifact
from edgewright.targets.onnxruntime.readback import optimised_graph, read_back
from edgewright.targets.onnxruntime.review import review
from edgewright.targets.registry import get_backend, target_names
from edgewright.tensors import Grid
from tests.helpers import model_from_text, normal

TEXT = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,3,16,16] image) => (float[1,4,16,16] scores, float[1,8,16,16] body) {
    [c1] a = Conv <pads = [1,1,1,1]> (image, w1, b1)
    [r1] r = Relu (a)
    [c2] b = Conv <pads = [1,1,1,1]> (r, w2, b2)
    [s2] s = Sigmoid (b)
    [m2] body = Mul (b, s)
    [c3] l = Conv (body, w3)
    [s3] scores = Sigmoid (l)
}
"""


@pytest.fixture
def model() -> Model:
    return model_from_text(
        TEXT,
        w1=normal(8, 3, 3, 3),
        b1=normal(8),
        w2=normal(8, 8, 3, 3, scale=0.2),
        b2=normal(8, seed=1),
        w3=normal(4, 8, 1, 1),
    )


def images(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    return [{"image": np.random.default_rng(seed + index).random((1, 3, 16, 16), np.float32)} for index in range(count)]


def planned(model: Model, precision: Precision = "int8", **options: object) -> PrecisionPlan:
    profile = get_backend("onnxruntime/cpu").capabilities().fusion
    chosen = default_precisions(model, profile, precision)
    statistics = collect_statistics(model, layout(model, profile, chosen).observed, images(8), histogram=False)
    settings = QuantOptions(parse_observer("minmax"), **options)  # type: ignore[arg-type]
    return make_plan(model, profile, statistics, chosen, settings)


def relative_l2(model: Model, data: bytes, output: str) -> float:
    sample = images(1, seed=99)[0]
    expected, got = ReferenceSession(model.data)(sample)[output], ReferenceSession(data)(sample)[output]
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def test_names_and_types_of_the_boundary_stay(model: Model, tmp_path: Path) -> None:
    backend = get_backend("onnxruntime/cpu")
    artifact = backend.build(model, planned(model), tmp_path)
    assert [port.spec for port in artifact.outputs] == list(model.outputs)
    with backend.open(artifact) as session:
        found = session(images(1)[0])
        assert set(found) == {"scores", "body"}
        assert found["scores"].dtype == np.float32
        assert session.ran_on.startswith("onnxruntime ")


@pytest.mark.parametrize(
    ("precision", "options", "limit"),
    [
        ("int8", {}, 0.05),
        ("int8", {"activation_dtype": "int8"}, 0.05),
        ("int8", {"activation_dtype": "int8", "symmetric": True}, 0.08),
        ("int8", {"per_channel": False}, 0.08),
        ("int16", {}, 0.02),
    ],
)
def test_every_form_of_grid_runs_and_is_close(
    model: Model, precision: Precision, options: dict[str, object], limit: float
) -> None:
    data = write_qdq(model, planned(model, precision, **options)).data
    error = relative_l2(model, data, "body")
    assert 0 < error < limit


def test_what_runs_is_what_the_plan_computes(model: Model) -> None:
    """The fused integer kernels against the plan as it is written, op by op in float on the grids."""
    data = write_qdq(model, planned(model)).data
    sample = images(1, seed=5)[0]
    fused, written = ReferenceSession(data)(sample), ReferenceSession(data, optimise=False)(sample)
    step = planned(model).activations["body"].step
    assert np.abs(fused["body"] - written["body"]).max() <= 2 * step


def test_the_plan_is_read_back_from_the_file(model: Model, tmp_path: Path) -> None:
    backend, plan = get_backend("onnxruntime/cpu"), planned(model)
    found = backend.read_plan(backend.write_plan(model, plan, tmp_path))
    assert set(found.activations) == set(plan.activations)
    assert set(found.weights) == set(plan.weights)
    for name, grid in plan.activations.items():
        assert found.activations[name].to_json() == grid.to_json()
    for name, grid in plan.weights.items():
        assert found.weights[name].to_json() == grid.to_json()
    assert set(found.ops) == set(plan.ops) - {"r1"} | {"r1"} & set(found.ops)


def test_read_back_counts_integer_kernels(model: Model, tmp_path: Path) -> None:
    artifact = get_backend("onnxruntime/cpu").build(model, planned(model), tmp_path / "q")
    assert artifact.read_back["int8"] >= 6
    assert artifact.read_back["float"] == 0
    plain = get_backend("onnxruntime/cpu").build(model, None, tmp_path / "f")
    assert plain.read_back["int8"] == 0
    assert plain.read_back["float"] > 0


def test_an_op_that_falls_back_to_float_is_reported(tmp_path: Path) -> None:
    """ONNX Runtime has no 8-bit kernel for a Clip with bounds of its own after an Add; it says nothing of it."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,16,16] image) => (float[1,3,16,16] y) {
            [add] a = Add (image, image)
            [clip] y = Clip (a, low, high)
        }""",
        low=np.array(0.25, np.float32),
        high=np.array(0.75, np.float32),
    )
    backend, plan = get_backend("onnxruntime/cpu"), planned(model)
    artifact = backend.build(model, plan, tmp_path)
    assert artifact.read_back["in_float"] == ["clip"]
    assert [finding.code for finding in backend.review(artifact, plan)][:1] == ["EW503"]


def test_trace_shows_inner_tensors_behind_their_grids(model: Model, tmp_path: Path) -> None:
    backend, plan = get_backend("onnxruntime/cpu"), planned(model)
    artifact = backend.build(model, plan, tmp_path)
    seen = next(iter(backend.trace(artifact, ["r", "scores"], images(1))))
    grid: Grid = plan.activations["r"]
    assert seen["r"].shape == (1, 8, 16, 16)
    assert np.allclose(grid.dequantise(grid.quantise(seen["r"])), seen["r"], atol=1e-6)
    with pytest.raises(UserError, match="no tensor"):
        next(iter(backend.trace(artifact, ["nothing"], images(1))))


def test_an_artifact_of_another_target_is_refused(model: Model, tmp_path: Path) -> None:
    backend = get_backend("onnxruntime/cpu")
    artifact = backend.build(model, None, tmp_path)
    moved = Artifact.from_json({**artifact.to_json(), "target": "sophgo/bm1684"}, tmp_path)
    with pytest.raises(TargetMismatch, match="sophgo/bm1684"):
        backend.open(moved)


def test_a_plan_for_another_model_is_refused(model: Model) -> None:
    plan = planned(model)
    with pytest.raises(ValueError, match="nowhere"):
        write_qdq(model, PrecisionPlan("", {"nowhere": plan.activations["r"]}, {}, {}))


def test_unknown_targets_name_the_nearest() -> None:
    assert "onnxruntime/cpu" in target_names()
    with pytest.raises(UserError) as caught:
        get_backend("onnxruntim/cpu")
    assert "onnxruntime/cpu" in caught.value.todo


def test_a_shared_bias_keeps_every_level_in_integers() -> None:
    """Where a bias is not on the grid input step times weight step, ONNX Runtime runs the Conv in float, silently."""
    shared = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,16,16] image) => (float[1,3,16,16] x, float[1,3,16,16] y) {
            [big] large = Mul (image, hundred)
            [c1] x = Conv (image, w, bias)
            [c2] y = Conv (large, w, bias)
        }""",
        w=normal(3, 3, 1, 1),
        bias=np.array([3.0, -2.0, 1.0], np.float32),
        hundred=np.array(100.0, np.float32),
    )
    plan = planned(shared)
    assert read_back(write_qdq(shared, plan).data, plan)["in_float"] == ["c2"]
    made = own_weights.run(shared, PrepareOptions())
    assert made is not None
    plan = planned(made[0])
    data = write_qdq(made[0], plan).data
    assert read_back(data, plan)["in_float"] == []
    assert relative_l2(made[0], data, "x") < 0.02
    assert relative_l2(made[0], data, "y") < 0.02


def test_a_file_that_holds_other_grids_than_the_plan_is_reported(model: Model, tmp_path: Path) -> None:
    backend, plan = get_backend("onnxruntime/cpu"), planned(model)
    artifact = backend.build(model, plan, tmp_path)
    assert "EW601" not in [finding.code for finding in backend.review(artifact, plan)]
    grid = plan.activations["r"]
    other = replace(plan, activations={**plan.activations, "r": replace(grid, scale=grid.scale * np.float32(2))})
    finding = backend.review(artifact, other)[0]
    assert finding.code == "EW601"
    assert finding.evidence["tensors"] == ["r"]


def test_a_cpu_without_int8_dot_product_is_told(model: Model, tmp_path: Path) -> None:
    backend, plan = get_backend("onnxruntime/cpu"), planned(model)
    artifact = backend.build(model, plan, tmp_path)
    old = {"cpu": "old", "architecture": "x86_64", "int8_dot_product": "none"}
    assert [finding.code for finding in review(artifact, plan, plan, old)] == ["EW502"]
    assert review(artifact, plan, plan, {**old, "int8_dot_product": "avx512_vnni"}) == []


def test_a_gemm_with_a_bias_of_two_dimensions_is_right() -> None:
    """ONNX Runtime's integer Gemm adds a (1, N) bias wrongly; it stays in float, and that is told."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[4,8] image) => (float[4,4] y) { [gemm] y = Gemm (image, w, bias) }""",
        w=normal(8, 4),
        bias=normal(1, 4, scale=3.0),
    )
    profile = get_backend("onnxruntime/cpu").capabilities().fusion
    chosen = default_precisions(model, profile, "int8")
    feeds = [{"image": normal(4, 8, seed=seed)} for seed in range(4)]
    statistics = collect_statistics(model, layout(model, profile, chosen).observed, feeds, histogram=False)
    plan = make_plan(model, profile, statistics, chosen, QuantOptions(parse_observer("minmax")))
    data = write_qdq(model, plan).data
    expected, got = ReferenceSession(model.data)(feeds[0])["y"], ReferenceSession(data)(feeds[0])["y"]
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 0.05


def test_an_activation_that_went_with_a_float_conv_is_not_called_absorbed(model: Model) -> None:
    plan = planned(model, symmetric=True)
    read = read_back(write_qdq(model, plan).data, plan)
    kinds = {node.name: node.op_type for node in optimised_graph(write_qdq(model, plan).data).graph.node}
    assert "r1" not in kinds, "ONNX Runtime computes the Relu together with its Conv, in integers or in float"
    runs_in_float = not kinds["c1"].startswith("QLinear")
    assert ("c1" in read["in_float"]) is runs_in_float
    assert ("r1" in read["in_float"]) is runs_in_float, "the Relu went where its Conv went"


def test_float_readers_of_a_shared_constant_see_it_as_it_is() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,16,16] image) => (float[1,3,16,16] y, float[1] root) {
            [mul] y = Mul (image, k)
            [sqrt] root = Sqrt (k)
        }""",
        k=np.array([0.7123456], np.float32),
    )
    plan = planned(model)
    root = ReferenceSession(write_qdq(model, plan).data)(images(1)[0])["root"]
    assert root == np.sqrt(np.float32(0.7123456))


def test_names_that_are_taken_are_an_error(model: Model) -> None:
    changed = model.clone()
    changed.graph.initializers["w3"].name = "r_scale"
    taken = Model(changed)
    with pytest.raises(ModelError, match="r_scale"):
        write_qdq(taken, planned(taken))


def test_an_old_opset_is_refused_before_it_gives_an_invalid_model(model: Model, tmp_path: Path) -> None:
    plan = planned(model)
    old = model.clone()
    old.opset_imports[""] = 11
    with pytest.raises(UserError, match="too old"):
        get_backend("onnxruntime/cpu").build(Model(old), plan, tmp_path)
