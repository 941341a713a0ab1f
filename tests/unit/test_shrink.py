"""Shrinking: what is kept shows the anomaly, nothing grows, and the budget holds."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.commands import shrink
from harness.cli.shrinking import wanted_of, yaml_of
from harness.errors import UsageError
from harness.plan import Cell, draw_plan
from harness.results import encode
from harness.runner.blank import blank_result
from harness.runner.order import Order
from harness.scenario import FaultSpec, LoadSpec, Scenario, problems_of, scenario_of, to_json
from harness.shrink import Search, Shrunk, settled, size_of, with_agents
from scenarios import SCENARIOS
from tests.report_fixtures import invalid_run

LARGE = Scenario(
    name="large",
    summary="much of everything",
    mix={"chain": 1.0, "tools": 2.0, "parallel": 1.0},
    load=LoadSpec(agents=300, rate_per_s=20.0, warm_up_agents=0),
    pods=3,
    faults=(FaultSpec(kind="kill_pod", count=6), FaultSpec(kind="kill_worker", count=3)),
)


def searched(wanted: Scenario, runs: int = 100) -> tuple[Shrunk, list[Scenario]]:
    """A search where all that is at least `wanted` shows the anomaly."""
    tried: list[Scenario] = []

    def shows(scenario: Scenario) -> bool | None:
        if len(tried) == runs:
            return None
        tried.append(scenario)
        return is_within(wanted, scenario)

    return Search(best=LARGE, shows=shows).run(), tried


def is_within(small: Scenario, large: Scenario) -> bool:
    kills = {fault.kind: fault.count for fault in large.faults}
    return (
        small.load.agents <= large.load.agents
        and small.pods <= large.pods
        and small.steps <= large.steps
        and set(small.mix) <= set(large.mix)
        and all(fault.count <= kills.get(fault.kind, 0) for fault in small.faults)
    )


sizes = st.builds(
    lambda agents, pods, steps, mix, kills: replace(
        with_agents(LARGE, agents),
        pods=pods,
        steps=steps,
        mix=dict.fromkeys(mix, 1.0),
        faults=tuple(FaultSpec(kind=kind, count=count) for kind, count in kills.items()),
    ),
    agents=st.integers(1, 300),
    pods=st.integers(1, 3),
    steps=st.integers(1, 5),
    mix=st.sets(st.sampled_from(sorted(LARGE.mix)), min_size=1),
    kills=st.dictionaries(st.sampled_from(["kill_pod", "kill_worker"]), st.integers(1, 3)),
)


@given(wanted=sizes)
def test_what_is_found_shows_the_anomaly_and_is_nearly_the_smallest(wanted: Scenario) -> None:
    """Agents within a quarter; pods, steps, faults to the last; all patterns or just one."""
    found, tried = searched(wanted)
    best = found.scenario

    assert found.is_done
    assert is_within(wanted, best) and is_within(best, LARGE)
    assert best.load.agents <= max(wanted.load.agents + 1, wanted.load.agents * 4 / 3)
    assert (best.pods, best.steps) <= (wanted.pods + 1, wanted.steps + 1)
    assert [fault.kind for fault in best.faults] == [
        fault.kind for fault in LARGE.faults if fault.kind in {one.kind for one in wanted.faults}
    ]
    assert len(best.mix) == (1 if len(wanted.mix) == 1 else 3)
    assert len(tried) <= 60
    assert not problems_of(best)


@given(wanted=sizes, runs=st.integers(0, 12))
def test_a_spent_budget_keeps_the_best_so_far(wanted: Scenario, runs: int) -> None:
    """What was seen last to show it, after so many runs and not one more."""
    found, tried = searched(wanted, runs)

    assert len(tried) <= runs
    assert found.scenario in [LARGE, *tried]
    assert is_within(wanted, found.scenario)


def test_one_agent_in_one_run_is_soon_found() -> None:
    """An anomaly that needs no fault and no company takes a handful of runs."""
    found, tried = searched(replace(with_agents(LARGE, 1), faults=(), pods=1, mix={"chain": 1.0}))

    assert size_of(found.scenario) == "1 agent, 1 pod, no fault, chain, 5 steps"
    assert len(tried) <= 12


def test_a_smaller_run_has_no_warm_up_and_the_rate_that_it_led_to() -> None:
    """Else fewer agents would arrive at another rate than those of the stored run."""
    small = settled(SCENARIOS["pod_kill"], 12.34567)

    assert (small.load.warm_up_agents, small.load.rate_per_s) == (0, 12.346)
    assert (small.exposures_min, small.name) == (0, "pod_kill-small")
    assert not problems_of(small)


@pytest.mark.parametrize("scenario", [LARGE, settled(SCENARIOS["throttle"], 0.0)])
def test_the_file_is_the_scenario(scenario: Scenario) -> None:
    """What `onceproof run FILE` reads is what was found, byte for byte of its plan."""
    text = yaml_of(scenario, "S2 recompute-after-use")
    read = scenario_of(yaml.safe_load(text), source="file")

    assert to_json(read) == to_json(scenario)
    assert draw_plan(read, Cell(engine="reference"), 3) == draw_plan(
        scenario, Cell(engine="reference"), 3
    )


def test_the_first_anomaly_of_a_broken_promise_is_kept() -> None:
    """What the engine promised comes before what it did not; a name can be asked for."""
    result = invalid_run()
    shown = {(row.key, one.name) for row in result.promises for one in row.anomalies}
    surprise = next(row for row in result.promises if row.is_surprise)

    assert wanted_of(result, promise="", anomaly="").promise == surprise.key
    for key, name in shown:
        wanted = wanted_of(result, promise=key, anomaly=name)
        assert wanted.count_in(result) > 0
    with pytest.raises(UsageError, match="shows no S4 nothing-such; it shows: "):
        wanted_of(result, promise="S4", anomaly="nothing-such")


def test_a_run_without_an_anomaly_has_nothing_to_shrink(tmp_path: Path) -> None:
    """Said before anything starts."""
    plan, _, _ = draw_plan(LARGE, Cell(engine="reference"), 1)
    result = blank_result(Order(scenario=LARGE, cell=plan.cell), seed=1)
    (tmp_path / "plan.json").write_bytes(to_json(plan))
    (tmp_path / "results.json").write_bytes(encode(result))
    arguments = argparse.Namespace(run=tmp_path, promise="", anomaly="", runs=3, minutes=1.0)

    with pytest.raises(UsageError, match="shows no anomaly at all; it shows: none"):
        shrink(arguments)
