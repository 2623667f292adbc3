"""The real Paddle 2.6.2, 3.0.0rc1 and 3.3.1: what is built computes what the layers compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import UserError
from edgewright.targets.backend import FromSource, SelfTimed
from edgewright.targets.paddle.inference import Options, Timing, run_inference
from edgewright.targets.registry import backend_that_built, get_backend
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.verify.latency import measure_latency
from edgewright.workflow.doctor import examine_target
from tests.targets.paddle.conftest import Export, GetExport

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]
VERSIONS = ("2.6.2", "3.0.0rc1", "3.3.1")


def output_of(export: Export) -> str:
    found = run_inference(
        export.program, export.weights, [export.feeds], version=export.version, options=Options(onednn="off")
    )
    return found.names[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["neck", "classifier", "scaled"])
def test_an_artifact_computes_what_the_layers_compute(
    exported: GetExport, tmp_path: Path, name: str, version: str
) -> None:
    export = exported(name, version)
    backend = get_backend(f"paddle/cpu=={version}")
    assert isinstance(backend, FromSource)
    artifact = backend.build_from(export.origin(output_of(export)), export.model, "float", tmp_path)
    assert artifact.toolchain == {"Paddle": version}
    assert [port.spec.name for port in (*artifact.inputs, *artifact.outputs)] == ["image", "out"]
    with backend.open(artifact) as session:
        found = list(session.run_many([{"image": export.arrays["x"]}] * 3))
    for outputs in found:
        np.testing.assert_allclose(outputs["out"], export.arrays["y"], rtol=1e-5, atol=1e-6)
    again = backend.build_from(export.origin(output_of(export)), export.model, "float", tmp_path / "again")
    assert again.digest == artifact.digest, "two builds of one export are one artifact"


def test_a_bundle_is_opened_with_the_version_that_ran(exported: GetExport, tmp_path: Path) -> None:
    export = exported("classifier", "2.6.2")
    backend = get_backend("paddle/cpu")
    assert isinstance(backend, FromSource)
    artifact = backend.build_from(export.origin(output_of(export)), export.model, "float", tmp_path)
    reopened = backend_that_built(artifact.target, artifact.toolchain)
    moved = type(artifact).from_json(artifact.to_json(), artifact.folder)
    with reopened.open(moved) as session:
        np.testing.assert_allclose(
            session({"image": export.arrays["x"]})["out"], export.arrays["y"], rtol=1e-5, atol=1e-6
        )


def test_options_take_hold_and_say_so(exported: GetExport) -> None:
    export = exported("classifier", "2.6.2")

    def settings(options: Options) -> dict[str, object]:
        return dict(run_inference(export.program, export.weights, [export.feeds], options=options).settings)

    assert settings(Options())["onednn"] is True, "the 2.6 wheel has it on"
    assert settings(Options(onednn="off"))["onednn"] is False
    assert settings(Options(ir_optim=False))["ir_optim"] is False
    assert settings(Options(threads=2))["threads"] == 2
    assert settings(Options(device="gpu"))["gpu"] is False, "asked for a GPU, it stays on the CPU without an error"


def test_samples_are_run_twice_and_in_batches(exported: GetExport) -> None:
    export, fixed = exported("neck", "2.6.2"), exported("classifier", "2.6.2")
    samples = [{"x": export.arrays["x"] * scale} for scale in (1.0, 0.5, 0.25)]
    single = run_inference(export.program, export.weights, samples)
    paired = run_inference(export.program, export.weights, samples, options=Options(batch=2, twice=True))
    (name,) = single.names
    for one, other in zip(single.outputs, paired.outputs, strict=True):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6)
    assert paired.differences == {name: 0.0}
    with pytest.raises(WorkerFailed) as failure:
        run_inference(fixed.program, fixed.weights, samples, options=Options(batch=2))
    assert failure.value.death.cause is not None
    assert failure.value.death.cause.code == "reshape"


def test_time_is_measured_in_the_worker(exported: GetExport, tmp_path: Path) -> None:
    export = exported("classifier", "2.6.2")
    found = run_inference(export.program, export.weights, [export.feeds], timing=Timing(0.05, least=5, most=7))
    assert 5 <= len(found.times) <= 7
    backend = get_backend("paddle/cpu")
    assert isinstance(backend, FromSource)
    artifact = backend.build_from(export.origin(found.names[0]), export.model, "float", tmp_path)
    session = backend.open(artifact)
    assert isinstance(session, SelfTimed)
    latency = measure_latency({"float": session}, {"image": export.arrays["x"]}, seconds=0.05, threads=8)["float"]
    assert latency.median_ms < 100, "a process start would be seconds"
    assert latency.source == "measured"
    assert "in one process" in latency.note
    assert "1 thread" in latency.note


def test_wrong_inputs_are_named(exported: GetExport) -> None:
    export = exported("scaled", "2.6.2")
    with pytest.raises(WorkerFailed, match=r"wants inputs \['scale_factor', 'x'\], but was given \['x'\]"):
        run_inference(export.program, export.weights, [{"x": export.arrays["x"]}])
    with pytest.raises(UserError, match="no sample"):
        run_inference(export.program, export.weights, [])


@pytest.mark.usefixtures("exported")
def test_the_doctor_takes_controls_in_paddle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    health = examine_target("paddle/cpu", tmp_path / "a")
    assert health.in_order
    states = {(result.control, result.precision): result.state for result in health.results}
    assert states["convolutions", "float"] == states["upsampling", "float"] == "ok"
    assert {precision for _, precision in states} == {"float"}
    (tmp_path / "b").mkdir()
    broken = examine_target("paddle/cpu==3.0.0rc1", tmp_path / "b", controls=("convolutions",), precisions=("float",))
    (result,) = broken.results
    assert result.state == "fails"
    assert "disable_mkldnn" in result.remedy
    assert Path(result.log).is_file()
    assert "first-predictor-onednn" in {issue.code for issue in broken.issues["convolutions", "float"]}
    with pytest.raises(UserError, match="no control model 'plain-conv' for paddle/cpu"):
        examine_target("paddle/cpu", tmp_path, controls=("plain-conv",))
