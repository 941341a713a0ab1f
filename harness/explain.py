"""One agent's timeline in plain words, from evidence alone: what to read to believe a verdict."""

import numpy as np

from harness.clock import NS_PER_S
from harness.commits import EngineHistory
from harness.errors import UsageError
from harness.history import (
    NONE,
    AgentStatus,
    Evidence,
    FaultWindow,
    Kind,
    MessageEvent,
    RequestOutcome,
)
from harness.measures.commits import dated_of
from harness.measures.series import load_begin_ns

Line = tuple[float, str]
"""Its place among the sequence numbers, and its text."""
OUTCOMES = {
    RequestOutcome.OPEN: "never answered",
    RequestOutcome.LIMITED: "limited (429)",
    RequestOutcome.FAULTED: "failed on purpose (5xx)",
    RequestOutcome.REFUSED: "refused (bad request)",
}


def explain(evidence: Evidence, agent: str, history: EngineHistory | None = None) -> str:
    """An agent's requests and messages in the ledger's order, with the faults between them.

    Times are seconds after the begin of the load. What the engine's own history dates stands where
    the clocks put it.

    Raises:
        UsageError: no such agent in the plan.
    """
    if agent not in evidence.names.agents:
        known = ", ".join(evidence.names.agents[:3])
        raise UsageError(f"no agent {agent!r} in this run; its agents are {known} ...")
    index = evidence.names.agents.index(agent)
    begin = load_begin_ns(evidence)
    lines: list[Line] = [(0, entry) for entry in _start_lines(evidence, index, begin)]
    rows = np.flatnonzero(evidence.requests.agent == index)
    callers = {evidence.names.callers[evidence.requests.caller[row]] for row in rows}
    for row in rows:
        lines += _request_lines(evidence, int(row), begin)
    for row in np.flatnonzero(evidence.messages.agent == index):
        lines.append(_message_line(evidence, int(row), begin))
    for fault in evidence.faults:
        lines += _fault_lines(fault, begin, is_near=bool(callers & set(fault.victims)))
    lines += _commit_lines(evidence, index, history or EngineHistory(), begin)
    for row in np.flatnonzero(evidence.outcomes.agent == index):
        outcomes = evidence.outcomes
        carried = _receipt(int(outcomes.receipt[row]), int(outcomes.mark[row]))
        status = AgentStatus(outcomes.status[row]).name.lower()
        lines.append(
            (
                int(outcomes.seq[row]),
                f"{_s(int(outcomes.t_ns[row]), begin)}  the driver read: {status}, {carried}",
            )
        )
    return "\n".join(text for _, text in sorted(lines, key=lambda line: line[0]))


def _start_lines(evidence: Evidence, index: int, begin: int) -> list[str]:
    starts = evidence.starts
    lines = [f"agent {evidence.names.agents[index]}"]
    if starts.sent_ns[index] != NONE:
        lines.append(
            f"{_s(int(starts.sent_ns[index]), begin)}  start sent; {starts.posts[index]} by the "
            f"driver, {starts.resubmits[index]} by the supervisor"
        )
    if starts.accepted_ns[index] != NONE:
        lines.append(f"{_s(int(starts.accepted_ns[index]), begin)}  start accepted (202)")
    return lines


def _request_lines(evidence: Evidence, row: int, begin: int) -> list[Line]:
    requests = evidence.requests
    path = evidence.names.paths[requests.path[row]] if requests.path[row] != NONE else "?"
    caller = evidence.names.callers[requests.caller[row]]
    what = {
        Kind.STEP: f"step {path}, turn {requests.turn[row]}",
        Kind.EFFECT: f"effect {path}",
        Kind.AUXILIARY: "auxiliary call",
        Kind.EVENT: f"the harness sends event {path}",
    }[Kind(requests.kind[row])]
    key = requests.key[row]
    keyed = f", key {evidence.names.keys[key]}" if key != NONE else ""
    asked = f"{_s(int(requests.begin_ns[row]), begin)}  {caller} asks: {what}{keyed}"
    lines = [(int(requests.begin_seq[row]), asked)]
    outcome = RequestOutcome(requests.outcome[row])
    if outcome is RequestOutcome.OPEN:
        return [(lines[0][0], f"{asked}; never answered")]
    carried = _receipt(int(requests.receipt[row]), int(requests.mark[row]))
    said = OUTCOMES.get(outcome, f"{outcome.name.lower().replace('_', ' ')}, {carried}")
    ended = f"{_s(int(requests.end_ns[row]), begin)}    {caller}: {what}: {said}"
    return [*lines, (int(requests.end_seq[row]), ended)]


def _commit_lines(evidence: Evidence, index: int, history: EngineHistory, begin: int) -> list[Line]:
    """After whatever had begun or ended by the engine's own date."""
    requests = evidence.requests
    dated = dated_of(evidence, history)
    lines: list[Line] = []
    for place in np.flatnonzero(dated.agent == index):
        since_ns, until_ns = int(dated.since_ns[place]), int(dated.until_ns[place])
        has_ended = (requests.end_seq != NONE) & (requests.end_ns <= since_ns)
        seq = max(
            int(requests.begin_seq[requests.begin_ns <= since_ns].max(initial=0)),
            int(requests.end_seq[has_ended].max(initial=0)),
        )
        span = f", {(until_ns - since_ns) / NS_PER_S:.3f} s later at most"
        lines.append(
            (
                seq + 0.5,
                f"{_s(since_ns, begin)}  the engine's history keeps "
                f"{_receipt(int(dated.value[place]), int(dated.mark[place]))}"
                f"{span if until_ns > since_ns else ''}",
            )
        )
    return lines


def _message_line(evidence: Evidence, row: int, begin: int) -> Line:
    messages, names = evidence.messages, evidence.names
    what = MessageEvent(int(messages.what[row])).name.lower().replace("_", " ")
    broker = int(messages.broker[row])
    where = f" of {names.brokers[broker]}" if broker != NONE else ""
    who = names.callers[int(messages.caller[row])]
    text = (
        f"{_s(int(messages.t_ns[row]), begin)}  {who} tells: message "
        f"{names.messages[int(messages.message[row])]} {what}, "
        f"topic {names.topics[int(messages.topic[row])]}{where}"
    )
    return int(messages.seq[row]), text


def _fault_lines(fault: FaultWindow, begin: int, *, is_near: bool) -> list[Line]:
    whom = ", ".join(fault.victims)
    mine = " (ran steps of this agent)" if is_near else ""
    lines: list[Line] = []
    if fault.fired_seq != NONE:
        lines.append(
            (
                fault.firing_seq,
                f"{_s(fault.firing_ns, begin)}  ** {fault.name} strikes {whom}{mine}",
            )
        )
    if fault.healed_seq != NONE:
        lines.append((fault.healed_seq, f"{_s(fault.healed_ns, begin)}  ** {fault.name} healed"))
    return lines


def _receipt(value: int, mark: int) -> str:
    if not value:
        return "no receipt"
    return f"receipt {value:016x}.{mark:x}" if mark != NONE else f"receipt {value:016x}"


def _s(t_ns: int, begin: int) -> str:
    return f"{(t_ns - begin) / NS_PER_S:9.3f} s"
