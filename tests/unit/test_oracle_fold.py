"""The oracle folds the plan, and nothing else, into receipts."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.oracle import answers_count, fold_all, outcome_receipt, required_of
from harness.patterns import PATTERN_STEPS
from harness.scenario import Program, Step
from mock_llm.receipts import receipt, tool_path
from tests.histories.build import chain, fan_out, tools

SEED = 11


def test_a_chain_hashes_the_answer_before() -> None:
    """Each step's receipt is built on the one before, in declared order."""
    one = receipt(SEED, "a1", "1", 0, [])
    two = receipt(SEED, "a1", "2", 0, [one])

    rows = required_of(chain("a1", "1", "2"), SEED)

    assert [row.receipt for row in rows] == [one, two]
    assert [row.is_last for row in rows] == [False, True]


def test_a_tool_loop_hashes_turn_and_tool() -> None:
    """Turn t is built on turn t - 1 and its tool's receipt; a tool on the turn that called it."""
    ask = receipt(SEED, "a1", "1", 0, [])
    turn = receipt(SEED, "a1", "2", 0, [ask])
    tool = receipt(SEED, "a1", tool_path("2", 0, 0), 0, [turn])
    final = receipt(SEED, "a1", "2", 1, [turn, tool])
    last = receipt(SEED, "a1", "3", 0, [final])

    rows = required_of(tools("a1", turns=1), SEED)

    assert [row.receipt for row in rows] == [ask, turn, tool, final, last]
    assert [row.is_tool for row in rows] == [False, False, True, False, False]


def test_branches_build_on_the_same_answer_and_are_joined() -> None:
    """A parallel step has no answer; the step after it hashes the leaves that it names."""
    one = receipt(SEED, "a1", "1", 0, [])
    left, right = (receipt(SEED, "a1", path, 0, [one]) for path in ("2.b0", "2.b1"))

    assert outcome_receipt(fan_out("a1"), SEED) == receipt(SEED, "a1", "3", 0, [left, right])


def test_only_the_chosen_branch_is_folded() -> None:
    """The receipt chooses, modulo the number of branches; the last step builds on that branch."""
    steps = PATTERN_STEPS["routing"]("a1", "a topic", 4)
    one = receipt(SEED, "a1", "1", 0, [])
    route = receipt(SEED, "a1", "2", 0, [one])
    chosen = receipt(SEED, "a1", f"2.b{route % 3}.0", 0, [route])

    rows = required_of(Program(agent="a1", steps=steps), SEED)

    last = receipt(SEED, "a1", "3", 0, [chosen])
    assert [row.receipt for row in rows] == [one, route, chosen, last]


def test_delegated_tasks_build_on_the_plan() -> None:
    """Each child builds on the answer that delegated it, the synthesis on every child."""
    steps = PATTERN_STEPS["orchestrator"]("a1", "a topic", 5)
    one = receipt(SEED, "a1", "1", 0, [])
    plan = receipt(SEED, "a1", "2", 0, [one])
    tasks = [receipt(SEED, "a1", f"2.b{number}", 0, [plan]) for number in range(2)]

    rows = required_of(Program(agent="a1", steps=steps), SEED)

    last = receipt(SEED, "a1", "3", 0, tasks)
    assert [row.receipt for row in rows] == [one, plan, *tasks, last]


@pytest.mark.parametrize(("agent", "rounds"), [("a3", 1), ("a2", 2), ("a1", 3)])
def test_rounds_end_with_the_accepted_one(agent: str, rounds: int) -> None:
    """Rounds after acceptance are in the program, and are not to be run."""
    steps = PATTERN_STEPS["evaluator"](agent, "a topic", 5)

    paths = [row.path for row in required_of(Program(agent=agent, steps=steps), SEED)]

    drafts = [path for n in range(rounds) for path in (f"2.r{n}", f"2.r{n}.j")]
    assert paths == ["1", *drafts, "3"]


def test_nothing_is_expected_behind_a_poison_step() -> None:
    """The program demands it all; progress counts on what can be answered alone."""
    program = Program(agent="a1", steps=PATTERN_STEPS["poison"]("a1", "a topic", 5))

    assert len(required_of(program, SEED)) == 5
    assert answers_count(program, SEED) == 1


def test_rows_of_agents_are_neighbours_and_point_back() -> None:
    """Predecessors are rows of the same agent, and come before their successor."""
    expected, paths = fold_all([tools("a1"), chain("a2", "1", "2"), fan_out("a3")], SEED)

    counts = np.diff(expected.predecessor_start)
    successor = np.repeat(np.arange(expected.count), counts)
    assert (expected.predecessor < successor).all()
    assert (expected.agent[expected.predecessor] == expected.agent[successor]).all()
    assert (np.diff(expected.agent) >= 0).all()
    assert paths[:2] == ("1", "2")
    assert expected.is_last.sum() == 3


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ((), "no step with an answer"),
        ((Step(path="1", kind="say", after=("2",)),), "has no answer yet"),
        ((Step(path="1", kind="say"), Step(path="1", kind="say")), "is there twice"),
        ((Step(path="1", kind="shout"),), "is of kind 'shout'"),
    ],
)
def test_a_program_without_meaning_is_refused(steps: tuple[Step, ...], complaint: str) -> None:
    """What cannot be folded is the caller's mistake, and is said."""
    with pytest.raises(UsageError, match=complaint):
        fold_all([Program(agent="a1", steps=steps)], SEED)


def test_another_seed_gives_other_receipts() -> None:
    """Receipts of one run mean nothing in another."""
    assert outcome_receipt(chain("a1", "1"), 1) != outcome_receipt(chain("a1", "1"), 2)
