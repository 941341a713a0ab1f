"""What must hold before a pass counts: each assumption broken once, and the pass turned unknown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.archive import Archived
from harness.facts import RunFacts
from harness.history import NONE, AgentStatus
from harness.plan import Cell, draw_plan
from harness.runner.judge import assumptions_of, result_of
from harness.scenario import FaultSpec, LoadSpec, Scenario
from tests.histories.build import Told, ask, evidence_of, fired, healed, outcome

FACTS = RunFacts(started_utc="2026-01-01T00:00:00Z", ending="finished")
LIFE = (
    ask("a1", "1"),
    fired("agents-0.1"),
    ask("a1", "1", caller="agents-0.2"),
    healed(),
    ask("a1", "2", caller="agents-0.2"),
    outcome("a1"),
)


def archived(
    *told: Told,
    facts: RunFacts | None = FACTS,
    problems: tuple[str, ...] = (),
    limited_ratio_min: float = 0.0,
) -> Archived:
    """A run with one kill; by default everything went well."""
    scenario = Scenario(
        name="s",
        summary="",
        load=LoadSpec(agents=1, rate_per_s=1.0, warm_up_agents=0),
        faults=(FaultSpec(kind="kill_pod"),),
        limited_ratio_min=limited_ratio_min,
    )
    plan, _, _ = draw_plan(scenario, Cell(engine="reference"), 1)
    evidence = evidence_of(*(told or LIFE), faults_planned=1, problems=problems)
    return Archived(plan=plan, evidence=evidence, facts=facts, environment={})


def broken(run: Archived) -> list[str]:
    return [entry.name for entry in assumptions_of(run) if not entry.is_met]


def test_run_in_which_all_went_well_breaks_none() -> None:
    """The green case: every assumption is met, and says with which figure."""
    assert broken(archived()) == []
    assert all(entry.text for entry in assumptions_of(archived()))


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("evidence whole", archived(problems=("a gap after 7",))),
        ("faults fired", archived(ask("a1", "1"), ask("a1", "2"), outcome("a1"))),
        ("faults fired", archived(ask("a1", "1"), fired("agents-0.1", proof=""), outcome("a1"))),
        ("driver on time", archived(facts=replace(FACTS, lateness_ms_p99=1001.0))),
        ("quota in force", archived(limited_ratio_min=0.1)),
        ("run complete", archived(facts=replace(FACTS, ending="out of time"))),
        ("run complete", archived(facts=replace(FACTS, ending="interrupted"))),
        ("harness not starved", archived(facts=replace(FACTS, harness_lag_ms_max=2001.0))),
        ("clock steady", archived(facts=replace(FACTS, clock_step_ms=-1500.0))),
        ("nothing left over", archived(facts=replace(FACTS, leftovers=("port 20001",)))),
    ],
)
def test_broken_assumption_leaves_nothing_valid(name: str, run: Archived) -> None:
    """It is named, it is a doubt at the top, and no promise is valid."""
    result = result_of(run, root=Path("runs/m/r"))

    assert broken(run) == [name]
    assert [row.key for row in result.promises if row.verdict == "valid"] == []
    assert result.doubts
    assert result.exit_code != 0


def test_run_that_the_harness_did_not_end_is_broken() -> None:
    """Without run.json nobody knows what the harness saw."""
    result = result_of(archived(facts=None), root=Path("runs/m/r"))

    assert result.state == "failed"
    assert result.exit_code == 255


@pytest.mark.parametrize(
    ("status", "accepted"), [(AgentStatus.COMPLETED, 1), (AgentStatus.UNKNOWN, 0)]
)
def test_an_agent_that_ended_counts_as_accepted_though_its_start_was_refused(
    status: int, accepted: int
) -> None:
    """A page that says '2 of 1 completed' says nothing."""
    run = archived()
    starts = replace(
        run.evidence.starts,
        accepted_ns=np.array([NONE]),
        is_info=np.array([False]),
        status=np.array([status], run.evidence.starts.status.dtype),
    )

    result = result_of(replace(run, evidence=replace(run.evidence, starts=starts)), root=Path("r"))

    assert (result.agents_accepted, result.agents_completed) == (accepted, accepted)
