"""What must be in the pages, and what must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from edgewright.cli.main import app
from edgewright.findings import catalogue
from edgewright.graph.steps import STEPS
from edgewright.quant.observers import OBSERVERS
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.recognise import recognise  # noqa: F401 - enters every family
from tests.docs.blocks import EXAMPLES, PAGES, ROOT
from tests.docs.findings_page import PAGE, findings_page
from tests.docs.picture import MOST_BYTES, PICTURE, picture

pytestmark = pytest.mark.timeout(600)  # the first page waits for `make demo`

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"(?<![\w.:])/(home|root|tmp|var|work|mnt|opt|Users)/|[A-Z]:\\\\|file://")


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return {anchor(line.lstrip("#").strip()) for line in lines if line.startswith("#")}


def dead_links(page: Path, text: str) -> list[str]:
    dead = []
    for link, image in _LINK.findall(text):
        target, _, place = (link or image).partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        inside = file.exists() and file.is_relative_to(ROOT)
        if not inside or (place and place not in anchors(file)):
            dead.append(link or image)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, TEXTS[page]) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    assert dead_links(ROOT / "README.md", "[a](docs/none.md) ![b](none.png) [c](#no-such-heading)") != []
    assert len(dead_links(ROOT / "README.md", "[a](docs/none.md) ![b](none.png) [c](#no-such-heading)")) == 3


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: page.name)
def test_nothing_names_a_machine(page: Path) -> None:
    assert not _MACHINE.findall(page.read_text(encoding="utf-8"))


def test_every_page_is_in_the_index() -> None:
    index = TEXTS[ROOT / "docs" / "README.md"]
    assert [page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in index] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_an_example(name: str) -> None:
    assert any(re.search(rf"^\$ edgewright {name}\b", text, re.MULTILINE) for text in TEXTS.values())


@pytest.mark.parametrize("option", sorted(o for p in COMMANDS["deploy"].params for o in (*p.opts, *p.secondary_opts)))
def test_every_option_of_deploy_is_told(option: str) -> None:
    if option.startswith("--") and option != "--help":
        assert any(re.search(rf"(?<![\w-]){option}(?![\w-])", text) for text in TEXTS.values()), option


def test_families_observers_and_steps_are_told() -> None:
    told = "\n".join(TEXTS.values())
    names = [*FAMILIES.names(), *OBSERVERS.names(), *STEPS.names()]
    assert [name for name in names if f"`{name}`" not in told] == []


def test_the_findings_page_is_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == findings_page(), "run `python -m tests.docs.update`"


def test_every_code_that_a_page_names_exists() -> None:
    named = {code for text in TEXTS.values() for code in re.findall(r"\bEW\d{3}\b", text)}
    assert named - set(catalogue()) == set()


def test_the_picture_is_small() -> None:
    assert PICTURE.stat().st_size < MOST_BYTES


def test_the_picture_is_made_from_the_report(checkout: Path) -> None:
    found = picture((checkout / "runs/demo/report.html").read_text(encoding="utf-8"))
    assert found.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no pictures"):
        picture("<html></html>")
