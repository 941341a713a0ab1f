"""Markers survive what frameworks do around them, and nothing else passes for one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_llm.marker import KINDS, Directive, Marker, find_all, parse, prompt_with, render

words = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters="[],"), min_size=1, max_size=12
).filter(lambda word: word != "-" and not any(sign.isspace() for sign in word))
directives = st.one_of(
    st.builds(Directive, kind=st.just("say"), is_last=st.booleans()),
    st.builds(
        Directive,
        kind=st.sampled_from([kind for kind in KINDS if kind != "say"]),
        count=st.integers(400, 999),
        is_last=st.booleans(),
    ),
)
markers = st.builds(
    Marker,
    agent=words,
    path=words,
    predecessors=st.lists(words, max_size=4).map(tuple),
    directive=directives,
)


def _marker() -> Marker:
    return Marker(
        agent="a1",
        path="2.b1.r0",
        predecessors=("1", "2.b0"),
        directive=Directive(kind="tools", count=2, is_last=True),
    )


@pytest.mark.parametrize(
    ("kind", "least"), [("route", 1), ("plan", 1), ("fail", 400), ("judge", 0), ("tools", 0)]
)
def test_a_choice_of_nothing_cannot_be_asked_for(kind: str, least: int) -> None:
    """A route without branches and a plan without tasks are no markers; a judge may want none."""
    marker = replace(_marker(), directive=Directive(kind=kind, count=least))

    assert parse(render(marker)) == marker
    if least:
        with pytest.raises(ValueError, match=f"at least {least}"):
            render(replace(marker, directive=Directive(kind=kind)))


@given(markers)
def test_roundtrip(marker: Marker) -> None:
    """What is rendered is parsed back."""
    assert parse(render(marker)) == marker


@given(markers, st.text(max_size=40), st.text(max_size=40))
def test_found_in_a_wrapped_prompt(marker: Marker, before: str, after: str) -> None:
    """Words before and after a prompt do not hide its marker."""
    assert marker in find_all(before + prompt_with(marker, after))


@given(markers, st.data())
def test_changed_marker_is_none(marker: Marker, data: st.DataObject) -> None:
    """One other sign anywhere makes a line no marker, or at least not another step's."""
    line = render(marker)
    place = data.draw(st.integers(0, len(line) - 1))
    sign = data.draw(st.characters(categories=["L", "N"]).filter(lambda one: one != line[place]))

    assert parse(line[:place] + sign + line[place + 1 :]) is None


def test_form() -> None:
    """The text form is fixed: evidence of other versions of the harness reads the same."""
    assert render(_marker()) == "[[op1 a1 2.b1.r0 1,2.b0 tools=2,last d02bdd19]]"


def test_directive_forms() -> None:
    """A directive reads as in the design."""
    assert str(Directive(kind="say")) == "say"
    assert str(Directive(kind="say", is_last=True)) == "say,last"
    assert str(Directive(kind="tools", count=2)) == "tools=2"


def test_marker_inside_a_line_is_a_quotation() -> None:
    """Only a line of its own counts, white space and line ends of other systems aside."""
    line = render(_marker())

    assert find_all(f"he said {line}\n{line}!") == []
    assert find_all(f"x\r\n  {line} \r\ny") == [_marker()]


@pytest.mark.parametrize("name", ["", "-", "a b", "a,b", "a]", "a\n"])
def test_name_that_cannot_be_found_again_is_refused(name: str) -> None:
    """A marker that would be lost is never written."""
    marker = Marker(agent=name, path="1", predecessors=(), directive=Directive(kind="say"))

    with pytest.raises(ValueError, match="cannot stand in a marker"):
        render(marker)
