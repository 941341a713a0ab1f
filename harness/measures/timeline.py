"""One agent on a time axis: its calls, who made them, when each answer was used, what struck.

The same facts as `explain`, as numbers for a picture. A few agents of a run have one.
"""

from collections.abc import Iterable

import numpy as np

from harness.clock import NS_PER_S
from harness.history import NONE, ContextKind, Evidence, Ints, Kind, RequestOutcome
from harness.measures.series import load_begin_ns
from harness.results import AgentTimeline, TimelineCall, TimelineFault

AGENTS_MAX = 50
"""Agents of a run that have a timeline."""
CALLS_MAX = 120
"""Calls of one agent that are kept: the first ones; a storm has thousands."""


def timelines_of(evidence: Evidence, agents: Iterable[str]) -> tuple[AgentTimeline, ...]:
    """The timelines of these agents, in this order, AGENTS_MAX at most; strangers are left out."""
    numbers = {name: number for number, name in enumerate(evidence.names.agents)}
    known = [name for name in dict.fromkeys(agents) if name in numbers][:AGENTS_MAX]
    if not known:
        return ()
    order = np.argsort(evidence.requests.agent, kind="stable")
    sorted_agents = evidence.requests.agent[order]
    found = []
    for name in known:
        first, last = np.searchsorted(sorted_agents, [numbers[name], numbers[name] + 1])
        found.append(_timeline(evidence, name, numbers[name], np.sort(order[first:last])))
    return tuple(found)


def _timeline(evidence: Evidence, name: str, number: int, rows: Ints) -> AgentTimeline:
    begin_ns = load_begin_ns(evidence)
    requests, outcomes = evidence.requests, evidence.outcomes
    marks = outcomes.t_ns[outcomes.agent == number]
    uses = _uses(evidence, rows, number)
    kept = [row for row in rows if requests.kind[row] != Kind.AUXILIARY]
    calls = tuple(_call(evidence, int(row), begin_ns, uses) for row in kept[:CALLS_MAX])
    moments = [call.end_s for call in calls] + [call.begin_s for call in calls]
    sent_ns = int(evidence.starts.sent_ns[number])
    since = _s(sent_ns, begin_ns) if sent_ns != NONE else min(moments, default=0.0)
    outcome_s = _s(int(marks[0]), begin_ns) if len(marks) else -1.0
    until = max([*moments, outcome_s, since])
    return AgentTimeline(
        agent=name,
        begin_s=since,
        end_s=until,
        outcome_s=outcome_s,
        calls=calls,
        calls_hidden=max(0, len(kept) - CALLS_MAX),
        faults=tuple(
            TimelineFault(
                name=fault.name,
                victims=fault.victims,
                begin_s=_s(fault.firing_ns, begin_ns),
                end_s=_s(fault.healed_ns, begin_ns) if fault.healed_ns != NONE else -1.0,
            )
            for fault in evidence.faults
            if fault.firing_ns <= until * NS_PER_S + begin_ns
            and (fault.healed_ns == NONE or fault.healed_ns >= since * NS_PER_S + begin_ns)
        ),
    )


def _call(evidence: Evidence, row: int, begin_ns: int, uses: dict[int, int]) -> TimelineCall:
    requests, names = evidence.requests, evidence.names
    path = names.paths[requests.path[row]] if requests.path[row] != NONE else "?"
    is_tool = requests.kind[row] == Kind.EFFECT
    used_ns = uses.get(row)
    return TimelineCall(
        call=path if is_tool else f"{path} turn {requests.turn[row]}",
        caller=names.callers[requests.caller[row]],
        outcome=RequestOutcome(requests.outcome[row]).name.lower(),
        mark=int(requests.mark[row]),
        begin_s=_s(int(requests.begin_ns[row]), begin_ns),
        end_s=_s(int(requests.end_ns[row]), begin_ns) if requests.end_seq[row] != NONE else -1.0,
        used_s=_s(used_ns, begin_ns) if used_ns is not None else -1.0,
    )


def _uses(evidence: Evidence, rows: Ints, number: int) -> dict[int, int]:
    """Request -> when its own answer was first carried, or read as the outcome."""
    requests, context, outcomes = evidence.requests, evidence.context, evidence.outcomes
    giver = {(int(requests.receipt[row]), int(requests.mark[row])): int(row) for row in rows}
    uses: dict[int, int] = {}
    for row in rows:
        for entry in range(int(requests.context_start[row]), int(requests.context_start[row + 1])):
            if context.kind[entry] in (ContextKind.RECEIPT, ContextKind.CALL):
                source = giver.get((int(context.value[entry]), int(context.mark[entry])))
                if source is not None:
                    uses.setdefault(source, int(requests.begin_ns[row]))
    for place in np.flatnonzero(outcomes.agent == number):
        source = giver.get((int(outcomes.receipt[place]), int(outcomes.mark[place])))
        if source is not None:
            uses.setdefault(source, int(outcomes.t_ns[place]))
    return uses


def _s(t_ns: int, begin_ns: int) -> float:
    return round((t_ns - begin_ns) / NS_PER_S, 3)
