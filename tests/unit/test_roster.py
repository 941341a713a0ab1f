"""The roster: who was accepted and has not ended, read from a file that grows."""

from pathlib import Path

import pytest

from harness.plan import draw_agents
from harness.runner.roster import Roster
from harness.scenario import LoadSpec, Scenario


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(
        events=tmp_path / "driver.jsonl",
        slots={"a1": "agents-1", "a2": "agents-1", "a3": "agents-2"},
        programs={"a1": b"1", "a2": b"2", "a3": b"3"},
    )


def add(roster: Roster, *lines: str) -> None:
    with roster.events.open("a") as sink:
        sink.write("".join(lines))


def event(kind: str, agent: str) -> str:
    return f'{{"kind":"{kind}","agent":"{agent}","t_ns":1}}\n'


def test_a_roster_without_events_is_empty(roster: Roster) -> None:
    """The driver may not have written anything yet."""
    assert roster.unfinished("agents-1") == []


def test_begun_and_not_ended_is_unfinished(roster: Roster) -> None:
    """`info` counts as begun: it may have been accepted. `fail` and `invoke` do not."""
    add(roster, event("ok", "a1"), event("info", "a2"), event("ok", "a3"))
    assert roster.unfinished("agents-1") == [("a1", b"1"), ("a2", b"2")]

    add(roster, event("ended", "a1"))
    assert roster.unfinished("agents-1") == [("a2", b"2")]
    assert roster.unfinished("agents-2") == [("a3", b"3")]


@pytest.mark.parametrize("kind", ["invoke", "fail"])
def test_what_was_never_accepted_is_not_unfinished(roster: Roster, kind: str) -> None:
    """A re-submission of it would be a start, which is the driver's."""
    add(roster, event(kind, "a1"))

    assert roster.unfinished("agents-1") == []


def test_half_a_line_waits_for_its_other_half(roster: Roster) -> None:
    """The file is read while it is written."""
    line = event("ok", "a1")
    add(roster, line[:9])
    assert roster.unfinished("agents-1") == []

    add(roster, line[9:])
    assert roster.unfinished("agents-1") == [("a1", b"1")]


def test_the_roster_of_a_plan_knows_slots_and_programs(tmp_path: Path) -> None:
    """What is re-submitted is the planned program, to the planned slot."""
    scenario = Scenario(name="small", summary="", load=LoadSpec(agents=4))
    agents = draw_agents(scenario, 1)
    roster = Roster.of(agents, tmp_path / "driver.jsonl")

    assert roster.slots == {agent.agent: agent.pod for agent in agents}
    assert b"op1 a000000 1" in roster.programs["a000000"]
