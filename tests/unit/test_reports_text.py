"""The terminal summary and the Markdown summary: width, size, safety, order."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.results import RunResult
from reports.markdown import BYTES_MAX, render_markdown
from reports.text import WIDTH, render_text
from tests import report_fixtures as fixtures


def _widest(text: str) -> int:
    return max(len(line) for line in text.splitlines())


@pytest.mark.parametrize("name", fixtures.MATRICES)
def test_text_fits_the_terminal(name: str) -> None:
    """No line of a summary is longer than 100 signs, and no control sign is in it."""
    matrix = fixtures.MATRICES[name]()

    for text in (render_text(matrix), *(render_text(run) for run in matrix.runs)):
        assert _widest(text) <= WIDTH
        assert "\x1b" not in text
        assert not re.search(r"[ \t]$", text, re.MULTILINE)


@pytest.mark.parametrize("name", fixtures.MATRICES)
def test_markdown_stays_small(name: str) -> None:
    """Every summary is under 64 KiB."""
    assert len(render_markdown(fixtures.MATRICES[name]()).encode()) < BYTES_MAX


def test_markdown_of_a_huge_matrix_says_what_it_left_out() -> None:
    """Forty runs do not fit; the verdicts stay, and the text says that runs are missing."""
    text = render_markdown(fixtures.matrix_of(*[fixtures.invalid_run()] * 40))

    assert len(text.encode()) < BYTES_MAX
    assert "the page has" in text
    assert "40 of 40" in text or "All 40 runs" in text


def test_markdown_decides_on_the_first_screen() -> None:
    """Title with the verdict, one sentence, the verdict table: before any figure."""
    lines = render_markdown(fixtures.invalid_matrix(), Path("runs/m")).splitlines()

    assert lines[0] == "# onceproof pod\\_kill: ✗ invalid"
    assert "breaks what its engine promises: S1, S2" in lines[2]
    assert any("refuted (not promised)" in line for line in lines[:20])


def test_markdown_escapes_strangers() -> None:
    """No tag, link, mention or table cell of a stranger gets through."""
    text = render_markdown(fixtures.hostile_matrix())
    prose = re.sub(r"```console\n.*?\n```", "", text, flags=re.DOTALL)

    assert "<script" not in prose
    assert not re.search(r"(?<!\\)\]\(", prose)
    assert "http://" not in prose
    assert "\u202e" not in text


def test_text_names_both_kinds_of_refutation() -> None:
    """Capitals for a broken promise; another sign for what was never promised."""
    text = render_text(fixtures.invalid_run())

    assert re.search(r"S1 ✗ REFUTED +123 violations in 10,000 steps", text)
    assert re.search(r"S5 △ refuted +21 violations", text)
    assert "onceproof explain" in text


def test_text_of_an_unjudged_run_is_its_reason() -> None:
    """A skipped run says why, and how to get what lacks."""
    run: RunResult = fixtures.unjudged_run()

    assert "⊘ SKIPPED" in render_text(run)
    assert "make kafka" in render_text(run)
    assert "no reason was given" in render_text(replace(run, state_reason="")).lower()
