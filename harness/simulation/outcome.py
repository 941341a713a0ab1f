"""A simulated run in figures: what `onceproof simulate` prints and writes."""

from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.history import NONE, Ints
from harness.simulation.settings import Settings, capacity_per_s
from harness.simulation.walk import OWN, SERIES, Trace

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A set of durations in milliseconds; all 0 when it is empty."""

    count: int
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One resource."""

    name: str
    servers: int
    """At all pods together."""
    used_ratio: float
    """Time that its servers worked, of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One simulated run."""

    schema: int = SCHEMA
    seed: int
    settings: Settings
    completed_count: int
    failed_count: int
    """Gave up on a call."""
    unfinished_count: int
    span_s: float
    """First arrival to the last end."""
    agents_per_s: float
    """Completed, over the span."""
    calls_per_s: float
    agent_ms: Spread
    """Arrival to end."""
    own_ms: Spread
    """Of it, the time without a call in flight."""
    own_mean_ms: float
    calls_count: int
    """Executed."""
    refused_ratio: float
    """Requests answered 429, of all."""
    wasted_count: int
    """Calls executed and lost by a kill."""
    kills_count: int
    """Kills that came before the last end."""
    resume_ms: Spread
    """Victims of kills: to the first answer that was kept."""
    resources: tuple[Usage, ...]
    binds: str
    """The resource that is the scarcest by the settings."""
    capacity_per_s: float
    """Agents per second that it allows."""
    little_ratio: float
    """Agents counted in the system step by step, by rate times mean time: 1 but for the step."""
    tick_ms: float
    late_ratio: float
    """Events that were taken a step late: the only approximation."""
    late_ms_max: float
    is_cut: bool
    """Ended by a bound on its events."""


def outcome_of(settings: Settings, trace: Trace, seed: int) -> Outcome:
    """Reduce a trace to figures."""
    has_ended = trace.done_ns != NONE
    is_completed = has_ended & ~trace.has_failed
    took = (trace.done_ns - trace.arrival_ns)[is_completed]
    last_ns = int(trace.done_ns.max()) if has_ended.any() else trace.end_ns
    own = took - trace.llm_ns[is_completed]
    span_s = max((last_ns - int(trace.arrival_ns.min())) / NS_PER_S, 1e-9)
    resumes = [found for found in trace.resumes_ns.values() if len(found)]
    in_all = float((trace.done_ns - trace.arrival_ns)[has_ended].sum())
    capacity, binds = capacity_per_s(settings)
    requests = trace.calls_count + trace.refused_count
    return Outcome(
        seed=seed,
        settings=settings,
        completed_count=int(np.count_nonzero(is_completed)),
        failed_count=int(np.count_nonzero(trace.has_failed)),
        unfinished_count=int(np.count_nonzero(~has_ended)),
        span_s=span_s,
        agents_per_s=int(np.count_nonzero(is_completed)) / span_s,
        calls_per_s=trace.calls_count / span_s,
        agent_ms=spread_of(took),
        own_ms=spread_of(own),
        own_mean_ms=float(own.mean()) / NS_PER_MS if len(own) else 0.0,
        calls_count=trace.calls_count,
        refused_ratio=trace.refused_count / requests if requests else 0.0,
        wasted_count=trace.wasted_count,
        kills_count=len(trace.resumes_ns),
        resume_ms=spread_of(np.concatenate(resumes) if resumes else np.zeros(0, np.int64)),
        resources=_resources(settings, trace, span_s),
        binds=binds,
        capacity_per_s=capacity,
        little_ratio=trace.agents_ns / in_all if in_all and has_ended.all() else 0.0,
        tick_ms=trace.tick_ns / NS_PER_MS,
        late_ratio=trace.late_count / max(1, trace.events_count),
        late_ms_max=trace.late_ns_max / NS_PER_MS,
        is_cut=trace.is_cut,
    )


def spread_of(samples_ns: Ints) -> Spread:
    """Percentiles of durations in nanoseconds."""
    if not len(samples_ns):
        return Spread(count=0, p50=0.0, p95=0.0, p99=0.0, most=0.0)
    found = np.percentile(samples_ns, [50, 95, 99, 100]) / NS_PER_MS
    p50, p95, p99, most = (float(value) for value in found)
    return Spread(count=len(samples_ns), p50=p50, p95=p95, p99=p99, most=most)


def _resources(settings: Settings, trace: Trace, span_s: float) -> tuple[Usage, ...]:
    found = []
    for name in (*SERIES, "machine"):
        station = getattr(settings, name)
        if station.ms:
            servers = station.servers * (settings.pods if name in OWN else 1)
            used = trace.busy_ns[name] / NS_PER_S / (servers * span_s)
            found.append(Usage(name=name, servers=servers, used_ratio=used))
    return tuple(found)
