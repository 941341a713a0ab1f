"""Judged matrices made by code, for tests of reports and for looking at pages.

Realistic in shape and size; every draw comes from a seeded generator of its own, so that two calls
give equal records.
"""

from dataclasses import replace

from harness.results import (
    Assumption,
    Distribution,
    MatrixResult,
    ProcessRow,
    PromiseRow,
    Repeats,
    RunResult,
    Series,
)
from harness.verdict import PROMISES, Anomaly
from tests.report_client import client_of_run
from tests.report_commits import commits_of_run
from tests.report_parts import HOSTILE, PLACE, fault_rows, promise_rows, series


def run_of(
    *,
    engine: str = "dapr_workflow",
    variant: str = "default",
    scenario: str = "pod_kill",
    kills: int = 6,
    unfired: int = 0,
    promises: tuple[PromiseRow, ...] | None = None,
    verdict: str = "valid",
    exit_code: int = 0,
    headline: str = "L, S1-S3, R hold; S5 refuted, not promised",
    doubts: tuple[str, ...] = (),
    assumptions: tuple[Assumption, ...] | None = None,
    limited: float = 0.0,
) -> RunResult:
    """A judged run of 2,000 agents."""
    dips = tuple(8.0 + 12.0 * number for number in range(kills - unfired))
    struck = kills - unfired
    return RunResult(
        name=f"{scenario}.{engine}:{variant}.redis.none.0",
        scenario=scenario,
        summary="three patterns, pods killed in mid-run",
        engine=engine,
        variant=variant,
        store="redis",
        broker="none",
        repeat=0,
        seed=42,
        pods=3,
        state="judged",
        state_reason="",
        verdict=verdict,
        exit_code=exit_code,
        headline=headline,
        recovery_kind="native" if engine == "dapr_workflow" else "assisted",
        promises=promises or promise_rows(kills=struck),
        assumptions=assumptions
        or (
            Assumption(name="ledger whole", is_met=True, text="no gap in 41,233 records"),
            Assumption(
                name="harness fed", is_met=True, text="its own loop was late by 41 ms at most"
            ),
        ),
        doubts=doubts,
        agents_planned=2000,
        agents_accepted=2000,
        agents_completed=1998,
        agents_failed=2,
        agents_unfinished=0,
        steps_expected=10_000,
        steps_used=9_990,
        agents_per_s=21.3,
        steps_per_s=106.4,
        offered_per_s=24.0,
        capacity_per_s=34.3,
        load_s=93.9,
        lateness_ms_p99=8.4,
        resume=Distribution(
            name="victim resume",
            count=231 if struck else 0,
            ms_p50=3610,
            ms_p95=5400,
            ms_p99=6900,
            ms_max=7700,
            ms_p50_range=(3480, 3790) if struck else None,
            ms_p95_range=(5020, 6310) if struck else None,
        ),
        latencies=(
            Distribution(
                name="agent",
                count=1998,
                ms_p50=6210,
                ms_p95=11_300,
                ms_p99=14_800,
                ms_max=19_900,
                ms_p50_range=(6090, 6330),
                ms_p95_range=(10_900, 11_900),
                ms_p99_range=(13_900, 16_400),
            ),
            Distribution(
                name="start",
                count=2000,
                ms_p50=7.4,
                ms_p95=31,
                ms_p99=88,
                ms_max=412,
            ),
            Distribution(
                name="step",
                count=12,
                ms_p50=990,
                ms_p95=2100,
                ms_p99=2400,
                ms_max=2500,
            ),
        ),
        faults=fault_rows(kills, unfired=unfired),
        faults_planned=kills,
        series=series(dips=dips, limited=limited),
        repeats=Repeats(
            llm_count=147 if struck else 0,
            tool_count=21 if struck else 0,
            tool_applied_extra_count=21 if struck else 0,
            wasted_tokens=11_720 if struck else 0,
            useful_tokens=1_224_000,
            auxiliary_count=0,
            auxiliary_tokens=0,
            requests_per_used_step=1.016 if struck else 1.0,
            limited_count=round(limited * 90),
            requests_count=10_168 + round(limited * 90),
            non_victim_count=4 if struck else 0,
        ),
        client=client_of_run(limited),
        commits=commits_of_run(struck=struck),
        processes=(
            ProcessRow(name="daprd", count=3 + struck, is_engine=True, cpu_s=71.2, rss_mb_max=412),
            ProcessRow(name="worker", count=3 + struck, is_engine=True, cpu_s=88.9, rss_mb_max=361),
            ProcessRow(name="scheduler", count=1, is_engine=True, cpu_s=19.0, rss_mb_max=120),
            ProcessRow(name="placement", count=1, is_engine=True, cpu_s=0.6, rss_mb_max=44),
            ProcessRow(name="redis-server", count=1, is_engine=True, cpu_s=8.1, rss_mb_max=96),
            ProcessRow(name="witness", count=1, is_engine=False, cpu_s=21.0, rss_mb_max=143),
            ProcessRow(name="driver", count=1, is_engine=False, cpu_s=12.4, rss_mb_max=118),
            ProcessRow(name="harness", count=1, is_engine=False, cpu_s=2.2, rss_mb_max=131),
        ),
        environment={
            "machine": "2 cores, 24.0 GiB memory",
            "kernel": "Linux 6.1",
            "python": "3.11.2",
            "daprd": "1.18.2, own build, go.sum 9f31c2, not the official binary",
            "redis": "7.0.15",
            "durability": "D1",
            "set-up": f"{7.1 + struck / 10:.1f} s",
        },
        repeat_command=f"onceproof repro {PLACE}/{scenario}.{engine}:{variant}.redis.none.0",
        directory=f"{scenario}.{engine}:{variant}.redis.none.0",
    )


def matrix_of(*runs: RunResult, name: str = "default", exit_code: int = 0) -> MatrixResult:
    """A matrix of these runs."""
    return MatrixResult(
        name=name,
        seed=42,
        started_utc="2026-04-11T10:15:00Z",
        duration_s=232.4,
        command=f"onceproof run --matrix {name} --seed 42",
        exit_code=exit_code,
        runs=runs,
    )


def valid_run() -> RunResult:
    """All promises given are kept; S5 was refuted, which the engine does not promise."""
    return run_of(promises=promise_rows(kills=6, refuted={"S5": 21}))


def baseline_run() -> RunResult:
    """No faults, all promises hold."""
    return run_of(
        scenario="baseline", kills=0, headline="L, S1-S5, R hold", promises=promise_rows(kills=0)
    )


def invalid_run() -> RunResult:
    """S1 and S2 are promised and refuted, S5 is refuted without a promise."""
    return run_of(
        variant="broken",
        promises=promise_rows(kills=6, refuted={"S1": 123, "S2": 2, "S5": 21}),
        verdict="invalid",
        exit_code=1,
        headline="L, S3, R hold; S1, S2 refuted; S5 refuted, not promised",
        limited=14.0,
    )


def unknown_run() -> RunResult:
    """The last of four faults never fired."""
    return run_of(
        variant="sleepy",
        kills=4,
        unfired=1,
        promises=promise_rows(
            kills=3,
            unknown=[promise.key for promise in PROMISES],
            not_offered=(),
            reason="kill_pod-4 never fired: 9 steps in flight on the victim, expected at least 20",
        ),
        verdict="unknown",
        exit_code=2,
        headline="unknown: a planned fault never fired",
        doubts=("two pods shared a core for 14 s",),
        assumptions=(
            Assumption(name="faults fired", is_met=False, text="3 of 4 planned faults fired"),
            Assumption(name="ledger whole", is_met=True, text="no gap in 41,233 records"),
        ),
    )


def unjudged_run(state: str = "skipped") -> RunResult:
    """A run that never came to a verdict."""
    empty = Distribution(name="", count=0, ms_p50=0, ms_p95=0, ms_p99=0, ms_max=0)
    reason = {
        "skipped": "no Kafka on this machine; get it with `make kafka`, or give --kafka ADDRESS",
        "failed": "placement was not ready in 30 s; its last line: bind: address already in use",
    }[state]
    return replace(
        run_of(engine="langgraph", variant="postgres"),
        state=state,
        state_reason=reason,
        verdict="unknown",
        exit_code=2 if state == "skipped" else 255,
        headline=reason,
        promises=(),
        assumptions=(),
        agents_accepted=0,
        agents_completed=0,
        agents_failed=0,
        steps_used=0,
        agents_per_s=0.0,
        steps_per_s=0.0,
        resume=empty,
        latencies=(),
        faults=(),
        series=Series(
            bin_s=1.0,
            start_s=(),
            steps_per_s=(),
            ended_per_s=(),
            started_per_s=(),
            limited_per_s=(),
            running=(),
        ),
        processes=(),
        environment={},
    )


def control_runs() -> tuple[RunResult, RunResult]:
    """The loop that must break, and the one that must stand."""
    naive = run_of(
        engine="control",
        variant="naive",
        promises=promise_rows(
            kills=6,
            refuted={"L": 41, "S2": 390, "S5": 77, "R": 12},
            unpromised=[promise.key for promise in PROMISES],
        ),
        headline="S1, S3 hold; L, S2, S5, R refuted, not promised",
    )
    guarded = run_of(
        engine="control",
        variant="guarded",
        promises=promise_rows(kills=6, refuted={"S5": 14}, not_offered=()),
    )
    return naive, guarded


def valid_matrix() -> MatrixResult:
    """One valid run."""
    return matrix_of(valid_run(), name="pod_kill")


def invalid_matrix() -> MatrixResult:
    """One invalid run."""
    return matrix_of(invalid_run(), name="pod_kill", exit_code=1)


def unknown_matrix() -> MatrixResult:
    """One run whose fault never fired."""
    return matrix_of(unknown_run(), name="pod_kill", exit_code=2)


def unjudged_matrix() -> MatrixResult:
    """Nothing was judged."""
    return matrix_of(unjudged_run(), unjudged_run("failed"), name="brokers", exit_code=255)


def default_matrix() -> MatrixResult:
    """What `make loadtest` shows on a good day: two runs of an engine and both controls."""
    return matrix_of(valid_run(), baseline_run(), *control_runs())


def controls_matrix() -> MatrixResult:
    """What `make demo` shows: the controls alone."""
    return matrix_of(*control_runs(), name="demo")


def wide_matrix() -> MatrixResult:
    """Eight columns of every state."""
    return matrix_of(
        valid_run(),
        baseline_run(),
        invalid_run(),
        unknown_run(),
        *control_runs(),
        unjudged_run(),
        unjudged_run("failed"),
        name="everything",
    )


def hostile_matrix() -> MatrixResult:
    """Strings of strangers in every place that takes one."""
    run = invalid_run()
    bad = Anomaly(
        name=HOSTILE, promise="S1", agent=HOSTILE, path=HOSTILE, text=f"{HOSTILE}\nline 2 {HOSTILE}"
    )
    rows = tuple(
        replace(row, reason=HOSTILE, quote=HOSTILE, source=HOSTILE, anomalies=(bad,) * 3)
        if row.key == "S1"
        else row
        for row in run.promises
    )
    fault = replace(run.faults[0], name=HOSTILE, victims=(HOSTILE,), proof=HOSTILE)
    hostile = replace(
        run,
        engine=HOSTILE,
        variant=HOSTILE,
        scenario=HOSTILE,
        headline=HOSTILE,
        summary=HOSTILE,
        promises=rows,
        doubts=(HOSTILE,),
        assumptions=(Assumption(name=HOSTILE, is_met=False, text=HOSTILE),),
        faults=(fault, *run.faults[1:]),
        processes=(replace(run.processes[0], name=HOSTILE), *run.processes[1:]),
        latencies=(replace(run.latencies[0], name=HOSTILE), *run.latencies[1:]),
        environment={HOSTILE: HOSTILE},
        repeat_command=HOSTILE,
        commits=commits_of_run(struck=1, reason=HOSTILE),
        directory="run-1",
    )
    return replace(matrix_of(hostile), name=HOSTILE, command=HOSTILE, started_utc=HOSTILE)


MATRICES = {
    "valid": valid_matrix,
    "invalid": invalid_matrix,
    "unknown": unknown_matrix,
    "unjudged": unjudged_matrix,
    "default": default_matrix,
    "controls": controls_matrix,
    "wide": wide_matrix,
    "hostile": hostile_matrix,
    "empty": matrix_of,
}
