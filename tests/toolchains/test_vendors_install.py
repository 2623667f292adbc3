"""The vendors' own toolchains, installed from the package index into the user's cache."""

from __future__ import annotations

import subprocess

import pytest

from edgewright.toolchains.environments import environment
from edgewright.toolchains.install import install, probe
from edgewright.toolchains.vendors import vendor_spec, vendors

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]
MOST_MB = {"paddle": 800, "paddlelite": 250, "rockchip": 600, "sophgo": 1700}


@pytest.mark.parametrize("vendor", vendors())
def test_the_default_version_installs_and_is_no_larger_than_promised(vendor: str) -> None:
    spec = vendor_spec(vendor)
    made = install(spec)
    assert environment(spec) == made
    assert made.disk_mb <= MOST_MB[vendor]
    assert made.disk_mb <= spec.versions[made.version].disk_mb
    assert probe(made, spec.versions[made.version]) > 0
    packages = {line.partition("==")[0].lower() for line in made.lock.splitlines()}
    assert not packages & {"torch", "torchvision"}
    assert not [name for name in packages if name.startswith("nvidia")]


@pytest.mark.parametrize("vendor", vendors())
def test_what_is_installed_is_what_the_file_pins(vendor: str) -> None:
    """A requirement that another one overruled would make the pins a lie."""
    spec = vendor_spec(vendor)
    made = install(spec)
    locked = dict(_name_and_version(line) for line in made.lock.splitlines() if "==" in line)
    wanted = spec.versions[made.version]
    pinned = dict(_name_and_version(line) for line in (*wanted.no_deps, *wanted.requirements) if "==" in line)
    assert pinned
    assert {name: locked.get(name) for name in pinned} == pinned


@pytest.mark.parametrize("vendor", vendors())
def test_an_environment_sees_nothing_of_ours(vendor: str) -> None:
    made = install(vendor_spec(vendor))
    done = subprocess.run([made.python, "-I", "-c", "import edgewright"], capture_output=True, check=False)
    assert b"No module named 'edgewright'" in done.stderr


def _name_and_version(line: str) -> tuple[str, str]:
    name, _, version = line.partition("==")
    return name.strip().lower().replace("_", "-").replace(".", "-"), version.strip()
