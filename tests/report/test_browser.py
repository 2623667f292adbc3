"""The page as a browser shows it: drawn, without errors, without network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.report.page import render_page
from edgewright.report.picture import Picture
from edgewright.verify.results import RunReport

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--window-size=1280,1600",
)  # fmt: skip


def browse(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    browser = next((found for found in map(shutil.which, NAMES) if found), None)
    if browser is None:
        pytest.skip("no Chromium here")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [browser, *FLAGS, profile, *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)


@pytest.mark.parametrize("name", ["passed", "hostile"])
def test_page_is_drawn(name: str, request: pytest.FixtureRequest, picture: Picture, tmp_path: Path) -> None:
    import cv2

    report: RunReport = request.getfixturevalue(name)
    page = tmp_path / "report.html"
    page.write_text(render_page(report, [picture]), encoding="utf-8")
    screenshot = tmp_path / "page.png"
    done = browse(page, "--dump-dom", f"--screenshot={screenshot}")
    assert 'id="verdict"' in done.stdout
    assert report.verdict.word.capitalize() in done.stdout
    assert done.stdout.count("<tr") > len(report.variants)
    # a script that ran, a request that was tried or refused by the policy would be told here
    log = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "net_error" in line or "ERR_" in line]
    assert log == []
    pixels = cv2.imread(str(screenshot))
    assert pixels is not None
    assert pixels.shape[1] == 1280
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
