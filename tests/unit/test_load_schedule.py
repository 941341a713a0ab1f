"""Intended times, the index of arrivals, and the timetable."""

import json

import pytest

from harness.errors import UsageError
from harness.load.schedule import Timetable, arrivals_of, intended_ns


def lines(*rows: tuple[str, int]) -> list[bytes]:
    return [
        json.dumps({"agent": a, "pod": "agents-1", "at_ns": t, "program": {"steps": []}}).encode()
        + b"\n"
        for a, t in rows
    ]


def test_the_rate_scales_unit_times() -> None:
    """At 4 agents a second the plan's second 2 is half a second after the first start."""
    assert intended_ns(2_000_000_000, t0_ns=100, rate_per_s=4.0, shape="constant") == 500_000_100
    assert intended_ns(2_000_000_000, t0_ns=100, rate_per_s=4.0, shape="ramp") == 500_000_100


@pytest.mark.parametrize(("rate", "shape"), [(None, "constant"), (4.0, "at_once")])
def test_all_at_once_is_t0(rate: float | None, shape: str) -> None:
    """Without a rate, or with the shape at_once, every agent is meant to start first."""
    assert intended_ns(9_000_000_000, t0_ns=100, rate_per_s=rate, shape=shape) == 100


def test_a_line_is_found_again_by_offset_and_length() -> None:
    """The index leads back to each line, also past blank lines and other prefixes."""
    text = b"".join([*lines(("w0", 0), ("a0", 1)), b"\n", *lines(("a1", 2))])

    found = arrivals_of(text.splitlines(keepends=True), prefix="a", source="x")

    assert [arrival.agent for arrival in found] == ["a0", "a1"]
    agents = [json.loads(text[a.offset : a.offset + a.length])["agent"] for a in found]
    assert agents == ["a0", "a1"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a0", 0), ("a0", 1)], "x:2: agent a0 stands twice"),
        ([("a0", 5), ("a1", 4)], "x:2: at_ns 4 is before 5"),
        ([("a0", -1)], "x:1: at_ns is -1"),
    ],
)
def test_a_broken_plan_is_said(rows: list[tuple[str, int]], said: str) -> None:
    """Twins, times that go back and negative times name their line."""
    with pytest.raises(UsageError, match=said):
        arrivals_of(lines(*rows), prefix="", source="x")


def test_no_json_names_its_line() -> None:
    """A torn line is a usage error."""
    with pytest.raises(UsageError, match="x:1: no arrival"):
        arrivals_of([b'{"agent": "a'], prefix="", source="x")


def test_the_timetable_gives_what_is_due_in_order() -> None:
    """Earliest first, equal times in order of arrival, nothing before its time."""
    timetable: Timetable[str] = Timetable()
    for due_ns, item in [(20, "c"), (10, "a"), (10, "b"), (30, "d")]:
        timetable.push(due_ns, item)

    assert [timetable.pop_due(25) for _ in range(4)] == ["a", "b", "c", None]
    assert (timetable.next_due_ns, len(timetable)) == (30, 1)
