"""What an engine's spans show of its agents: steps with a span, traces that outlive a kill.

No promise rests on it: an engine writes its spans itself. A span *belongs* to the agent that it
names, or that its nearest ancestor in the same trace names; an instance ``a000001-2`` is part of
agent ``a000001``. A step *has a span* when a span of its agent that stands for a piece of work
begins before one of the step's executions and ends after it. Of pieces within each other the
innermost counts, and each for one execution, as many as can be matched. A span exists only when it
has ended, so it is *before* a kill when it ended before.

Source: docs/observability.md
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.clock import NS_PER_MS
from harness.history import Evidence, Kind
from harness.measures.portion import portions
from harness.results import Tracing
from harness.spans import AGENT_ATTRIBUTES, STEP_ATTRIBUTES, Span, SpanLog

TOLERANCE_NS = NS_PER_MS
"""Two clocks are compared, of which one is read in milliseconds by some."""


@dataclass(slots=True)
class _OfAgent:
    """The spans of one agent."""

    pieces: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of those that stand for a piece of work."""
    ends: list[tuple[int, str]] = field(default_factory=list)
    """End and trace of all."""


def tracing_of(evidence: Evidence, log: SpanLog, *, exports: str) -> Tracing:
    """Measure a run; ``exports`` says how the engine's spans leave, for people."""
    agents = {name: number for number, name in enumerate(evidence.names.agents)}
    parents = _parents(log.spans)
    owners = _owners(log.spans, parents, agents)
    innermost = _innermost(log.spans, parents)
    by_agent: dict[int, _OfAgent] = {}
    for place, (span, owner) in enumerate(zip(log.spans, owners, strict=True)):
        if owner is not None:
            found = by_agent.setdefault(owner, _OfAgent())
            found.ends.append((span.end_ns, span.trace))
            if place in innermost:
                found.pieces.append((span.begin_ns, span.end_ns))
    steps, steps_spanned, executions, executions_spanned = _covered(evidence, by_agent)
    fates = _fates(evidence, by_agent)
    return Tracing(
        exports=exports,
        problems=log.problems,
        spans_count=len(log.spans),
        left_out_count=log.left_out_count,
        refused_count=log.refused_count + log.bad_requests_count,
        orphans_count=sum(
            bool(span.parent) and parent is None
            for span, parent in zip(log.spans, parents, strict=True)
        ),
        strangers_count=sum(owner is None for owner in owners),
        steps_count=steps,
        steps_spanned_count=steps_spanned,
        executions_count=executions,
        executions_spanned_count=executions_spanned,
        agents_count=len(by_agent),
        agents_one_trace_count=sum(
            len({trace for _, trace in one.ends}) == 1 for one in by_agent.values()
        ),
        interrupted_count=len(fates),
        survived_count=fates.count("survived"),
        cut_count=fates.count("cut"),
        lost_count=fates.count("lost"),
    )


def is_piece(span: Span) -> bool:
    """Whether the span stands for a piece of an agent's work, such as a call of the LLM."""
    return any(
        name in span.attributes and (not values or span.attributes[name] in values)
        for name, values in STEP_ATTRIBUTES.items()
    )


def agent_named(name: str, agents: Collection[str]) -> str:
    """The agent that an instance is, or is part of; empty for a stranger's."""
    while name not in agents:
        name, dash, _ = name.rpartition("-")
        if not dash:
            return ""
    return name


def matched(spans: Iterable[tuple[int, int]], work: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each piece of work gets a span of its own around it, as many as can.

    By begin, each takes the open span that ends first after it: no choice leaves more with one.
    """
    waiting = sorted(spans)
    around: list[int] = []
    is_matched = [False] * len(work)
    place = 0
    for number in sorted(range(len(work)), key=work.__getitem__):
        begin_ns, end_ns = work[number]
        while place < len(waiting) and waiting[place][0] <= begin_ns + TOLERANCE_NS:
            heapq.heappush(around, waiting[place][1])
            place += 1
        passed = []
        while around and around[0] < end_ns - TOLERANCE_NS:
            passed.append(heapq.heappop(around))
        if around:
            heapq.heappop(around)
            is_matched[number] = True
        # Too short for this one, but a later and shorter one may fit.
        for end in passed:
            heapq.heappush(around, end)
    return is_matched


def _parents(spans: Sequence[Span]) -> list[int | None]:
    """Place of each span's parent; None for a root and for an orphan."""
    place_of = {(span.trace, span.id): place for place, span in enumerate(spans)}
    return [place_of.get((span.trace, span.parent)) if span.parent else None for span in spans]


def _ancestors(place: int, parents: Sequence[int | None]) -> Iterator[int]:
    """Places above a span, from the nearest on; a circle of parents ends where it closes."""
    seen = {place}
    above = parents[place]
    while above is not None and above not in seen:
        seen.add(above)
        yield above
        above = parents[above]


def _owners(
    spans: Sequence[Span], parents: Sequence[int | None], agents: dict[str, int]
) -> list[int | None]:
    """The agent of each span; None for one that belongs to none of the load."""
    named = [
        next((span.attributes[name] for name in AGENT_ATTRIBUTES if name in span.attributes), "")
        for span in spans
    ]
    return [
        agents.get(agent_named(name, agents)) if name else None
        for place in range(len(spans))
        for name in [
            named[place]
            or next((named[above] for above in _ancestors(place, parents) if named[above]), "")
        ]
    ]


def _innermost(spans: Sequence[Span], parents: Sequence[int | None]) -> set[int]:
    """Pieces of work with no piece of work below them."""
    pieces = {place for place, span in enumerate(spans) if is_piece(span)}
    return pieces - {
        above for place in pieces for above in _ancestors(place, parents) if above in pieces
    }


def _covered(evidence: Evidence, by_agent: dict[int, _OfAgent]) -> tuple[int, int, int, int]:
    """Steps that ran and those with a span; executions and those with a span."""
    requests = evidence.requests
    is_work = (requests.kind == Kind.STEP) | (requests.kind == Kind.EFFECT)
    rows = np.flatnonzero(is_work & requests.is_executed & (requests.agent >= 0))
    work: dict[int, list[int]] = {}
    for row, agent in zip(rows.tolist(), requests.agent[rows].tolist(), strict=True):
        work.setdefault(agent, []).append(row)
    steps = steps_spanned = spanned = 0
    for agent, mine in work.items():
        times = [(int(requests.begin_ns[row]), int(requests.end_ns[row])) for row in mine]
        is_matched = matched(by_agent[agent].pieces if agent in by_agent else (), times)
        cells: dict[tuple[int, int, int], bool] = {}
        for row, is_one in zip(mine, is_matched, strict=True):
            cell = (int(requests.path[row]), int(requests.turn[row]), int(requests.kind[row]))
            cells[cell] = cells.get(cell, False) or is_one
        steps += len(cells)
        steps_spanned += sum(cells.values())
        spanned += sum(is_matched)
    return steps, steps_spanned, len(rows), spanned


def _fates(evidence: Evidence, by_agent: dict[int, _OfAgent]) -> list[str]:
    """What became of the trace of each agent that a fault interrupted, a fault at a time."""
    fates = []
    for portion in portions(evidence):
        met = portion.interrupted
        pairs = set(zip(met.fault.tolist(), portion.cells.agent[met.cell].tolist(), strict=True))
        for place, agent in sorted(pairs):
            fault = portion.struck.faults[place]
            ends = by_agent[agent].ends if agent in by_agent else []
            before = {trace for end_ns, trace in ends if end_ns < fault.firing_ns}
            after = {trace for end_ns, trace in ends if end_ns > fault.fired_ns}
            is_seen = bool(before) and bool(after)
            fates.append("survived" if before & after else "cut" if is_seen else "lost")
    return fates
