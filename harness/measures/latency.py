"""Latency: how long things took, from full-precision samples."""

import numpy as np

from harness.clock import NS_PER_MS
from harness.history import NONE, Evidence, Ints, Kind, RequestOutcome
from harness.measures.portion import portions
from harness.measures.recovery import resumes
from harness.results import Distribution


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
    )


def agent_latency_ns(evidence: Evidence) -> Ints:
    """Intended start to the end that the driver read, of agents that ended."""
    starts = evidence.starts
    has_ended = (starts.ended_ns != NONE) & (starts.intended_ns != NONE)
    took: Ints = starts.ended_ns[has_ended] - starts.intended_ns[has_ended]
    return took


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


def resume_latency_ns(evidence: Evidence) -> Ints:
    """Victim resume times of all faults together, without those that never went on."""
    parts = list(resumes(portions(evidence)).values())
    joined = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    took: Ints = joined[joined != NONE]
    return took


def latencies_of(evidence: Evidence) -> tuple[Distribution, ...]:
    """The distributions of the page, without the victim resume time."""
    return (
        distribution("agent", agent_latency_ns(evidence)),
        distribution("start", start_latency_ns(evidence)),
        distribution("step", step_latency_ns(evidence)),
        distribution("lateness", lateness_ns(evidence)),
    )


def resume_of(evidence: Evidence) -> Distribution:
    """Victim resume time over all faults of the run."""
    return distribution("victim resume", resume_latency_ns(evidence))
