"""The page, the Markdown and the terminal say the same, and say what they do not know."""

import re
from dataclasses import replace

import pytest

from harness.capacity.record import CapacityResult, Skipped
from reports.capacity import answers, levels_table
from reports.capacity_forms import (
    render_capacity_html,
    render_capacity_markdown,
    render_capacity_text,
)
from reports.capacity_plots import capacity_drawings
from tests.unit.test_capacity_assess import FREE, assessed

STATED = assessed()
UNKNOWN = assessed(replace(FREE, late_ms=900.0))
HOSTILE = replace(
    STATED,
    engine="<script>alert(1)</script>",
    headline="<b>bold</b> \x1b[31m",
    unknowns=("<img src=x>",),
    exit_code=2,
)


@pytest.mark.parametrize("result", [STATED, UNKNOWN], ids=["stated", "unknown"])
def test_every_form_has_the_headline_and_the_doubts(result: CapacityResult) -> None:
    """On its first screen: the answer, and when it is false."""
    html = render_capacity_html(result)
    markdown, text = render_capacity_markdown(result), render_capacity_text(result)

    for form in (html, text.replace("\n  ", " "), markdown):
        assert "no capacity is stated" in form if result is UNKNOWN else "agents/s" in form
        assert "beyond that nothing is known" in " ".join(form.split())
    assert html.index("When this is false") < html.index("Levels of offered load")
    assert ("Unknown is not a pass" in html) == (result is UNKNOWN)


def test_the_page_needs_nothing_and_is_the_same_twice() -> None:
    """No address is loaded; the same result gives the same bytes."""
    page = render_capacity_html(STATED)

    assert page == render_capacity_html(STATED)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page) == []
    assert page.count("<svg") == 4


def test_a_strangers_string_is_text() -> None:
    """Nothing of it is markup, no control sign gets through."""
    page = render_capacity_html(HOSTILE)

    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "\x1b" not in page + render_capacity_text(HOSTILE) + render_capacity_markdown(HOSTILE)


def test_littles_law_is_red_where_it_fails() -> None:
    """With a sign and a word beside the colour."""
    table = levels_table(STATED)
    assert table is not None
    column = [head.text for head in table.head].index("Little's law")
    shown = {(row[column].text, row[column].tone) for row in table.rows}

    assert shown == {("✓ holds", "good"), ("✗ fails", "bad")}


def test_what_was_not_found_is_a_dash_with_its_reason() -> None:
    """Never a zero."""
    (row,) = [row for row in answers(UNKNOWN).rows if row[0].text == "agents a second, no quota"]

    assert row[1].text == "–"
    assert "levels without a quota count" in row[2].text


def test_levels_left_out_stand_on_the_page() -> None:
    """With their reason."""
    skipped = (Skipped(side="free", offered_per_s=20.0, reason="saturated at 12/s already"),)

    assert "saturated at 12/s already" in render_capacity_html(replace(STATED, skipped=skipped))


def test_nothing_is_drawn_of_nothing() -> None:
    """No plot without two levels, and a page all the same."""
    empty = replace(STATED, levels=(), bindings=(), capacity=UNKNOWN.capacity)

    assert capacity_drawings(empty) == ()
    assert "<svg" not in render_capacity_html(empty)


def test_lines_of_the_terminal_are_short() -> None:
    """At most 100 signs."""
    assert max(len(line) for line in render_capacity_text(UNKNOWN).splitlines()) <= 100
