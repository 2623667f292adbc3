from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import ToolchainError, UserError
from edgewright.toolchains.spec import load_spec
from edgewright.toolchains.vendors import vendor_issues, vendor_rules, vendor_spec, vendors
from tests.toolchains.conftest import spec_of


def test_a_version_is_the_default_one_unless_named() -> None:
    spec = spec_of()
    assert spec.version_name(None) == "2.0"
    assert spec.version_name("1.0") == "1.0"
    with pytest.raises(UserError, match=r"Acme Compiler 3\.0 is not a version") as caught:
        spec.version_name("3.0")
    assert "acme==2.0, acme==1.0" in caught.value.todo


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('default = "2.0"', 'default = "9"', "default version '9'"),
        ('vendor = "acme"', 'vendor = "../acme"', "cannot be the name of a folder"),
        ('title = "A"', 'titel = "A"', "titel"),
        ('python = ["3.10"]', "python = []", "python"),
        ('python = ["3.10"]', 'python = ["3.10.2"]', "python"),
        ("disk_mb = 1", "", "disk_mb"),
        ("disk_mb = 1", "disk_mb =", "line"),
    ],
)
def test_a_spec_with_a_slip_is_refused(old: str, new: str, why: str) -> None:
    text = (
        'vendor = "acme"\ntitle = "A"\ndefault = "2.0"\n[versions."2.0"]\npython = ["3.10"]\ndisk_mb = 1\nprobe = "1"\n'
    )
    assert load_spec(text).title == "A"
    assert old in text
    with pytest.raises(ToolchainError) as caught:
        load_spec(text.replace(old, new))
    assert why in caught.value.why


def test_the_digest_follows_what_is_installed_and_nothing_else(tmp_path: Path) -> None:
    stub = tmp_path / "stubs" / "common" / "heavy"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("a = 1\n")
    spec = spec_of(tmp_path, more='stubs = ["heavy"]')
    first = spec.digest("2.0")
    assert first == spec.digest("2.0") != spec_of().digest("2.0")
    same = spec.versions["2.0"].model_copy(update={"disk_mb": 7})
    assert spec.model_copy(update={"versions": {"2.0": same}}).digest("2.0") == first
    (stub / "__init__.py").write_text("a = 2\n")
    assert spec.digest("2.0") != first


def test_a_version_may_have_a_stub_of_its_own(tmp_path: Path) -> None:
    for which in ("common", "2.0"):
        (tmp_path / "stubs" / which).mkdir(parents=True)
        (tmp_path / "stubs" / which / "heavy.py").write_text("")
    spec = spec_of(tmp_path, more='stubs = ["heavy.py"]')
    assert spec.stub_paths("2.0") == {"heavy.py": tmp_path / "stubs" / "2.0" / "heavy.py"}
    (tmp_path / "stubs" / "2.0" / "heavy.py").unlink()
    assert spec.stub_paths("2.0") == {"heavy.py": tmp_path / "stubs" / "common" / "heavy.py"}
    (tmp_path / "stubs" / "common" / "heavy.py").unlink()
    with pytest.raises(ToolchainError, match=r"stub 'heavy\.py' of acme 2\.0 is missing"):
        spec.stub_paths("2.0")


def test_unknown_vendors_are_refused() -> None:
    with pytest.raises(UserError, match="no toolchain 'nobody'"):
        vendor_spec("nobody")


@pytest.mark.parametrize("vendor", vendors())
def test_the_files_of_every_vendor_can_be_read(vendor: str) -> None:
    spec = vendor_spec(vendor)
    assert spec.vendor == vendor
    for version, wanted in spec.versions.items():
        spec.digest(version)
        loose = [line for line in (*wanted.no_deps, *wanted.requirements) if "==" not in line and "<" not in line]
        assert not loose, f"{vendor} {version} does not pin {loose}"
    vendor_rules(vendor)
    vendor_issues(vendor)
