"""The rules of the walk that every worker shares."""

from dataclasses import replace

import pytest

from harness.engines.walk import (
    KINDS,
    MESSAGE_KINDS,
    branches_of,
    child_program,
    choice_of,
    fill,
    is_accepted,
    outcome_path,
    problems_of,
    tasks_of,
)
from harness.errors import EngineError, UsageError
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


def test_a_step_that_was_not_run_embeds_nothing() -> None:
    """After a route only the chosen branch has an answer; the others leave their place empty."""
    assert fill("({answer:2.b0.0})({answer:2.b1.0})", {"2.b1.0": "x"}) == "()(x)"


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [("branch 2. The notes say ... <<00>>", 2), ("I take branch 0", 0)],
)
def test_an_answer_chooses_a_branch(answer: str, chosen: int) -> None:
    """What the answer says is done, wherever in it that stands."""
    assert choice_of(answer, 3) == chosen


@pytest.mark.parametrize("answer", ["", "branch 3.", "branch two", "2"])
def test_no_choice_is_an_error(answer: str) -> None:
    """A worker never takes a branch that nobody chose."""
    with pytest.raises(EngineError, match="none of 3 branches"):
        choice_of(answer, 3)


def test_tasks_are_the_prompts_of_a_list() -> None:
    """The prompts are run as they are; anything but a list of texts is an error."""
    assert tasks_of('["\\na", "b"]') == ("\na", "b")
    for answer in ("work it out", '{"a": 1}', "[1]"):
        with pytest.raises(EngineError, match="delegates nothing"):
            tasks_of(answer)


def test_a_verdict_is_its_first_word() -> None:
    """Neither is a default: silence is no acceptance."""
    assert is_accepted("accept. Well done.")
    assert not is_accepted("revise. I cannot accept this.")
    with pytest.raises(EngineError, match="no verdict"):
        is_accepted("acceptable")


def test_what_follows_an_answer() -> None:
    """The chosen branch of a route, the delegated prompts of a plan, and else nothing."""
    route = Step(path="2", kind="route", branches=((SAY,), (replace(SAY, path="9"),)))
    plan = Step(path="2", kind="plan", tasks=2)

    assert branches_of(route, "branch 1.") == (route.branches[1],)
    assert branches_of(SAY, "branch 1.") == ()
    assert branches_of(plan, '["a", "b"]') == (
        (Step(path="2.b0", kind="say", prompt="a"),),
        (Step(path="2.b1", kind="say", prompt="b"),),
    )


def test_a_child_is_complete_in_itself() -> None:
    """What is the parent's is filled in, at any depth; what is the child's own stays."""
    route = Step(
        path="2.1",
        kind="route",
        prompt="{answer:1}",
        after=("1",),
        branches=((Step(path="2.1.b0.0", kind="say", prompt="{answer:1}{answer:2.1}"),),),
    )
    last = Step(path="2.2", kind="say", prompt="{answer:2.1.b0.0}{answer:0.b1}", after=("0.b1",))

    program = child_program(
        "a1/2", Step(path="2", kind="child", branches=((route, last),)), {"1": "x"}
    )

    first, second = program.steps
    assert (first.prompt, first.after) == ("x", ())
    assert first.branches[0][0].prompt == "x{answer:2.1}"
    assert (second.prompt, second.after) == ("{answer:2.1.b0.0}", ())


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

    kinds = (*KINDS, *MESSAGE_KINDS)
    assert problems_of(Program(agent="a1", steps=steps), kinds) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (replace(program(SAY), schema=99), "schema is 99"),
        (replace(program(SAY), agent=""), "agent is empty"),
        (program(), "steps is empty"),
        (program(SAY, SAY), "there twice"),
        (program(replace(SAY, kind="publish")), "kind 'publish'"),
        (program(replace(SAY, kind="plan")), "tasks is 0"),
        (program(replace(SAY, kind="route")), "route without a branch"),
        (program(Step(path="1", kind="judge", branches=((SAY,), ()))), "with an empty one"),
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
