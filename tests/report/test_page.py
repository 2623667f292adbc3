"""The page: whole, self-contained, deaf to hostile names, and small."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from edgewright.findings import Finding, Severity
from edgewright.report.page import recipe_text, render_page
from edgewright.report.picture import Picture, encode_jpeg
from edgewright.verify.results import PartError, RunReport

VOID = {"meta", "link", "img", "br", "input", "hr"}
ACTIVE = {"script", "iframe", "object", "embed", "form", "base", "audio", "video"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; complains about tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute given twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(params=["passed", "hostile", "empty", "unknown_head"])
def html(request: pytest.FixtureRequest, picture: Picture) -> str:
    pictures = [picture] if request.param in ("passed", "hostile") else []
    return render_page(request.getfixturevalue(request.param), pictures)


def test_page_is_well_formed_and_fetches_nothing(html: str) -> None:
    page = Page(html)
    assert html.startswith("<!doctype html>")
    for tag, attributes in page.elements:
        assert tag not in ACTIVE
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} has a handler"
            if name in ("src", "href", "srcset", "action", "xlink:href", "poster", "data"):
                assert (value or "").startswith(("#", "data:image/jpeg;base64,", "data:,"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", html)


def test_policy_forbids_everything_but_own_style_and_pictures(html: str) -> None:
    policies = [a["content"] for tag, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]


def test_hostile_names_are_text(hostile: RunReport) -> None:
    html = render_page(hostile)
    page = Page(html)
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert "49" not in [value for _, a in page.elements for value in a.values()]
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "\\u202e" in page.text
    assert len(re.findall("</style>", html)) == 1


def test_all_sections_are_there(passed: RunReport, picture: Picture) -> None:
    page = Page(render_page(passed, [picture]))
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert ids >= {"verdict", "variants", "findings", "stages", "parts", "pictures", "model", "data", "time", "origin"}
    links = {a["href"] for tag, a in page.elements if tag == "a"}
    assert links == {f"#{name}" for name in ids - {"verdict"}}
    for words in (
        "Passed",
        passed.verdict.summary,
        "AP falls by 5.2 points, more than the limit of 1.0",
        "measured",
        "interleaved with float",
        "64 images",
        "AP by class: bicycle 29.4 29.4 29.4",
        "edgewright explain EW301",
        "The error grows most at int8 artifact: scores from 3.9e-7 to 0.94.",
        "worst is channel 30",
        "images: float32[1x3x640x640]",
        "softmax over 16 distance bins",
        "letterbox",
        "132 ops",
        "reused",
        'observer = "mse"',
        "libraries / onnxruntime 1.31.1",
    ):
        assert words in page.text, words


def test_empty_sections_are_left_out(empty: RunReport) -> None:
    page = Page(render_page(empty))
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert ids == {"verdict", "model", "origin"}
    assert "Failed" in page.text
    assert "nothing" in page.text


def test_missing_figures_are_words(hostile: RunReport) -> None:
    text = Page(render_page(hostile)).text
    assert "infinite" in text
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_findings_are_grouped_and_counted(hostile: RunReport) -> None:
    page = Page(render_page(hostile))
    assert "300 times" in page.text
    assert "37 more of this kind" in page.text
    assert "260 more are in the output of --json" in page.text
    assert sum(1 for tag, _ in page.elements if tag == "article") == 1


def test_page_stays_small(passed: RunReport) -> None:
    channels = tuple(float(v) for v in np.random.default_rng(0).uniform(1e-6, 2, 5000))
    many = tuple(PartError(f"output{i}", 0.9, 0.1 + i / 1000, 20.0, 1.0, channels) for i in range(300))
    variants = tuple(replace(passed.variants[1], name=f"v{i}", parts=many) for i in range(8))
    findings = tuple(
        Finding("EW301", Severity.ERROR, "n" * 9000, "m" * 9000, {f"key{k}": k for k in range(500)}) for _ in range(300)
    )
    noise = np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8)
    pictures = [Picture.from_arrays(f"{i}.jpg", "", [("float", noise), ("int8", noise)]) for i in range(12)]
    html = render_page(replace(passed, variants=variants, findings=findings, stages={"a": many, "b": many}), pictures)
    assert len(html.encode()) < 3_000_000
    text = Page(html).text
    assert "left out to keep this page small" in text
    assert "260 more parts with smaller errors are left out" in text
    assert "294 more parts with smaller errors are in the table" in text


def test_recipe_is_toml_where_toml_can_hold_it() -> None:
    assert recipe_text({"a": 1, "b": {"c": None, "d": "x"}}) == 'a = 1\n\n[b]\nd = "x"\n'
    assert recipe_text({"a": [None]}) == '{\n  "a": [\n    null\n  ]\n}'


def test_pictures_are_shrunk_and_checked() -> None:
    import cv2

    jpeg = encode_jpeg(np.zeros((300, 1200), np.uint8))
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED).shape == (160, 640)
    small = encode_jpeg(np.zeros((30, 20, 3), np.uint8))
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == (30, 20, 3)
    with pytest.raises(ValueError, match="must hold the bytes of a JPEG file"):
        Picture("a", "", (("float", b"\x89PNG"),))
