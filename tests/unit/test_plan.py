"""The plan: one seed fixes every draw, and every program is a graph that the witness can judge."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.oracle import answers_count, required_of
from harness.plan import (
    PATTERN_STEPS,
    Cell,
    draw_agents,
    draw_faults,
    draw_plan,
    parse_programs,
    programs_jsonl,
    slots_of,
)
from harness.scenario import PATTERNS, FaultSpec, LoadSpec, Program, Scenario, Step, to_json
from mock_llm.marker import find_all
from mock_llm.receipts import task_path

CELL = Cell(engine="reference")
SCENARIO = Scenario(
    name="small",
    summary="three patterns and two kinds of kill",
    mix={"chain": 1.0, "tools": 1.0, "parallel": 1.0},
    load=LoadSpec(agents=30, warm_up_agents=4),
    faults=(FaultSpec(kind="kill_pod", count=6), FaultSpec(kind="kill_worker", count=3)),
)


def asked(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps of a program that carry a prompt, in path order, whichever branch is chosen."""
    for step in steps:
        if step.prompt:
            yield step
        for branch in step.branches:
            yield from asked(branch)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """plan.json and programs.jsonl of one seed are equal byte for byte."""
    first, agents, warm_up = draw_plan(SCENARIO, CELL, 7)
    second, again, warm_again = draw_plan(SCENARIO, CELL, 7)

    assert to_json(first) == to_json(second)
    assert programs_jsonl(agents) == programs_jsonl(again)
    assert programs_jsonl(warm_up) == programs_jsonl(warm_again)


def test_another_seed_gives_other_programs_and_faults() -> None:
    """Nothing that is drawn ignores the seed."""
    first, second = (draw_plan(SCENARIO, CELL, seed)[0] for seed in (7, 8))

    assert first.programs_sha256 != second.programs_sha256
    assert first.warm_up_sha256 != second.warm_up_sha256
    assert first.faults != second.faults


def test_an_order_of_the_mix_is_no_draw() -> None:
    """A mix is a set of weights: how it was written down changes nothing."""
    turned = replace(SCENARIO, mix=dict(reversed(SCENARIO.mix.items())))

    assert programs_jsonl(draw_agents(SCENARIO, 1)) == programs_jsonl(draw_agents(turned, 1))


def test_the_warm_up_changes_no_draw_of_the_load() -> None:
    """Two streams never share draws."""
    longer = replace(SCENARIO, load=replace(SCENARIO.load, warm_up_agents=9))

    assert draw_agents(SCENARIO, 1) == draw_agents(longer, 1)


def test_the_plan_holds_the_digests_of_the_programs() -> None:
    """A changed programs.jsonl can be told from the planned one."""
    plan, agents, warm_up = draw_plan(SCENARIO, CELL, 3)

    assert plan.programs_sha256 == hashlib.sha256(programs_jsonl(agents)).hexdigest()
    assert plan.warm_up_sha256 == hashlib.sha256(programs_jsonl(warm_up)).hexdigest()


def test_the_plan_counts_the_answers_of_all_programs() -> None:
    """Faults are placed by a share of this number."""
    plan, agents, _ = draw_plan(SCENARIO, CELL, 3)
    counted = sum(step.turns + 1 for agent in agents for step in asked(agent.program.steps))

    assert plan.answers_count == counted


def test_programs_survive_their_file() -> None:
    """What is read back is what was drawn."""
    agents = draw_agents(SCENARIO, 5)

    assert parse_programs(programs_jsonl(agents), source="programs.jsonl") == agents


def test_a_damaged_line_is_named() -> None:
    """The message has the file and the line."""
    data = programs_jsonl(draw_agents(SCENARIO, 5)[:2]) + b'{"agent": 1}\n'

    with pytest.raises(UsageError, match=r"programs\.jsonl, line 3"):
        parse_programs(data, source="programs.jsonl")


@pytest.mark.parametrize("shape", ["constant", "ramp"])
def test_arrivals_come_at_unit_rate(shape: str) -> None:
    """n agents arrive in order within n seconds; the run divides by its own rate."""
    load = LoadSpec(agents=400, shape=shape, warm_up_agents=0)
    times = [agent.at_ns / 1e9 for agent in draw_agents(replace(SCENARIO, load=load), 1)]

    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= 400
    half = sum(time < 200 for time in times) / 400
    assert half == pytest.approx({"constant": 0.5, "ramp": 0.25}[shape], abs=0.08)


def test_half_of_a_spike_comes_as_a_crowd() -> None:
    """Within a fiftieth of the span, after two fifths of it; the rest comes evenly."""
    load = LoadSpec(agents=400, shape="spike", warm_up_agents=0)
    times = [agent.at_ns / 1e9 for agent in draw_agents(replace(SCENARIO, load=load), 1)]

    assert times == sorted(times)
    assert sum(160 <= time < 168 for time in times) / 400 == pytest.approx(0.5, abs=0.08)
    assert sum(time < 160 for time in times) / 400 == pytest.approx(0.2, abs=0.05)


def test_at_once_means_at_once() -> None:
    """`scale` and every warm-up offer all agents in the first moment."""
    load = LoadSpec(agents=5, shape="at_once")

    assert {agent.at_ns for agent in draw_agents(replace(SCENARIO, load=load), 1)} == {0}
    assert {agent.at_ns for agent in draw_agents(SCENARIO, 1, is_warm_up=True)} == {0}


def test_agents_of_the_warm_up_cannot_be_mistaken() -> None:
    """Their ids start with another letter, so that no figure counts them."""
    assert {agent.agent[0] for agent in draw_agents(SCENARIO, 1)} == {"a"}
    assert {agent.agent[0] for agent in draw_agents(SCENARIO, 1, is_warm_up=True)} == {"w"}


def test_victims_are_slots_of_the_plan() -> None:
    """A fault strikes a pod that there is; so does an agent start on one."""
    slots = slots_of(SCENARIO)

    assert slots == ("agents-1", "agents-2", "agents-3")
    assert {fault.slot for fault in draw_faults(SCENARIO, 1)} <= set(slots)
    assert {agent.pod for agent in draw_agents(SCENARIO, 1)} == set(slots)


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 40),
    start=st.floats(0, 0.5),
    width=st.floats(0.01, 0.5),
)
def test_faults_stay_in_their_range_of_progress(
    seed: int, count: int, start: float, width: float
) -> None:
    """Whatever the seed: inside the range, in order, unique by name, as many as asked for."""
    spec = FaultSpec(
        kind="kill_pod", count=count, progress_from=start, progress_to=min(1.0, start + width)
    )
    faults = draw_faults(replace(SCENARIO, faults=(spec,)), seed)
    ratios = [fault.at_ratio for fault in faults]

    assert len(faults) == count == len({fault.name for fault in faults})
    assert ratios == sorted(ratios)
    assert all(start - 1e-4 <= ratio <= start + width + 1e-4 for ratio in ratios)


def test_which_scheduler_dies_is_drawn_unless_it_is_named() -> None:
    """All of them in turn of chance; a name stays; other kinds have no member."""
    kills = FaultSpec(kind="kill_scheduler", count=40, grace=True, down_s=None)
    three = replace(SCENARIO, schedulers=3, faults=(kills, replace(kills, member="leader")))
    faults = draw_faults(three, 5)

    assert {fault.member for fault in faults} == {"0", "1", "2", "leader"}
    assert sum(fault.member == "leader" for fault in faults) == 40
    assert all(fault.grace and fault.down_s is None for fault in faults)
    assert {fault.member for fault in draw_faults(SCENARIO, 5)} == {""}


def test_kinds_of_fault_are_mixed_by_their_moment() -> None:
    """Faults are played one after the other, so that the plan orders them across kinds."""
    faults = draw_faults(SCENARIO, 2)

    assert all(one.at_ratio <= other.at_ratio for one, other in pairwise(faults))
    assert sorted(fault.kind for fault in faults) == ["kill_pod"] * 6 + ["kill_worker"] * 3


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_every_program_is_a_well_formed_graph(pattern: str, count: int) -> None:
    """Every predecessor is declared before its use, embedded in the prompt, and in the marker."""
    steps = PATTERN_STEPS[pattern]("a000001", "a topic", count)
    seen: set[str] = set()
    heard = {step.path for step in steps if step.kind == "receive"}
    for step in asked(steps):
        (marker,) = find_all(step.prompt)
        assert set(step.after) <= seen | heard
        assert (marker.agent, marker.path, marker.predecessors) == (
            "a000001",
            step.path,
            step.after,
        )
        assert re.findall(r"\{answer:([^}]*)\}", step.prompt) == list(step.after)
        asks = {"judge", "fail"} if step.kind == "say" else set()
        asks |= {"say", "fail"} if step.kind == "publish" else set()
        assert marker.directive.kind in {step.kind, *asks}
        assert (marker.directive.kind == "judge") == step.path.endswith(".j")
        assert step.kind != "tools" or step.turns == marker.directive.count
        assert step.kind != "plan" or step.tasks == marker.directive.count
        assert step.kind != "route" or len(step.branches) == marker.directive.count
        assert step.path not in seen
        seen.add(step.path)
        seen.update(task_path(step.path, number) for number in range(step.tasks))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_exactly_the_last_step_says_last(pattern: str, count: int) -> None:
    """The end of an agent is announced by one answer, that of the step which ends the program."""
    found = list(asked(PATTERN_STEPS[pattern]("a000001", "a topic", count)))
    flags = [find_all(step.prompt)[0].directive.is_last for step in found]

    assert flags == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(
    "pattern", sorted(set(PATTERNS) - {"evaluator", "parked", "poison", "team"})
)
@pytest.mark.parametrize("count", [5, 8])
def test_a_pattern_has_the_answers_that_it_says(pattern: str, count: int) -> None:
    """``steps`` of the scenario is the number of LLM answers of an agent."""
    steps = PATTERN_STEPS[pattern]("a000001", "a topic", count)

    assert answers_count(Program(agent="a000001", steps=steps), 3) == count


@pytest.mark.parametrize(("count", "answers"), [(1, 7), (7, 7), (9, 9)])
def test_a_team_has_seven_answers_and_two_more_a_worker(count: int, answers: int) -> None:
    """A worker calls its tool and says so; planner, reviewer and conclusion are one answer each."""
    steps = PATTERN_STEPS["team"]("a000001", "a topic", count)

    assert answers_count(Program(agent="a000001", steps=steps), 3) == answers


def test_evaluators_are_accepted_in_different_rounds() -> None:
    """A draft and a verdict a round, a step before and one after; some agents need every round."""
    programs = [
        Program(agent=name, steps=PATTERN_STEPS["evaluator"](name, "a topic", 5))
        for name in (f"a{number}" for number in range(30))
    ]

    assert {answers_count(program, 3) for program in programs} == {4, 6, 8}


def test_every_route_is_taken_by_some_agent() -> None:
    """The choice follows from the receipt, which differs by agent and seed."""
    taken = set()
    for number in range(30):
        steps = PATTERN_STEPS["routing"](f"a{number}", "a topic", 4)
        rows = required_of(Program(agent=f"a{number}", steps=steps), 3)
        taken |= {row.path for row in rows if ".b" in row.path}

    assert taken == {"2.b0.0", "2.b1.0", "2.b2.0"}


def test_branches_of_a_parallel_step_do_not_see_each_other() -> None:
    """Each branch builds on the step before the fork; the join builds on every branch."""
    first, fork, join = PATTERN_STEPS["parallel"]("a000001", "a topic", 5)
    branches = [branch[0] for branch in fork.branches]

    assert {branch.after for branch in branches} == {(first.path,)}
    assert join.after == tuple(branch.path for branch in branches)


def test_every_pattern_of_the_vocabulary_can_be_drawn() -> None:
    """The names that a mix may use and those that plan knows are the same."""
    assert set(PATTERN_STEPS) == set(PATTERNS)
