"""Judged runs with figures, for tests of the gate: what is doctored is said where it is used."""

from collections.abc import Callable
from dataclasses import replace

from harness.measures.figures import FIGURES
from harness.plan import Cell, Plan
from harness.results import Figure, RunResult
from harness.scenario import FaultSpec, Scenario
from reports.gate_sides import Baseline, Judged, baseline_of
from tests.report_fixtures import run_of
from tests.report_parts import promise_rows

SCENARIO = Scenario(name="pod_kill", summary="", faults=(FaultSpec(kind="kill_pod", count=6),))
QUIET = Scenario(name="baseline", summary="")
FACTS = {
    "machine": "2 cores, 8 GiB, a processor",
    "system": "Linux 6.1, x86_64",
    "durability": "D1",
    "python": "3.11.7",
    "onceproof": "0.1.0, sources 1234",
}
VALUES = {
    "failed_agents": 0.0,
    "llm_steps_per_agent": 5.0,
    "effects_per_agent": 0.94,
    "llm_calls_per_agent": 6.1,
    "tokens_per_agent": 390.0,
    "store_operations_per_agent": 81.0,
    "history_bytes_per_agent": 4100.0,
    "agent_ms_p50": 7000.0,
    "agent_ms_p95": 10_000.0,
    "own_ms_p50": 40.0,
    "resume_ms_p50": 1500.0,
    "cpu_ms_per_agent": 17.0,
}
WOBBLE = (1.0, 1.01, 0.99, 1.004, 0.996)
"""Of a timing, by repeat: about 1 % of noise."""
Change = Callable[[RunResult], RunResult]


def judged(
    *,
    engine: str = "dapr_workflow",
    variant: str = "default",
    repeat: int = 0,
    scenario: Scenario = SCENARIO,
    seed: int = 42,
    values: dict[str, float | None] | None = None,
    facts: dict[str, str] | None = None,
    refuted: dict[str, int] | None = None,
    unknown: tuple[str, ...] = (),
    change: Change = lambda run: run,
) -> Judged:
    """One run; ``values`` replace figures, ``refuted`` and ``unknown`` promises."""
    run = run_of(engine=engine, variant=variant, scenario=scenario.name)
    found = VALUES | (values or {})
    result = replace(
        run,
        name=f"{scenario.name}.{engine}:{variant}.redis.none.{repeat}",
        repeat=repeat,
        seed=seed,
        environment=FACTS | (facts or {}),
        promises=promise_rows(kills=6, refuted=refuted or {}, unknown=unknown, reason="too few"),
        figures=tuple(_figure(spec.name, found[spec.name], repeat) for spec in FIGURES),
    )
    plan = Plan(
        seed=seed,
        cell=Cell(engine=engine, variant=variant, store="redis", repeat=repeat),
        scenario=scenario,
        faults=(),
        answers_count=5,
        programs_sha256=f"digest of seed {seed}",
        warm_up_sha256="",
    )
    return Judged(result=change(result), plan=plan)


def repeats(count: int = 3, **more: object) -> list[Judged]:
    """Repeats of one cell, with a little noise on their timings."""
    return [judged(repeat=number, **more) for number in range(count)]  # type: ignore[arg-type]


def baseline(count: int = 3, **more: object) -> Baseline:
    """A baseline of such repeats."""
    return baseline_of(
        repeats(count, **more), reason="good enough", made_utc="2026-11-25T05:00:00Z"
    )


def _figure(name: str, value: float | None, repeat: int) -> Figure:
    if value is None:
        return Figure(name=name, value=None, reason=f"{name} cannot be had")
    is_timing = name.endswith(("_p50", "_p95")) or name.startswith("cpu")
    return Figure(name=name, value=value * (WOBBLE[repeat % 5] if is_timing else 1.0))
