"""The segmentation-fault story: files that run where they do not belong are refused before they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import BundleError, TargetMismatch, UserError
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.naming import parse_target
from edgewright.targets.paddlelite import backend as backends
from edgewright.targets.paddlelite.backend import open_backend
from edgewright.targets.paddlelite.nb import parse_nb
from edgewright.targets.paddlelite.place import require_version
from edgewright.tensors import TensorSpec
from edgewright.toolchains.environments import Environment
from tests.targets.paddlelite.files import nb_bytes, with_version


@pytest.fixture(autouse=True)
def no_toolchain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Looking at a file takes no runtime."""

    def made(version: str | None = None) -> Environment:
        return Environment("paddlelite", version or "2.12", tmp_path, "3.7.16", "", 1, "")

    monkeypatch.setattr(backends, "toolchain_environment", made)


def artifact(folder: Path, data: bytes, target: str = "paddlelite/x86") -> Artifact:
    """As a bundle or a run directory would hold it."""
    (folder / "model.nb").write_bytes(data)
    return Artifact(
        target=target,
        precision="float",
        files=("model.nb",),
        folder=folder,
        inputs=(PortSpec(TensorSpec("image", "float32", (1, 3, 16, 16))),),
        outputs=(PortSpec(TensorSpec("out", "float32", (1, 4, 8, 8))),),
        toolchain={"Paddle Lite": "2.12"},
        digest=parse_nb(data).digest,
        read_back={"feeds": [{"input": "image"}], "fetches": ["out"]},
    )


def test_a_file_for_this_processor_opens(tmp_path: Path) -> None:
    session = open_backend("x86").open(artifact(tmp_path, nb_bytes("x86")))
    assert session.ran_on == "Paddle Lite 2.12, this computer"


@pytest.mark.parametrize(("name", "count"), [("arm", 3), ("arm_x86", 3), ("x86_arm", 1)])
def test_a_file_with_kernels_of_another_processor_is_refused_with_the_ops_and_the_story(
    tmp_path: Path, name: str, count: int
) -> None:
    with pytest.raises(TargetMismatch) as failure:
        open_backend("x86").open(artifact(tmp_path, nb_bytes(name)))
    error = failure.value
    assert error.what.startswith(f"{count} of 6 ops of this file lie on kernels for arm")
    assert "hard_sigmoid (hard_sigmoid/def/4/1/1)" in error.why
    assert "answers with what lay in memory, or crashes" in error.why
    assert "--target paddlelite/x86" in error.todo


def test_an_arm_file_is_never_run_here(tmp_path: Path) -> None:
    """Not even by the target that it was built for: this host's runtime has no ARM kernels."""
    with pytest.raises(TargetMismatch, match="not run on this host") as failure:
        open_backend("arm").open(artifact(tmp_path, nb_bytes("arm"), "paddlelite/arm"))
    assert "its ARM kernels do nothing" in failure.value.why


def test_an_x86_file_does_not_pass_for_an_arm_one(tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch, match="lie on kernels for x86"):
        open_backend("arm").open(artifact(tmp_path, nb_bytes("x86"), "paddlelite/arm"))


def test_a_file_of_a_newer_opt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch) as failure:
        open_backend("x86", "2.10").open(artifact(tmp_path, nb_bytes("x86")))
    assert failure.value.what == "this file was written by opt 2.12, which is newer than the runtime 2.10"
    assert "paddlelite==2.12" in failure.value.todo


def test_a_file_of_an_older_opt_is_run(tmp_path: Path) -> None:
    open_backend("x86").open(artifact(tmp_path, nb_bytes("old")))


@pytest.mark.parametrize("version", [b"", b"a1b2c3d", b"v\xff\xfe"])
def test_a_file_without_a_version_is_refused(version: bytes) -> None:
    nb = parse_nb(with_version(nb_bytes("x86"), version))
    with pytest.raises(TargetMismatch, match="does not say which version"):
        require_version(nb, "2.12", Path("model.nb"))


def test_another_file_than_the_one_that_was_built_is_refused(tmp_path: Path) -> None:
    built = artifact(tmp_path, nb_bytes("x86"))
    (tmp_path / "model.nb").write_bytes(nb_bytes("int8"))
    with pytest.raises(BundleError, match="not the one that was built"):
        open_backend("x86").open(built)


@pytest.mark.parametrize("text", ["paddlelite/arm,x86", "paddlelite/x86,paddlelite/arm", "paddlelite/x86 arm"])
def test_two_targets_at_once_are_refused_with_the_story_why(text: str) -> None:
    with pytest.raises(UserError, match="names 2 targets") as failure:
        parse_target(text)
    assert "ended with status 0" in failure.value.why
    assert "--target paddlelite/arm" in failure.value.todo
    assert "--target paddlelite/x86" in failure.value.todo
