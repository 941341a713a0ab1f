"""The rules of the walk that every worker shares."""

from dataclasses import replace

import pytest

from harness.engines.walk import KINDS, fill, outcome_path, problems_of
from harness.errors import UsageError
from harness.plan import PATTERN_STEPS
from harness.scenario import Program, Step

SAY = Step(path="1", kind="say", prompt="Hello")


def program(*steps: Step) -> Program:
    return Program(agent="a1", steps=steps)


def test_an_answer_replaces_its_name() -> None:
    """Each embedded path becomes its answer, as often as it stands there."""
    assert (
        fill("{answer:1} then {answer:2.b0}, {answer:1}", {"1": "x", "2.b0": "y"}) == "x then y, x"
    )


def test_other_braces_stay() -> None:
    """Literal braces, and what an answer says, are text and no form."""
    assert (
        fill('{"a": {answer:1}} {b} {}', {"1": "{answer:1} {0}"}) == '{"a": {answer:1} {0}} {b} {}'
    )


def test_an_unanswered_step_cannot_be_embedded() -> None:
    """A prompt that would go out incomplete is an error that names the step."""
    with pytest.raises(UsageError, match="'3'"):
        fill("{answer:3}", {"1": "x"})


def test_the_outcome_is_the_last_step() -> None:
    """The last step's answer is the agent's outcome."""
    assert outcome_path(program(SAY, replace(SAY, path="2"))) == "2"


def test_a_parallel_step_is_no_outcome() -> None:
    """Branches have answers, their parallel step has none."""
    with pytest.raises(UsageError, match="last step"):
        outcome_path(program(Step(path="1", kind="parallel", branches=((SAY,),))))


@pytest.mark.parametrize("pattern", list(PATTERN_STEPS))
def test_planned_programs_have_no_problems(pattern: str) -> None:
    """Every program that a plan draws can be run."""
    steps = PATTERN_STEPS[pattern]("a1", "topic", 7)

    assert problems_of(Program(agent="a1", steps=steps), KINDS) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (replace(program(SAY), schema=99), "schema is 99"),
        (replace(program(SAY), agent=""), "agent is empty"),
        (program(), "steps is empty"),
        (program(SAY, SAY), "there twice"),
        (program(replace(SAY, kind="judge")), "kind 'judge'"),
        (program(replace(SAY, after=("0",))), "'0', no earlier step"),
        (program(SAY, replace(SAY, path="2", prompt="{answer:1}")), "embeds '1'"),
        (program(replace(SAY, kind="tools")), "turns is 0"),
        (program(Step(path="1", kind="parallel"), replace(SAY, path="2")), "without a branch"),
        (program(replace(SAY, branches=((SAY,),))), "branches in a say step"),
        (program(Step(path="2", kind="parallel", branches=((SAY,),))), "last and parallel"),
    ],
)
def test_each_problem_is_named(wrong: Program, reason: str) -> None:
    """What a worker cannot run is refused with its reason, before anything runs."""
    assert reason in "; ".join(problems_of(wrong, KINDS))


def test_branches_do_not_see_each_other() -> None:
    """A branch may build on what came before the parallel step and on itself, on no sibling."""
    left, right = replace(SAY, path="2.b0"), replace(SAY, path="2.b1", after=("2.b0",))
    both = Step(path="2", kind="parallel", branches=((left,), (right,)))
    last = replace(SAY, path="3", after=("2.b0", "2.b1"))

    assert problems_of(program(SAY, both, last), KINDS) == [
        "step '2.b1': after names '2.b0', no earlier step"
    ]
