"""One run of a ladder to one level: rates, times and CPU between its settling and its last arrival.

What came before the window is the engine warming up, what comes after is a drain: neither says what
a load does. Times run from the intended start, so that a late generator hides nothing. Pure.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.capacity.laws import check_little
from harness.capacity.record import FAULT, FREE, PARKED, PROBE, QUOTA, Level, Used
from harness.capacity.usl import Estimate
from harness.clock import NS_PER_MS, NS_PER_S
from harness.facts import RunFacts, Sample
from harness.history import (
    NONE,
    AgentStatus,
    Evidence,
    Flags,
    Ints,
    Kind,
    RequestOutcome,
    Starts,
)
from harness.measures.ratios import student_quantile
from harness.measures.repeats import repeats_of
from harness.scenario import Scenario

Floats = NDArray[np.float64]

SETTLE_RATIO = 0.25
"""Of the arrivals' span, left out at its begin."""
SETTLE_TIMES = 1.5
"""Of the time of the quickest agents, left out at least."""
WINDOW_S_MIN = 2.0
ARRIVALS_MIN = 8
SLICES = 5
"""Of a window, whose spread is that of its throughput."""
SPREAD_MIN = 0.03
"""Least half width of a throughput of one run, by its value: two runs of one level differ by more
than what one of them shows."""
SHORT_RATIO = 0.1
"""Share of the arrivals that is left over at a saturated level."""
SLOWER_MIN = 1.2
"""How much slower agents get from the first to the last third of a saturated level, at least."""
SENT_RATIO_MIN = 0.95
LATENESS_MS_MAX = 250.0
"""p99 of the generator's own delay beyond which its load was not the one that was asked for."""
PROCESS_FULL = 0.9
"""Of one core: a process of one thread has no more."""
HARNESS = ("driver", "witness", "harness")
SAMPLES_MIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where a level is measured, CLOCK_MONOTONIC."""

    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Length."""
        return (self.end_ns - self.begin_ns) / NS_PER_S

    def holds(self, times_ns: Ints) -> Flags:
        """Which moments lie in it; NONE never does."""
        found: Flags = (times_ns >= self.begin_ns) & (times_ns < self.end_ns)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A level whose goodput waits for an objective; `within` finishes it."""

    level: Level
    right_s: Floats = field(default_factory=lambda: np.zeros(0))
    """Times of the agents that arrived in the window and ended rightly."""

    def within(self, slo_s: float) -> Level:
        """The level, with the goodput under this objective."""
        if self.level.window_s <= 0:
            return self.level
        good = int(np.count_nonzero(self.right_s <= slo_s))
        return replace(self.level, goodput_per_s=round(good / self.level.window_s, 3))


def side_of(scenario: Scenario) -> str:
    """Which side of the ladder a run stands on, by its scenario."""
    if scenario.load.warm_up_agents:
        return PROBE
    if "parked" in scenario.mix:
        return PARKED
    if scenario.faults:
        return FAULT
    llm = scenario.llm
    return QUOTA if llm.requests_per_min or llm.tokens_per_min else FREE


def read_level(
    evidence: Evidence,
    facts: RunFacts,
    scenario: Scenario,
    *,
    run: str,
    wrong: Collection[str] = (),
) -> Reading:
    """Measure a run; ``wrong`` are agents whose outcome is not the oracle's."""
    blank = Level(
        run=run,
        side=side_of(scenario),
        offered_per_s=round(facts.rate_per_s, 3),
        requests_per_min=scenario.llm.requests_per_min,
        tokens_per_min=scenario.llm.tokens_per_min,
        lateness_ms_p99=facts.lateness_ms_p99,
    )
    window = window_of(evidence)
    problem = "; ".join(evidence.problems) or (
        "" if facts.ending == "finished" else f"the run ended as: {facts.ending}"
    )
    if window is None and not problem:
        problem = f"fewer than {ARRIVALS_MIN} arrivals in {WINDOW_S_MIN:g} s or more"
    if problem or window is None:
        return Reading(level=replace(blank, trouble=problem))
    level = _with_agents(blank, evidence, window)
    level = _with_requests(level, evidence, window)
    level = _with_processes(level, facts, window)
    starts = evidence.starts
    took_s = (starts.ended_ns - starts.sent_ns)[
        window.holds(starts.ended_ns) & (starts.sent_ns != NONE)
    ] / NS_PER_S
    little = check_little(
        in_flight=level.in_flight_mean,
        throughput_per_s=level.throughput.value or 0.0,
        agent_s=float(took_s.mean()) if len(took_s) else 0.0,
        window_s=window.seconds,
        samples=len(inside_of(facts, window)),
        growth=level.in_flight_end - level.in_flight_begin,
    )
    right = window.holds(starts.intended_ns) & (starts.status == AgentStatus.COMPLETED)
    for number, name in enumerate(evidence.names.agents):
        if name in wrong:
            right[number] = False
    return Reading(
        level=replace(level, little=little),
        right_s=(starts.ended_ns - starts.intended_ns)[right] / NS_PER_S,
    )


def window_of(evidence: Evidence) -> Window | None:
    """From the settling to the last arrival; None where that is too little.

    Until the first agents could have ended, in flight only grows: so long it is settling, too, but
    for no more than half of the arrivals' span.
    """
    starts = evidence.starts
    intended = starts.intended_ns[starts.intended_ns != NONE]
    if len(intended) < ARRIVALS_MIN:
        return None
    begin, end = int(intended.min()), int(intended.max())
    took = (starts.ended_ns - starts.intended_ns)[starts.ended_ns != NONE]
    first = SETTLE_TIMES * float(np.percentile(took, 10)) if len(took) else 0.0
    settling = min(max(SETTLE_RATIO * (end - begin), first), 0.5 * (end - begin))
    window = Window(begin_ns=begin + int(settling), end_ns=end)
    return window if window.seconds >= WINDOW_S_MIN else None


def rate_of(times_ns: Ints, window: Window) -> Estimate:
    """Moments per second in the window, with an interval by its slices."""
    inside = times_ns[window.holds(times_ns)]
    rate = len(inside) / window.seconds
    place = (inside - window.begin_ns) * SLICES // (window.end_ns - window.begin_ns)
    slices = np.bincount(place, minlength=SLICES) * SLICES / window.seconds
    error = float(slices.std(ddof=1)) / math.sqrt(SLICES)
    half = float(student_quantile(0.025, np.array(SLICES - 1.0))) * error
    half = max(half, SPREAD_MIN * rate, 1 / window.seconds)
    return Estimate(
        value=round(rate, 3),
        low=round(max(0.0, rate - half), 3),
        high=round(rate + half, 3),
        reason=f"{SLICES} slices of {window.seconds / SLICES:.1f} s, at least {SPREAD_MIN:.0%}",
    )


def _with_agents(level: Level, evidence: Evidence, window: Window) -> Level:
    starts = evidence.starts
    arrived = window.holds(starts.intended_ns)
    has_ended = starts.ended_ns != NONE
    took_ms = (starts.ended_ns - starts.intended_ns)[arrived & has_ended] / NS_PER_MS
    begin, end = (_in_flight(evidence, at) for at in (window.begin_ns, window.end_ns))
    arrived_count = int(np.count_nonzero(arrived))
    unfinished = int(np.count_nonzero(arrived & ~has_ended))
    p50, p99 = np.percentile(took_ms, [50, 99]) if len(took_ms) else (0.0, 0.0)
    return replace(
        level,
        window_s=round(window.seconds, 3),
        arrived_per_s=round(arrived_count / window.seconds, 3),
        sent_per_s=round(int(np.count_nonzero(window.holds(starts.sent_ns))) / window.seconds, 3),
        throughput=rate_of(starts.ended_ns, window),
        in_flight_begin=begin,
        in_flight_end=end,
        agent_ms_p50=round(float(p50), 1),
        agent_ms_p99=round(float(p99), 1),
        agents_count=len(took_ms),
        unfinished_count=unfinished,
        is_saturated=is_backlog(
            arrived_count, begin=begin, grew=end - begin, slower=slowed(starts, window)
        ),
    )


def is_backlog(arrived: int, *, begin: int, grew: int, slower: float) -> bool:
    """Whether what is left over of a window's arrivals is a backlog.

    Two counts of agents in flight differ by the root of twice their number by chance alone. Beyond
    four times that it is a backlog. Beyond once, it is one if whoever comes later waits for it: a
    crowd of arrivals alone makes nobody slower.
    """
    chance = math.sqrt(2 * (begin + 1))
    if grew <= max(SHORT_RATIO * arrived, 2 + chance):
        return False
    return grew > 2 + 4 * chance or slower >= SLOWER_MIN


def slowed(starts: Starts, window: Window) -> float:
    """Median time of the last third of the window's arrivals, by that of its first third."""
    rows = np.flatnonzero(window.holds(starts.intended_ns) & (starts.ended_ns != NONE))
    rows = rows[np.argsort(starts.intended_ns[rows])]
    third = len(rows) // 3
    if not third:
        return 1.0
    took = (starts.ended_ns - starts.intended_ns)[rows]
    return float(np.median(took[-third:]) / np.median(took[:third]))


def _in_flight(evidence: Evidence, at_ns: int) -> int:
    starts = evidence.starts
    begun = np.count_nonzero((starts.sent_ns != NONE) & (starts.sent_ns <= at_ns))
    ended = np.count_nonzero((starts.ended_ns != NONE) & (starts.ended_ns <= at_ns))
    return int(begun - ended)


def _with_requests(level: Level, evidence: Evidence, window: Window) -> Level:
    requests = evidence.requests
    agents = max(1, len(evidence.names.agents))
    is_llm = (requests.kind == Kind.STEP) | (requests.kind == Kind.AUXILIARY)
    is_call = is_llm & requests.is_executed
    asked = is_llm & window.holds(requests.begin_ns)
    limited = asked & (requests.outcome == RequestOutcome.LIMITED)
    calls = int(np.count_nonzero(is_call))
    repeats = repeats_of(evidence)
    return replace(
        level,
        requests_per_s=round(int(np.count_nonzero(asked)) / window.seconds, 3),
        limited_ratio=round(_share(limited, asked), 4),
        calls_per_agent=round(calls / agents, 4),
        requests_per_agent=round(int(np.count_nonzero(is_llm)) / agents, 4),
        prompt_tokens_per_agent=round(
            float(requests.prompt_tokens[is_call].sum(dtype=np.int64)) / agents, 2
        ),
        completion_tokens_per_agent=round(
            float(requests.completion_tokens[is_call].sum(dtype=np.int64)) / agents, 2
        ),
        repeats_ratio=round(repeats.llm_count / calls, 5) if calls else 0.0,
    )


def _share(part: Flags, whole: Flags) -> float:
    total = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / total if total else 0.0


def _with_processes(level: Level, facts: RunFacts, window: Window) -> Level:
    inside = inside_of(facts, window)
    rss = sum(row.rss_mb_max for row in facts.processes if row.is_engine)
    sent_ratio = level.sent_per_s / level.arrived_per_s if level.arrived_per_s else 1.0
    if level.side == FAULT:
        sent_ratio = 1.0  # Starts that wait for a killed pod are the platform's.
    is_late = level.lateness_ms_p99 > LATENESS_MS_MAX or sent_ratio < SENT_RATIO_MIN
    if len(inside) < SAMPLES_MIN:
        return replace(level, rss_mb=round(rss, 1), is_generator_full=is_late)
    first, last = inside[0], inside[-1]
    used = _used(first, last, facts)
    cores = sum(one.cores for one in used)
    machine = (last.machine_s - first.machine_s) / ((last.t_ns - first.t_ns) / NS_PER_S)
    is_full = any(one.kind in HARNESS and one.cores > PROCESS_FULL for one in used)
    return replace(
        level,
        rss_mb=round(rss, 1),
        in_flight_mean=round(float(np.mean([one.started - one.ended for one in inside])), 2),
        used=used,
        machine_cores=round(max(machine, cores), 3),
        others_cores=round(max(0.0, machine - cores), 3),
        is_generator_full=is_late or is_full,
    )


def inside_of(facts: RunFacts, window: Window) -> list[Sample]:
    """The samples of a window."""
    return [one for one in facts.samples if window.begin_ns <= one.t_ns <= window.end_ns]


def _used(first: Sample, last: Sample, facts: RunFacts) -> tuple[Used, ...]:
    seconds = (last.t_ns - first.t_ns) / NS_PER_S
    rows = {row.name: row for row in facts.processes}
    return tuple(
        Used(
            kind=kind,
            cores=round((spent - first.cpu_s.get(kind, 0.0)) / seconds, 4),
            processes=rows[kind].count if kind in rows else 1,
            is_engine=rows[kind].is_engine if kind in rows else kind not in HARNESS,
        )
        for kind, spent in sorted(last.cpu_s.items())
    )
