"""Targets by name, with a version of their toolchain behind `==`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.offer import offer_toolchain
from edgewright.errors import TargetMismatch, UserError
from edgewright.runtime.host import backend_for
from edgewright.targets.facts import capabilities_of
from edgewright.targets.naming import parse_target
from edgewright.targets.registry import backend_that_built, get_backend, target_names, toolchain_version, versions_of
from edgewright.toolchains import environments
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.toolchains.vendors import known


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("sophgo/bm1684", "1.30.2"),
        ("sophgo/bm1684==1.6", "1.6"),
        ("rockchip/rk3588", "2.3.2"),
        ("rockchip/rk3588==2.5.0", "2.5.0"),
        ("rockchip/rk3588==2.3.2", "2.3.2"),
    ],
)
def test_a_version_behind_the_name_is_the_one_in_use(name: str, version: str) -> None:
    backend = get_backend(name)
    assert toolchain_version(backend) == version
    able = backend.capabilities()
    assert able.target == name.partition("==")[0], "a chip is the same chip, whichever version builds for it"
    assert version in able.ran_on
    assert version in backend.toolchain().values()


@pytest.mark.parametrize(
    ("name", "what", "more"),
    [
        ("sophgo/bm1684==1.7", "there is no TPU-MLIR 1.7 for sophgo/bm1684", "known versions: 1.30.2, 1.6"),
        ("rockchip/rk3588==2.3", "there is no RKNN-Toolkit2 2.3", "known versions: 2.3.2, 2.5.0"),
        ("rockchip/rk3588==", "names no version", "rockchip/rk3588 for the default version"),
        ("rockchip/rv1126==1.7.5", "has no versions to choose from", "embedded or emulated"),
        ("onnxruntime/cpu==1.20", "has no versions to choose from", "embedded or emulated"),
        ("rockchip/rk35888==2.5.0", "unknown target 'rockchip/rk35888==2.5.0'", "rockchip/rk3588"),
    ],
)
def test_other_versions_are_refused_with_those_that_there_are(name: str, what: str, more: str) -> None:
    with pytest.raises(UserError) as failure:
        get_backend(name)
    assert what in str(failure.value)
    assert more in f"{failure.value.why} {failure.value.todo}"


def test_every_target_opens_in_every_version_that_it_has() -> None:
    for name in target_names():
        for version in versions_of(name):
            assert toolchain_version(get_backend(f"{name}=={version}")) == version
    assert versions_of("rockchip/rv1126") == versions_of("onnxruntime/cpu") == ()


def test_names_come_apart() -> None:
    named = parse_target("sophgo/bm1684==1.6")
    assert (named.vendor, named.chip, named.version, named.target) == ("sophgo", "bm1684", "1.6", "sophgo/bm1684")
    assert parse_target("sophgo/bm1684").version is None


def test_an_artifact_is_opened_by_the_version_that_built_it() -> None:
    assert toolchain_version(backend_that_built("sophgo/bm1684", {"TPU-MLIR": "1.6"})) == "1.6"
    assert toolchain_version(backend_that_built("rockchip/rk3588", {"RKNN-Toolkit2": "2.5.0"})) == "2.5.0"
    assert toolchain_version(backend_that_built("onnxruntime/cpu", {"onnxruntime": "1.20"})) is None
    assert toolchain_version(backend_that_built("rockchip/rv1126", {"onnxruntime": "1.20"})) is None

    class Manifest:
        target, tool = "sophgo/bm1684", "9.0"

        class artifact:  # noqa: N801 - stands for a field
            toolchain = {"TPU-MLIR": "9.9"}  # noqa: RUF012

    manifest: Any = Manifest
    with pytest.raises(TargetMismatch) as failure:
        backend_for(manifest, "here")
    assert "TPU-MLIR 9.9" in failure.value.why


def test_facts_may_differ_by_version() -> None:
    old, new = (capabilities_of("rockchip", "rv1126b", version).fusion for version in ("2.3.2", "2.5.0"))
    assert (old.fuse_silu, new.fuse_silu) == (False, True)
    assert new == capabilities_of("rockchip", "rk3588", "2.5.0").fusion


def test_known_issues_are_those_of_the_version() -> None:
    codes = {
        version: {issue.code for issue in known("rockchip", version, "rk3588", {"Einsum"}, "yolov8", "int8")}
        for version in ("2.3.2", "2.5.0")
    }
    assert codes["2.3.2"] - codes["2.5.0"] >= {"einsum-5d"}


def test_the_version_that_is_named_is_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path))
    asked = []

    def ensure(spec: Any, version: str, **options: Any) -> None:
        asked.append((spec.vendor, version, options["yes"]))

    monkeypatch.setattr(environments, "ensure", ensure)
    for name in ("rockchip/rk3588==2.5.0", "sophgo/bm1684", "rockchip/rv1126", "onnxruntime/cpu"):
        offer_toolchain(name, yes=True)
    assert asked == [("rockchip", "2.5.0", True), ("sophgo", "1.30.2", True)]


@pytest.mark.parametrize("name", ["rockchip/rk3588==2.5.0", "sophgo/bm1684==1.6"])
def test_a_version_that_is_not_installed_says_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path))
    with pytest.raises(ToolchainMissing) as failure:
        offer_toolchain(name, yes=False)
    vendor, version = name.partition("/")[0], name.rpartition("=")[2]
    assert failure.value.todo == f"`edgewright toolchain install {vendor}=={version}`"
