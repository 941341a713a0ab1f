"""The page: structure, safety, sameness, size. A browser looks in integration/test_page."""

import functools
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.drawing import page_svg
from reports.html import render_html
from reports.pages import write_pages
from reports.plots import throughput
from tests import report_fixtures as fixtures
from tests import report_parts as parts

VOID = {"meta", "link", "br", "path", "use", "input", "img"}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        parent = next((name for name in reversed(self.open) if name in ("table", "svg")), "")
        if parent:
            self.inside.setdefault(f"{parent} {self.open.count(parent)}", []).append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of that name."""
        return [attrs for name, attrs in self.tags if name == tag]


@functools.cache
def rendered(name: str) -> str:
    """Made once in a process, whatever the order of the tests."""
    return render_html(fixtures.MATRICES[name](), Path("runs/m"))


@pytest.fixture(params=["invalid", "unknown", "unjudged", "hostile", "controls", "empty"])
def text(request: pytest.FixtureRequest) -> str:
    return rendered(request.param)


def test_is_well_formed(text: str) -> None:
    """Every element is closed in order."""
    assert Page(text).open == []


def test_loads_nothing(text: str) -> None:
    """No element refers to anything outside of the page, and the policy forbids it too."""
    page = Page(text)

    for tag, attrs in page.tags:
        for name in ("href", "src", "action", "srcset", "data", "poster"):
            if name in attrs:
                assert attrs[name].startswith(("#", "data:,")), (tag, attrs)
    assert page.of("img") == page.of("iframe") == []
    assert not re.search(r"@import|url\((?!#)", text)
    assert "default-src 'none'" in text


def test_every_table_says_what_it_is(text: str) -> None:
    """A caption, and a scope on every head."""
    page = Page(text)

    assert len(page.of("table")) == len(page.of("caption"))
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.of("th"))


def test_every_picture_has_words(text: str) -> None:
    """Each plot is an image with a title and a description that exist."""
    page = Page(text)
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}

    for svg in page.of("svg"):
        assert svg["role"] == "img"
        assert set(svg["aria-labelledby"].split()) <= ids
    assert len(page.of("desc")) == len(page.of("svg"))


def test_ids_are_unique_and_references_resolve(text: str) -> None:
    """One element an id, an element for each reference."""
    page = Page(text)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]

    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids
        for name in attrs.get("aria-labelledby", "").split():
            assert name in ids
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)


def test_headings_skip_no_level(text: str) -> None:
    """One h1, and no heading more than one level below the one before."""
    levels = [int(tag[1]) for tag, _ in Page(text).tags if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_has_landmarks(text: str) -> None:
    """A language, one main part, and a way past the header."""
    page = Page(text)

    assert page.of("html")[0]["lang"] == "en"
    assert [len(page.of(tag)) for tag in ("header", "main", "footer")] == [1, 1, 1]
    assert page.of("a")[0] == {"class": "skip", "href": "#verdicts"}


def test_strangers_strings_stay_text() -> None:
    """No string of an engine or agent becomes an element, and no control sign reaches the page."""
    text = rendered("hostile")

    assert text.count("<script") == 1
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_same_input_same_bytes() -> None:
    """Nothing of the moment, the machine or the process enters the page."""
    first = rendered("invalid")

    assert first == render_html(fixtures.invalid_matrix(), Path("runs/m"))
    assert not re.search(r"matplotlib|/home/|/tmp/", first)


def test_unknown_is_loud() -> None:
    """An unknown stands above the verdicts, with its reason."""
    words = " ".join(Page(rendered("unknown")).words)

    assert words.index("Unknown is not a pass") < words.index("Promises by run")
    assert "kill_pod-4 never fired: 9 steps in flight" in words


def test_invalid_shows_witness_and_command() -> None:
    """Each refuted promise has its excerpt, its records and the command that shows the agent."""
    words = " ".join(Page(rendered("invalid")).words)

    assert "123 violations" in words
    assert "73 violations more only in the run's files" in words
    assert "Ledger records 4000, 4001, 4002" in words
    run = fixtures.invalid_run()
    assert f"onceproof explain runs/m/{run.directory} a-00000" in words


def test_sizes() -> None:
    """A plot stays under 60 KB on a long run with many faults, a page of one run under 250 KB."""
    long = parts.series(length=900, limited=9, dips=range(8, 800, 20))
    run = fixtures.replace(
        fixtures.invalid_run(), series=long, faults=parts.fault_rows(40, every_s=20)
    )

    drawing = throughput(run)
    assert drawing is not None
    assert len(page_svg(drawing, "p").encode()) < 60_000
    assert len(render_html(fixtures.matrix_of(run)).encode()) < 250_000


def test_pages_are_written_whole(tmp_path: Path) -> None:
    """Three files, the page first, and no draft is left."""
    written = write_pages(fixtures.valid_matrix(), tmp_path)

    names = ["report.html", "report.md", "junit.xml"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
