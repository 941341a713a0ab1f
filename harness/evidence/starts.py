"""The driver's events, folded into one row an agent."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.evidence.gather import WARM_UP, Gathered
from harness.history import NONE, AgentStatus, Ints, Outcomes, Starts


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEvent:
    """One line of driver.jsonl: what the driver did and saw."""

    schema: int = 1
    t_ns: int
    """CLOCK_MONOTONIC."""
    kind: str
    """invoke | ok | fail | info | ended"""
    agent: str
    intended_ns: int
    """When the agent was meant to start."""
    caller: str
    """The incarnation that was spoken to; empty when none was."""
    status: str
    """For ``ended``: completed | failed."""
    origin: str = "driver"
    """driver | supervisor"""


def starts_of(gathered: Gathered, events: Iterable[DriverEvent]) -> Starts:
    """Fold the driver's events and the supervisor's resubmits, one row an agent."""
    count = len(gathered.agents)
    intended, sent, accepted, ended = (np.full(count, NONE, np.int64) for _ in range(4))
    status = np.full(count, AgentStatus.UNKNOWN, np.uint8)
    posts, again = np.zeros(count, np.int32), np.zeros(count, np.int32)
    is_info = np.zeros(count, np.bool_)
    for event in events:
        agent = gathered.agents.get(event.agent, NONE)
        if agent == NONE:
            if not event.agent.startswith(WARM_UP):
                gathered.complain("the driver started an agent that is in no program", event.agent)
            continue
        if event.origin == "supervisor":
            again[agent] += event.kind == "invoke"
            continue
        _first(intended, agent, event.intended_ns)
        if event.kind == "invoke":
            posts[agent] += 1
            _first(sent, agent, event.t_ns)
        elif event.kind == "ok":
            _first(accepted, agent, event.t_ns)
        elif event.kind == "info":
            is_info[agent] = True
        elif event.kind == "fail":
            is_info[agent] = False
        elif event.kind == "ended":
            _first(ended, agent, event.t_ns)
            is_done = event.status == "completed"
            status[agent] = AgentStatus.COMPLETED if is_done else AgentStatus.FAILED
    return Starts(
        intended_ns=intended,
        sent_ns=sent,
        accepted_ns=accepted,
        ended_ns=ended,
        status=status,
        posts=posts,
        # The supervisor may write both an event and a note of the same resubmit.
        resubmits=np.maximum(again, _resubmit_notes(gathered)).astype(np.int32),
        is_info=is_info,
    )


def contradictions(agents: tuple[str, ...], starts: Starts, outcomes: Outcomes) -> list[str]:
    """Say where the driver's events and the ledger disagree about what was written down."""
    has_mark = np.zeros(len(agents), np.bool_)
    has_mark[outcomes.agent] = True
    lost = np.flatnonzero((starts.status == AgentStatus.COMPLETED) & ~has_mark)
    if not len(lost):
        return []
    return [
        f"{len(lost)} agents ended as completed, but the ledger has no outcome mark of them, first "
        f"{agents[int(lost[0])]}: the ledger is cut"
    ]


def _first(column: Ints, agent: int, t_ns: int) -> None:
    if column[agent] == NONE:
        column[agent] = t_ns


def _resubmit_notes(gathered: Gathered) -> Ints:
    counts = np.zeros(len(gathered.agents), np.int64)
    for note in gathered.notes:
        agent = gathered.agents.get(note.subject, NONE) if note.kind == "resubmit" else NONE
        if agent != NONE:
            counts[agent] += 1
    return counts
