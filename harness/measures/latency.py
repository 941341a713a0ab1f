"""Latency: how long things took, from full-precision samples."""

import math

import numpy as np
from numpy.typing import NDArray

from harness.clock import NS_PER_MS
from harness.history import NONE, Evidence, Ints, Kind, RequestOutcome
from harness.measures.exposure import NEVER
from harness.measures.portion import Portion, portions
from harness.measures.recovery import resumes
from harness.results import Distribution

Floats = NDArray[np.float64]
TAIL = 0.025
"""On either side of an interval of 95 %."""


def distribution(name: str, samples_ns: Ints) -> Distribution:
    """Summarize durations, given in nanoseconds; all figures are 0 without a sample."""
    if not len(samples_ns):
        return Distribution(name=name, count=0, ms_p50=0.0, ms_p95=0.0, ms_p99=0.0, ms_max=0.0)
    p50, p95, p99, most = np.percentile(samples_ns, [50, 95, 99, 100]) / NS_PER_MS
    return Distribution(
        name=name,
        count=len(samples_ns),
        ms_p50=float(p50),
        ms_p95=float(p95),
        ms_p99=float(p99),
        ms_max=float(most),
        ms_p50_range=_range_ms(samples_ns, 0.50),
        ms_p95_range=_range_ms(samples_ns, 0.95),
        ms_p99_range=_range_ms(samples_ns, 0.99),
    )


def quantile_ranks(samples: int, quantile: float) -> tuple[int, int] | None:
    """Ranks, from 1, of the samples between which a quantile lies with at least 95 %.

    Exact and free of any shape: the number of samples below the quantile is binomial. None when so
    few samples cannot bound it from both sides. Samples are taken as independent; those of one
    fault are not quite.

    Source: David and Nagaraja, Order Statistics, 3rd edition, 7.1.
    """
    if samples < 1 or quantile**samples > TAIL or (1 - quantile) ** samples > TAIL:
        return None
    below = np.cumsum(np.exp(_log_binomial(samples, quantile)))
    low = int(np.searchsorted(below, TAIL, side="right"))
    high = int(np.searchsorted(below, 1 - TAIL, side="left")) + 1
    return (low, high) if low >= 1 and high <= samples else None


def _log_binomial(samples: int, ratio: float) -> Floats:
    """Logarithm of the likelihood of 0 to ``samples`` successes."""
    steps = np.arange(1, samples + 1)
    log_choose = np.concatenate(([0.0], np.cumsum(np.log((samples - steps + 1) / steps))))
    hits = np.arange(samples + 1)
    found: Floats = log_choose + hits * math.log(ratio) + (samples - hits) * math.log(1 - ratio)
    return found


def _range_ms(samples_ns: Ints, quantile: float) -> tuple[float, float] | None:
    ranks = quantile_ranks(len(samples_ns), quantile)
    if ranks is None:
        return None
    low, high = ranks[0] - 1, ranks[1] - 1
    found = np.partition(samples_ns, (low, high)) / NS_PER_MS
    return float(found[low]), float(found[high])


def agent_latency_ns(evidence: Evidence) -> Ints:
    """Intended start to the end that the driver read, of agents that ended."""
    starts = evidence.starts
    has_ended = (starts.ended_ns != NONE) & (starts.intended_ns != NONE)
    took: Ints = starts.ended_ns[has_ended] - starts.intended_ns[has_ended]
    return took


def slowest_agents(evidence: Evidence, count: int) -> list[str]:
    """Names of the agents that took longest; those that were accepted and never ended first."""
    starts = evidence.starts
    is_accepted = (starts.accepted_ns != NONE) & (starts.intended_ns != NONE)
    forever = np.iinfo(np.int64).max
    took = np.where(starts.ended_ns != NONE, starts.ended_ns - starts.intended_ns, forever)
    took = np.where(is_accepted, took, -1)
    order = np.argsort(-took, kind="stable")[:count]
    return [evidence.names.agents[number] for number in order if took[number] >= 0]


def start_latency_ns(evidence: Evidence) -> Ints:
    """First POST to the driver's 202."""
    starts = evidence.starts
    is_accepted = (starts.accepted_ns != NONE) & (starts.sent_ns != NONE)
    took: Ints = starts.accepted_ns[is_accepted] - starts.sent_ns[is_accepted]
    return took


def lateness_ns(evidence: Evidence) -> Ints:
    """Intended start to the first POST: the driver's own delay."""
    starts = evidence.starts
    is_sent = (starts.sent_ns != NONE) & (starts.intended_ns != NONE)
    took: Ints = starts.sent_ns[is_sent] - starts.intended_ns[is_sent]
    return took


def step_latency_ns(evidence: Evidence) -> Ints:
    """Begin to end of answered LLM requests, at the witness."""
    requests = evidence.requests
    is_answered = (requests.kind == Kind.STEP) & (requests.outcome == RequestOutcome.ANSWERED)
    took: Ints = requests.end_ns[is_answered] - requests.begin_ns[is_answered]
    return took


def wake_latency_ns(evidence: Evidence) -> Ints:
    """From an event, on file before it is sent, to the first request of the step that heeds it.

    Of agents that were waiting for it: whatever else the step builds on was answered before.
    """
    return _from_waits(evidence, is_timer=False)


def timer_latency_ns(evidence: Evidence) -> Ints:
    """From a timer's due time, by the answer before it, to the first request of the step behind."""
    return _from_waits(evidence, is_timer=True)


def _from_waits(evidence: Evidence, *, is_timer: bool) -> Ints:
    found = [_late_ns(portion, is_timer=is_timer) for portion in portions(evidence)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _late_ns(portion: Portion, *, is_timer: bool) -> Ints:
    """First begin of the steps behind a wait, less the moment in which the wait was over."""
    requests, expected, rows = portion.requests, portion.expected, portion.executed
    cell = portion.cells.of_request[rows]
    began = np.full(portion.cells.count, NEVER, np.int64)
    ended = np.full(portion.cells.count, NEVER, np.int64)
    np.minimum.at(began, cell, requests.begin_ns[rows])
    np.minimum.at(ended, cell, requests.end_ns[rows])
    is_event = np.zeros(portion.cells.count, np.bool_)
    is_event[cell[requests.kind[rows] == Kind.EVENT]] = True
    successor = np.repeat(np.arange(expected.count), np.diff(expected.predecessor_start))
    predecessor = expected.predecessor
    hears = is_event[predecessor]
    sent = np.full(expected.count, NEVER, np.int64)
    np.minimum.at(sent, successor[hears], began[predecessor[hears]])
    ready = np.zeros(expected.count, np.int64)
    np.maximum.at(ready, successor[~hears], ended[predecessor[~hears]])
    if is_timer:
        is_over = (expected.delay_ns > 0) & (ready > 0) & (ready != NEVER)
        over = ready + expected.delay_ns
    else:
        is_over = (sent != NEVER) & (ready < sent)
        over = sent
    is_counted = is_over & (began[: expected.count] != NEVER)
    took: Ints = (began[: expected.count] - over)[is_counted]
    return took


def resume_latency_ns(evidence: Evidence) -> Ints:
    """Victim resume times of all faults together, without those that never went on."""
    parts = list(resumes(portions(evidence)).values())
    joined = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    took: Ints = joined[joined != NONE]
    return took


def latencies_of(evidence: Evidence) -> tuple[Distribution, ...]:
    """The distributions of the page, without the victim resume time."""
    waits = (
        distribution("wake", wake_latency_ns(evidence)),
        distribution("timer", timer_latency_ns(evidence)),
    )
    return (
        distribution("agent", agent_latency_ns(evidence)),
        distribution("start", start_latency_ns(evidence)),
        distribution("step", step_latency_ns(evidence)),
        distribution("lateness", lateness_ns(evidence)),
        *(wait for wait in waits if wait.count),
    )


def resume_of(evidence: Evidence) -> Distribution:
    """Victim resume time over all faults of the run."""
    return distribution("victim resume", resume_latency_ns(evidence))
