"""A result with nothing measured: what judged, failed and skipped runs start from."""

from dataclasses import replace

from harness.engines.registry import ENGINES
from harness.errors import UsageError
from harness.results import Distribution, Repeats, RunResult, Series
from harness.runner.effort import effort_of_order
from harness.runner.order import Order, engine_of

NO_SERIES = Series(
    bin_s=1.0,
    start_s=(),
    steps_per_s=(),
    ended_per_s=(),
    started_per_s=(),
    limited_per_s=(),
    running=(),
)
NO_REPEATS = Repeats(
    llm_count=0,
    tool_count=0,
    tool_applied_extra_count=0,
    wasted_tokens=0,
    useful_tokens=0,
    auxiliary_count=0,
    auxiliary_tokens=0,
    requests_per_used_step=0.0,
    limited_count=0,
    requests_count=0,
    non_victim_count=0,
)
NO_RESUME = Distribution(
    name="victim resume", count=0, ms_p50=0.0, ms_p95=0.0, ms_p99=0.0, ms_max=0.0
)


def skipped_result(order: Order, reason: str, *, seed: int) -> RunResult:
    """A run that this machine cannot do: neutral, visible and counted."""
    return replace(
        blank_result(order, seed=seed), state="skipped", state_reason=reason, headline=reason
    )


def blank_result(order: Order, *, seed: int) -> RunResult:
    """Who the run is, and zeros; unknown until something says better."""
    scenario, cell = order.scenario, order.cell
    return RunResult(
        name=order.name,
        scenario=scenario.name,
        summary=scenario.summary,
        engine=cell.engine,
        variant=cell.variant,
        store=cell.store,
        broker=cell.broker,
        platform=cell.platform,
        repeat=cell.repeat,
        seed=seed,
        pods=scenario.pods,
        state="judged",
        state_reason="",
        verdict="unknown",
        exit_code=2,
        headline="",
        recovery_kind=recovery_of(order),
        promises=(),
        assumptions=(),
        doubts=(),
        agents_planned=scenario.load.agents,
        agents_accepted=0,
        agents_completed=0,
        agents_failed=0,
        agents_unfinished=0,
        steps_expected=0,
        steps_used=0,
        agents_per_s=0.0,
        steps_per_s=0.0,
        offered_per_s=0.0,
        capacity_per_s=0.0,
        load_s=0.0,
        lateness_ms_p99=0.0,
        resume=NO_RESUME,
        latencies=(),
        faults=(),
        faults_planned=0,
        series=NO_SERIES,
        repeats=NO_REPEATS,
        processes=(),
        environment={},
        repeat_command="",
        directory="",
        effort=effort_of_order(order),
    )


def recovery_of(order: Order) -> str:
    """Who resumes; empty for an engine that this version does not know."""
    try:
        is_known = order.own is not None or order.cell.engine in ENGINES
        return engine_of(order).recovery if is_known else ""
    except UsageError:
        return ""
