"""One agent's timeline in plain words, from evidence alone: what to read to believe a verdict."""

import numpy as np

from harness.clock import NS_PER_S
from harness.errors import UsageError
from harness.history import NONE, AgentStatus, Evidence, FaultWindow, Kind, RequestOutcome
from harness.measures.series import load_begin_ns

OUTCOMES = {
    RequestOutcome.OPEN: "never answered",
    RequestOutcome.LIMITED: "limited (429)",
    RequestOutcome.FAULTED: "failed on purpose (5xx)",
    RequestOutcome.REFUSED: "refused (bad request)",
}


def explain(evidence: Evidence, agent: str) -> str:
    """Every request of an agent in the ledger's order, with the faults between them.

    Times are seconds after the begin of the load.

    Raises:
        UsageError: no such agent in the plan.
    """
    if agent not in evidence.names.agents:
        known = ", ".join(evidence.names.agents[:3])
        raise UsageError(f"no agent {agent!r} in this run; its agents are {known} ...")
    index = evidence.names.agents.index(agent)
    begin = load_begin_ns(evidence)
    lines = [(0, entry) for entry in _start_lines(evidence, index, begin)]
    rows = np.flatnonzero(evidence.requests.agent == index)
    callers = {evidence.names.callers[evidence.requests.caller[row]] for row in rows}
    for row in rows:
        lines += _request_lines(evidence, int(row), begin)
    for fault in evidence.faults:
        lines += _fault_lines(fault, begin, is_near=bool(callers & set(fault.victims)))
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


def _request_lines(evidence: Evidence, row: int, begin: int) -> list[tuple[int, str]]:
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


def _fault_lines(fault: FaultWindow, begin: int, *, is_near: bool) -> list[tuple[int, str]]:
    whom = ", ".join(fault.victims)
    mine = " (ran steps of this agent)" if is_near else ""
    lines = []
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
