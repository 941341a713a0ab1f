"""Parts of a judged run made by code: promises, anomalies, a series, faults."""

import math
import random
from collections.abc import Iterable

from harness.results import (
    FaultRow,
    PromiseRow,
    Series,
    Tracing,
)
from harness.verdict import MESSAGES, PROMISES, Anomaly, bound_ratio

HOSTILE = "<script>alert(1)</script> & \"'|`*_[x](http://e.example)\x1b[31m\u202e"
"""What a stranger's agent may be called."""
PLACE = "runs/20260411T101500Z-default-42"
QUOTE = "workflows are durable: each step is persisted and replayed after a crash"
SOURCE = "docs.dapr.io/developing-applications/building-blocks/workflow/workflow-architecture"


def promise_rows(
    *,
    kills: int,
    steps: int = 10_000,
    agents: int = 2_000,
    exposed: int = 231,
    refuted: dict[str, int] | None = None,
    unpromised: Iterable[str] = ("S5",),
    unknown: Iterable[str] = (),
    not_offered: Iterable[str] = ("S4",),
    reason: str = "",
    has_messages: bool = False,
) -> tuple[PromiseRow, ...]:
    """The eight rows; ``refuted`` maps a key to its number of violations."""
    broken, beyond, undecided = refuted or {}, set(unpromised), set(unknown)
    rows = []
    for promise in PROMISES:
        if promise.key == MESSAGES and not has_messages:
            rows.append(without_messages(promise.text))
            continue
        violations = broken.get(promise.key, 0)
        expectation = "not promised" if promise.key in beyond else "promised"
        checked = agents if promise.key in ("L", "R") else steps
        verdict = "invalid" if violations else "unknown" if promise.key in undecided else "valid"
        rows.append(
            PromiseRow(
                key=promise.key,
                text=promise.text,
                expectation=expectation,
                source="an activity runs at least once" if promise.key in beyond else SOURCE,
                quote="activities are guaranteed to run at least once"
                if promise.key in beyond
                else QUOTE,
                verdict=verdict,
                is_surprise=bool(violations) and expectation == "promised",
                is_offered=promise.key not in set(not_offered),
                reason=reason if promise.key in undecided else "",
                checked_count=checked,
                exposed_count=exposed if kills else 0,
                kills_count=kills,
                violations_count=violations,
                not_judged_count=3 if promise.key == "S2" and kills else 0,
                bound_per_kill_ratio=bound_ratio(kills),
                bound_per_exposure_ratio=bound_ratio(exposed if kills else checked),
                anomalies=anomalies(promise.key, violations),
            )
        )
    return tuple(rows)


def without_messages(text: str) -> PromiseRow:
    """M in a run that has none."""
    return PromiseRow(
        key=MESSAGES,
        text=text,
        expectation="unstated",
        source="",
        quote="",
        verdict="unknown",
        is_surprise=False,
        is_offered=True,
        reason="no acknowledged messages in this run",
        checked_count=0,
        exposed_count=0,
        kills_count=0,
        violations_count=0,
        not_judged_count=0,
        bound_per_kill_ratio=1.0,
        bound_per_exposure_ratio=1.0,
        is_applicable=False,
    )


def anomalies(promise: str, total: int) -> tuple[Anomaly, ...]:
    """At most 50, of two names, the worst first."""
    name = {"S1": "double-commit", "S5": "tool-called-twice", "S2": "recomputed"}.get(
        promise, "skipped-step"
    )
    return tuple(
        Anomaly(
            name=name if index % 3 else f"{name}-of-a-fork",
            promise=promise,
            agent=f"a-{index * 37 % 2000:05d}",
            path="2.t1.c0" if promise == "S5" else "3",
            text=(
                f"step 3 was answered at seq {4000 + index} (attempt 1, agents-1.1) and again at "
                f"seq {4321 + index} (attempt 2, agents-1.2), after its result had been used; the "
                "outcome carries attempt mark 2, step 4 carries attempt mark 1"
            ),
            seqs=tuple(range(4000 + index, 4003 + index + index % 4)),
        )
        for index in range(min(total, 50))
    )


def series(
    *, length: int = 96, rate: float = 310.0, dips: Iterable[float] = (), limited: float = 0.0
) -> Series:
    """A run of one-second bins with dips of the throughput at the given seconds."""
    drawn = random.Random(length)
    starts, steps, ended, started, limits, running = [], [], [], [], [], []
    alive = 0.0
    for second in range(length):
        dip = min((1 - math.exp(-(((second - at) / 3) ** 2)) * 0.55 for at in dips), default=1.0)
        tail = max(0.0, min(1.0, (length - second) / 14))
        warm = min(1.0, (second + 1) / 6)
        steps.append(round(rate * dip * tail * warm * drawn.uniform(0.93, 1.07), 3))
        started.append(round(rate / 5, 3) if second < length - 16 else 0.0)
        ended.append(round(min(alive + started[-1], steps[-1] / 5), 3))
        alive = max(0.0, alive + started[-1] - ended[-1])
        limits.append(round(limited * drawn.uniform(0.5, 1.5), 3) if second > 8 else 0.0)
        running.append(round(alive))
        starts.append(float(second))
    return Series(
        bin_s=1.0,
        start_s=tuple(starts),
        steps_per_s=tuple(steps),
        ended_per_s=tuple(ended),
        started_per_s=tuple(started),
        limited_per_s=tuple(limits),
        running=tuple(running),
    )


def fault_rows(total: int, *, every_s: float = 12.0, unfired: int = 0) -> tuple[FaultRow, ...]:
    """``total`` kills of pods, of which the last ``unfired`` never fired."""
    rows = []
    for number in range(1, total + 1):
        has_fired = number <= total - unfired
        slot, incarnation = number % 3, 1 + number // 3
        at = 8.0 + every_s * (number - 1)
        rows.append(
            FaultRow(
                name=f"kill_pod-{number}",
                kind="kill_pod",
                victims=(f"agents-{slot}.{incarnation}",) if has_fired else (),
                fired_s=at if has_fired else -1.0,
                healed_s=at + 3.1 + 0.2 * number if has_fired else -1.0,
                in_flight_count=34 + number if has_fired else 0,
                resume_s_p50=3.4 + 0.11 * number if has_fired else -1.0,
                resume_s_max=5.9 + 0.3 * number if has_fired else -1.0,
                repeats_count=21 + number if has_fired else 0,
                proof=f"exit -9 reaped; 38 connections cut; agents-{slot}.{incarnation + 1} seen"
                if has_fired
                else "",
                parts_s={"restart_delay": 0.0, "process_start": 0.42, "ready": 2.31}
                if has_fired
                else {},
            )
        )
    return tuple(rows)


TRACED = Tracing(
    exports="the sidecar's",
    problems=(),
    spans_count=800,
    left_out_count=0,
    refused_count=0,
    orphans_count=40,
    strangers_count=200,
    steps_count=100,
    steps_spanned_count=90,
    executions_count=120,
    executions_spanned_count=96,
    agents_count=50,
    agents_one_trace_count=45,
    interrupted_count=10,
    survived_count=7,
    cut_count=1,
    lost_count=2,
)
"""Spans of a run with kills."""
