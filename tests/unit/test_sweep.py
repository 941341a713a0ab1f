"""Sweeps: the same seed, the same strikes; a cell is proven by the ledger, or missed."""

from dataclasses import replace

import pytest

from harness.oracle import required_of
from harness.plan import Cell, Plan, PlannedAgent, SweepSpec
from harness.results import SweepCell
from harness.scenario import to_json
from harness.sweep import (
    POINTS,
    HeldNote,
    cells_of,
    draw_sweep,
    held_note,
    holds_of,
    later_holds_of,
)
from harness.verdict import Anomaly
from mock_llm.receipts import tool_path
from reports.sweep import sweep_tables
from tests.histories.build import Told, ask, begin, end, evidence_of, fired, healed, outcome
from tests.report_fixtures import valid_run

CELL = Cell(engine="reference")
SPEC = SweepSpec(victims=("pod",), points=tuple(POINTS), repeats=1)


def drawn(*points: str, repeats: int = 1) -> tuple[Plan, list[PlannedAgent]]:
    spec = SweepSpec(victims=("pod",), points=points, repeats=repeats)
    return draw_sweep(spec, CELL, 3)


def test_same_seed_same_strikes() -> None:
    """plan.json and the programs are equal byte for byte; another seed draws other programs."""
    (plan, agents), (again, same) = (draw_sweep(SPEC, CELL, 7) for _ in range(2))
    other, _ = draw_sweep(SPEC, CELL, 8)

    assert to_json(plan) == to_json(again)
    assert agents == same
    assert other.programs_sha256 != plan.programs_sha256


def test_each_strike_has_an_agent_for_each_call() -> None:
    """Agent k is met at call k, and no agent is met twice."""
    plan, agents = drawn("during", "after_use", repeats=2)
    calls = [required_of(one.program, plan.seed) for one in agents]

    assert len(plan.faults) == 4
    assert {len(one) for one in calls} == {5}
    assert [agent for fault in plan.faults for agent in fault.agents] == [a.agent for a in agents]


@pytest.mark.parametrize(
    ("point", "held", "later"),
    [
        ("before_call", "arrival", 0),
        ("during", "begun", 0),
        ("before_answer", "answering", 0),
        ("before_use", "answering", 4),
    ],
)
def test_calls_are_held_where_the_point_says(point: str, held: str, later: int) -> None:
    """All five calls at one point; before the use, the calls that would carry the answers too."""
    plan, agents = drawn(point)
    programs = {one.agent: one for one in agents}
    holds = holds_of(plan.faults[0], programs, plan.seed)

    assert [(hold.agent, hold.point) for hold in holds] == [(a.agent, held) for a in agents]
    assert holds[2].path == tool_path("2", 0, 0)
    assert len(later_holds_of(plan.faults[0], programs, plan.seed)) == later


def test_after_the_use_means_the_next_call_is_on_file() -> None:
    """The last call has none: its use is the outcome."""
    plan, agents = drawn("after_use")
    holds = holds_of(plan.faults[0], {one.agent: one for one in agents}, plan.seed)

    assert [hold.point for hold in holds] == ["begun"] * 4
    assert holds[0].path == "2"


A = "a000000"
"""The agent that is met at its first call, ``1 turn 0``."""
STRIKE = (fired("agents-0.1", name="kill_pod-1"), healed("kill_pod-1"))
RUN_ON = (ask(A, "2"), outcome(A))


def first_cell(point: str, *told: Told, held: tuple[HeldNote, ...] = ()) -> SweepCell:
    """The cell of the first call, as a history tells it."""
    plan, agents = drawn(point)
    evidence = evidence_of(*told, programs=[one.program for one in agents])
    return cells_of(plan, agents, evidence, held, [])[0]


def kept(point: str, seq: int) -> tuple[HeldNote, ...]:
    return (HeldNote(seq=seq, agent=A, path="1", turn=0, point=point),)


@pytest.mark.parametrize(
    ("point", "told", "held"),
    [
        ("before_call", (ask("a000001", "1"), *STRIKE, ask(A, "1"), *RUN_ON), kept("arrival", 1)),
        ("during", (begin(A, "1"), *STRIKE, end(A, "1"), *RUN_ON), ()),
        ("before_answer", (ask(A, "1"), *STRIKE, *RUN_ON), kept("answering", 2)),
        ("before_use", (ask(A, "1"), *STRIKE, *RUN_ON), ()),
        ("after_use", (ask(A, "1"), begin(A, "2"), *STRIKE, end(A, "2"), outcome(A)), ()),
    ],
)
def test_strike_that_met_its_call_is_proven(
    point: str, told: tuple[Told, ...], held: tuple[HeldNote, ...]
) -> None:
    """The ledger's order shows it, and the cell says what came of the call."""
    cell = first_cell(point, *told, held=held)

    assert cell.outcomes == ("once",)
    assert "struck at" in cell.proofs[0]


@pytest.mark.parametrize(
    ("point", "told", "held"),
    [
        ("before_call", (ask(A, "1"), *STRIKE, *RUN_ON), kept("arrival", 1)),
        ("before_call", (*STRIKE, ask(A, "1"), *RUN_ON), ()),
        ("during", (ask(A, "1"), *STRIKE, *RUN_ON), ()),
        ("during", (*STRIKE, ask(A, "1"), *RUN_ON), ()),
        ("before_answer", (ask(A, "1"), *STRIKE, *RUN_ON), ()),
        ("before_use", (ask(A, "1"), ask(A, "2"), *STRIKE, outcome(A)), ()),
        ("before_use", (begin(A, "1"), *STRIKE, end(A, "1"), *RUN_ON), ()),
        ("after_use", (ask(A, "1"), *STRIKE, *RUN_ON), ()),
        ("during", (begin(A, "1"), end(A, "1"), *RUN_ON), ()),
    ],
)
def test_strike_beside_its_call_is_missed(
    point: str, told: tuple[Told, ...], held: tuple[HeldNote, ...]
) -> None:
    """Too early, too late, not held, or never struck: the cell says so and nothing else."""
    cell = first_cell(point, *told, held=held)

    assert cell.outcomes[0].startswith("missed: ")
    assert cell.proofs == ("",)


def test_outcomes_name_the_struck_call_before_the_others() -> None:
    """Repeated is of the struck call; other repeated is of another one of the agent."""
    own = first_cell("during", begin(A, "1"), *STRIKE, end(A, "1"), ask(A, "1"), *RUN_ON)
    other = first_cell("during", begin(A, "1"), *STRIKE, end(A, "1"), ask(A, "2"), *RUN_ON)

    assert own.outcomes == ("repeated",)
    assert other.outcomes == ("other repeated",)


def test_promise_that_fell_is_the_outcome() -> None:
    """An anomaly of the struck agent names its promise, with where it befell it."""
    plan, agents = drawn("during")
    told = (begin(A, "1"), *STRIKE, end(A, "1"), *RUN_ON)
    evidence = evidence_of(*told, programs=[one.program for one in agents])
    fell = [
        Anomaly(name="n", promise="S2", agent=A, path="1", text=""),
        Anomaly(name="n", promise="S5", agent=A, path="2.t0.c0", text=""),
    ]

    assert cells_of(plan, agents, evidence, [], fell)[0].outcomes == ("S2, other S5",)


def test_cells_that_vary_are_marked() -> None:
    """Three repeats with two outcomes: the race is the engine's, and the table says so."""
    plan, agents = drawn("during", repeats=2)
    told = (begin(A, "1"), *STRIKE, end(A, "1"), *RUN_ON)
    cell = cells_of(plan, agents, evidence_of(*told, programs=[a.program for a in agents]), [], [])[
        0
    ]
    (table,) = sweep_tables(replace(valid_run(), sweep=(cell,)))

    assert cell.varies
    assert table.rows[0][1].text == "~ once/missed"


def test_notes_that_say_nothing_are_left_out() -> None:
    """A held note of a damaged ledger is no proof."""
    whole = '{"path":"1","turn":0,"point":"begun","caller":"agents-1.1"}'

    assert held_note(4, "a1", whole) == HeldNote(seq=4, agent="a1", path="1", turn=0, point="begun")
    assert held_note(4, "a1", "{") is None
    assert held_note(4, "a1", '{"path":"1"}') is None
