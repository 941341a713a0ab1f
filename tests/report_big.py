"""A matrix of forty runs, for the pages that compare many engines; nothing in it is drawn."""

from dataclasses import replace

from harness.results import (
    AgentTimeline,
    Claim,
    Distribution,
    MatrixResult,
    RunResult,
    TimelineCall,
    TimelineFault,
)
from tests.report_fixtures import (
    MATRICES,
    baseline_run,
    control_runs,
    invalid_run,
    matrix_of,
    run_of,
    unjudged_run,
    unknown_run,
)
from tests.report_parts import promise_rows

ENGINES = (
    ("dapr_workflow", "default"),
    ("dapr_agents", "durable"),
    ("dapr_agents", "orchestrated"),
    ("langgraph", "sqlite-sync"),
    ("langgraph", "sqlite-async"),
    ("langgraph", "postgres"),
    ("langgraph", "memory"),
    ("crewai", "flow-sqlite"),
    ("crewai", "crew"),
    ("dbos", "sqlite"),
    ("dbos", "postgres"),
    ("external", "node"),
    ("reference", "default"),
)
"""Beside the controls: fifteen columns."""
CONTROLS = ("naive", "guarded")


def _slower(entry: Distribution, factor: float) -> Distribution:
    def scaled(found: tuple[float, float] | None) -> tuple[float, float] | None:
        return (found[0] * factor, found[1] * factor) if found else None

    return replace(
        entry,
        ms_p50=entry.ms_p50 * factor,
        ms_p95=entry.ms_p95 * factor,
        ms_p99=entry.ms_p99 * factor,
        ms_max=entry.ms_max * factor,
        ms_p50_range=scaled(entry.ms_p50_range),
        ms_p95_range=scaled(entry.ms_p95_range),
        ms_p99_range=scaled(entry.ms_p99_range),
    )


def timelines_of(run: RunResult) -> tuple[AgentTimeline, ...]:
    """A picture for each agent of an anomaly, 50 at most."""
    agents = dict.fromkeys(one.agent for row in run.promises for one in row.anomalies)
    return tuple(_timeline(agent, number) for number, agent in enumerate(agents) if number < 50)


def _timeline(agent: str, number: int) -> AgentTimeline:
    begin = 6.0 + number / 10
    calls = [
        TimelineCall(
            call=f"{step}",
            caller=f"agents-1.{1 if step < 3 else 2}",
            outcome="answered" if step != 2 else "client_gone",
            mark=step,
            begin_s=begin + step * 1.1,
            end_s=begin + step * 1.1 + 0.9,
            used_s=begin + step * 1.1 + 1.1 if step != 2 else -1.0,
        )
        for step in range(6)
    ]
    fault = TimelineFault(
        name="kill_pod-1", victims=("agents-1.1",), begin_s=begin + 3.0, end_s=begin + 5.2
    )
    return AgentTimeline(
        agent=agent,
        begin_s=begin,
        end_s=begin + 7.5,
        outcome_s=begin + 7.4,
        calls=tuple(calls),
        calls_hidden=0,
        faults=(fault,),
    )


def big_matrix() -> MatrixResult:
    """Forty runs: fifteen engines in three scenarios, some of them broken, unknown or skipped."""
    runs = []
    for scenario, kills in (("pod_kill", 6), ("baseline", 0), ("throttle", 4)):
        for number, (engine, variant) in enumerate((*ENGINES, *(("control", v) for v in CONTROLS))):
            if scenario == "throttle" and number % 3 == 1:
                continue
            base = _big_run(scenario, kills, number, (engine, variant))
            factor = 1 + (number * 7 % 11) / 8
            runs.append(
                replace(
                    base,
                    resume=_slower(base.resume, factor),
                    latencies=tuple(_slower(one, factor) for one in base.latencies),
                    timelines=timelines_of(base),
                )
            )
    return replace(matrix_of(*runs, name="all"), claims=claims())


def _big_run(scenario: str, kills: int, number: int, cell: tuple[str, str]) -> RunResult:
    engine, variant = cell
    if cell == ("control", "naive"):
        return replace(control_runs()[0], scenario=scenario) if kills else _plain(scenario, cell)
    if number % 13 == 6 and kills:
        return replace(invalid_run(), engine=engine, variant=variant, scenario=scenario)
    if number % 13 == 8 and kills:
        return replace(unknown_run(), engine=engine, variant=variant, scenario=scenario)
    if variant == "postgres" and scenario == "throttle":
        return replace(unjudged_run(), engine=engine, variant=variant, scenario=scenario)
    if not kills:
        return _plain(scenario, cell)
    return run_of(
        engine=engine,
        variant=variant,
        scenario=scenario,
        kills=kills,
        promises=promise_rows(kills=kills, refuted={"S5": 21}),
    )


def _plain(scenario: str, cell: tuple[str, str]) -> RunResult:
    return replace(baseline_run(), engine=cell[0], variant=cell[1], scenario=scenario)


def claims() -> tuple[Claim, ...]:
    """One of each verdict."""
    return tuple(
        Claim(
            text=f"An agent that runs as a workflow resumes where it stopped ({verdict}).",
            quote="picks up exactly where it left off, without repeating completed work",
            source="an article on durable agents, section 3",
            verdict=verdict,
            reason="0 of 6 kills made a used result be computed again",
            runs=("pod_kill.dapr_workflow:default.redis.none.0",),
        )
        for verdict in ("supported", "contradicted", "unknown", "not tested")
    )


ALL = {**MATRICES, "big": big_matrix}
