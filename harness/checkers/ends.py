"""L: see Ends."""

import numpy as np

from harness.checkers.found import Found, Scan, agents_interrupted, of_agents, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import NONE, AgentStatus, Evidence, Flags, Ints, Kind
from harness.measures.exposure import NEVER
from harness.measures.messages import START
from harness.measures.portion import Portion

SPINS_MAX = 10
"""Executions of one step beyond which an unfinished agent is said to turn in a circle."""


class Ends(PromiseChecker):
    """L: every accepted agent reaches a terminal state in the stated time after the last heal.

    Evidence: the driver's 202s and terminal statuses, outcome marks, heal marks. *Failed* counts as
    ended, and nothing of an agent may go on after it. The time runs from the later of the last heal
    and the last arrival. Agents whose start was never accepted are not judged, nor one that a
    message starts and of which nothing was ever seen: that is M's. Cannot see: what an agent that
    counts as running does in silence; an end later than the run's own.
    """

    promise = "L"
    counted = "accepted agents"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        accepted = _accepted(portion)
        late = _late(portion)
        return Scan(
            checked=len(accepted),
            exposed=agents_interrupted(portion),
            interrupted=len(portion.interrupted.cell),
            not_judged=len(_unfinished(portion)) - len(late),
            found=(*unended(portion, late), orphan_child(portion)),
        )

    def lacks(self, evidence: Evidence, scan: Scan) -> str:
        """See PromiseChecker."""
        unhealed = [fault.name for fault in evidence.faults if fault.healed_seq == NONE]
        if unhealed:
            return f"health was never seen again after {unhealed[0]}"
        if scan.not_judged:
            return f"{scan.not_judged} agents were unfinished when the run ended, before their time"
        return super().lacks(evidence, scan)


def unended(portion: Portion, late: Ints) -> tuple[Found, ...]:
    """The agents that did not end in time, each under one name, by what the ledger has of them.

    Never a request: lost-start. One step executed over and over: spinning. The step to come is
    behind a timer that was due, or an event that was sent: lost-timer, lost-event. Else stuck.
    """
    at = late - portion.agent_from
    last = _last_request(portion)[at]
    executions = np.zeros(portion.agents_count, np.int64)
    np.maximum.at(executions, portion.cells.agent - portion.agent_from, portion.executions)
    timer, event = (_first_cell(portion, cells)[at] for cells in _waiting(portion))
    tests = (last == NONE, executions[at] > SPINS_MAX, timer != NONE, event != NONE)
    lost, spinning, timed, heard, rest = (np.zeros(len(late), np.bool_) for _ in range(5))
    rest[:] = True
    for chosen, test in zip((lost, spinning, timed, heard), tests, strict=True):
        chosen[:] = rest & test
        rest &= ~test
    return (
        of_agents("lost-start", late[lost], before=last[lost]),
        of_agents("spinning", late[spinning], before=last[spinning]),
        of_cells("lost-timer", portion, timer[timed], before=last[timed]),
        of_cells("lost-event", portion, event[heard], before=last[heard]),
        of_agents("stuck", late[rest], before=last[rest]),
    )


def orphan_child(portion: Portion) -> Found:
    """Steps first executed after their agent had ended as failed, and built on one of the kind.

    A call that was on its way when the agent failed may still arrive; one that builds on it shows
    that something of the agent lives on. For completed agents see S1's false-terminal.
    """
    marks = portion.outcomes
    failed = np.full(portion.agents_count, NEVER, np.int64)
    is_failed = marks.status == AgentStatus.FAILED
    at = marks.agent[is_failed].astype(np.int64) - portion.agent_from
    np.minimum.at(failed, at, marks.seq[is_failed])
    expected, planned = portion.expected, portion.cells.planned
    began = portion.first_seq[:planned]
    agent = portion.cells.agent[:planned] - portion.agent_from
    is_after = (began > failed[agent]) & (began != NEVER)
    counts = np.diff(expected.predecessor_start)
    successor = np.repeat(np.arange(expected.count), counts)
    is_alive = is_after[successor] & is_after[expected.predecessor]
    cell, first = np.unique(successor[is_alive], return_index=True)
    before = expected.predecessor[is_alive][first]
    return of_cells("orphan-child", portion, cell, outcome=failed[agent[cell]], first=began[before])


def _late(portion: Portion) -> Ints:
    """Accepted agents that had not ended at the deadline, in a run that waited for it."""
    evidence = portion.evidence
    until_ns = deadline_ns(evidence)
    agent = _unfinished(portion)
    is_watched = evidence.phases.get("end", NONE) >= until_ns
    # An end that came after the deadline shows that the run waited, whatever its phases say.
    is_late = _ended_ns(portion)[agent - portion.agent_from] != NEVER
    return agent[is_late | is_watched] if _is_healed(evidence) else agent[:0]


def _waiting(portion: Portion) -> tuple[Flags, Flags]:
    """Planned cells never asked though all is there that they build on: by timer, by event."""
    cells, expected, requests = portion.cells, portion.expected, portion.requests
    known = cells.of_request != NONE
    is_next = np.ones(cells.count, np.bool_)
    is_next[cells.of_request[known]] = False
    is_next = is_next[: cells.planned]
    successor = np.repeat(np.arange(expected.count), np.diff(expected.predecessor_start))
    did_run = portion.executions[expected.predecessor] > 0
    is_next[successor[~did_run]] = False
    answered = np.full(cells.count, NEVER, np.int64)
    executed = portion.executed
    np.minimum.at(answered, cells.of_request[executed], requests.end_ns[executed])
    begin_ns = np.zeros(cells.planned, np.int64)
    np.maximum.at(begin_ns, successor[did_run], answered[expected.predecessor[did_run]])
    end_ns = portion.evidence.phases.get("end", NONE)
    is_due = (expected.delay_ns > 0) & (begin_ns + expected.delay_ns <= end_ns)
    is_event = np.zeros(cells.count, np.bool_)
    is_event[cells.of_request[executed[requests.kind[executed] == Kind.EVENT]]] = True
    hears = np.zeros(cells.planned, np.bool_)
    hears[successor[is_event[expected.predecessor]]] = True
    return is_next & is_due, is_next & hears


def _first_cell(portion: Portion, is_chosen: Flags) -> Ints:
    """The first chosen cell of each agent; NONE without."""
    chosen = np.flatnonzero(is_chosen)
    first = np.full(portion.agents_count, NEVER, np.int64)
    np.minimum.at(first, portion.cells.agent[chosen] - portion.agent_from, chosen)
    first[first == NEVER] = NONE
    return first


def deadline_ns(evidence: Evidence) -> int:
    """When every accepted agent must have ended: after the last heal, arrival, event and work."""
    heals = [fault.healed_ns for fault in evidence.faults]
    last_arrival = int(evidence.starts.accepted_ns.max(initial=NONE))
    last = max([*heals, last_arrival, evidence.last_event_ns, evidence.working_until_ns])
    return last + evidence.liveness_ns


def _is_healed(evidence: Evidence) -> bool:
    return all(fault.healed_seq != NONE for fault in evidence.faults)


def _accepted(portion: Portion) -> Ints:
    """Agents that the engine has: a message of which nothing came is with the broker, see M."""
    starts = portion.evidence.starts
    is_accepted: Flags = starts.accepted_ns[portion.agent_from : portion.agent_to] != NONE
    is_unseen = (_last_request(portion) == NONE) & (_ended_ns(portion) == NEVER)
    is_taken = is_accepted & ~(is_unseen & _is_by_message(portion))
    return np.flatnonzero(is_taken) + portion.agent_from


def _is_by_message(portion: Portion) -> Flags:
    """Whose start was a message."""
    evidence = portion.evidence
    result: Flags = np.zeros(portion.agents_count, np.bool_)
    if START in evidence.names.paths:
        messages = evidence.messages
        agent = messages.agent[messages.path == evidence.names.paths.index(START)]
        is_here = (agent >= portion.agent_from) & (agent < portion.agent_to)
        result[agent[is_here] - portion.agent_from] = True
    return result


def _unfinished(portion: Portion) -> Ints:
    """Accepted agents that did not end by the deadline."""
    agent = _accepted(portion)
    ended = _ended_ns(portion)[agent - portion.agent_from]
    return agent[ended > deadline_ns(portion.evidence)]


def _ended_ns(portion: Portion) -> Ints:
    """When each agent ended, by the driver's events or an outcome mark; NEVER without either."""
    read = portion.evidence.starts.ended_ns[portion.agent_from : portion.agent_to]
    ended = np.where(read == NONE, NEVER, read)
    marks = portion.outcomes
    np.minimum.at(ended, marks.agent.astype(np.int64) - portion.agent_from, marks.t_ns)
    return ended


def _last_request(portion: Portion) -> Ints:
    """Sequence number of each agent's last request; NONE without one."""
    last = np.full(portion.agents_count, NONE, np.int64)
    requests = portion.requests
    np.maximum.at(last, requests.agent.astype(np.int64) - portion.agent_from, requests.begin_seq)
    return last
