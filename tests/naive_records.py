"""What the naive judge reads: one object per request and per plan, from the evidence's columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.history import Evidence, FaultWindow, Kind

Key = tuple[int, int, int, bool]
"""(agent, path, turn, is a tool call)"""


@dataclass(slots=True)
class Entry:
    role: int
    kind: int
    value: int
    mark: int


@dataclass(slots=True)
class Row:
    begin: int
    begin_ns: int
    end_ns: int
    end: int
    agent: int
    path: int
    turn: int
    caller: str
    kind: int
    outcome: int
    receipt: int
    key: int
    is_applied: bool
    context: list[Entry]
    carries: list[Row | None] = field(default_factory=list)

    @property
    def cell(self) -> Key:
        return (self.agent, self.path, self.turn, self.kind == Kind.EFFECT)

    @property
    def is_answer(self) -> bool:
        """An execution by the model for an agent, in whatever way it ended."""
        return self.kind == Kind.STEP and self.agent >= 0 and self.receipt != 0

    @property
    def has_cell(self) -> bool:
        return self.kind != Kind.AUXILIARY and self.agent >= 0


@dataclass(slots=True)
class Plan:
    """One agent's expected rows."""

    cells: list[Key] = field(default_factory=list)
    receipt: dict[Key, int] = field(default_factory=dict)
    before: dict[Key, list[Key]] = field(default_factory=dict)
    delay_ns: dict[Key, int] = field(default_factory=dict)
    last: Key | None = None


def read(evidence: Evidence) -> list[Row]:
    requests, context = evidence.requests, evidence.context
    rows = []
    for place in range(requests.count):
        first, last = int(requests.context_start[place]), int(requests.context_start[place + 1])
        entries = [
            Entry(
                int(context.role[at]),
                int(context.kind[at]),
                int(context.value[at]),
                int(context.mark[at]),
            )
            for at in range(first, last)
        ]
        rows.append(
            Row(
                begin=int(requests.begin_seq[place]),
                begin_ns=int(requests.begin_ns[place]),
                end_ns=int(requests.end_ns[place]),
                end=int(requests.end_seq[place]),
                agent=int(requests.agent[place]),
                path=int(requests.path[place]),
                turn=int(requests.turn[place]),
                caller=evidence.names.callers[int(requests.caller[place])],
                kind=int(requests.kind[place]),
                outcome=int(requests.outcome[place]),
                receipt=int(requests.receipt[place]),
                key=int(requests.key[place]),
                is_applied=bool(requests.is_applied[place]),
                context=entries,
            )
        )
    return rows


def read_plans(evidence: Evidence) -> dict[int, Plan]:
    expected = evidence.expected
    plans = {agent: Plan() for agent in range(len(evidence.names.agents))}
    keys: list[Key] = []
    for place in range(expected.count):
        key = (
            int(expected.agent[place]),
            int(expected.path[place]),
            int(expected.turn[place]),
            bool(expected.is_tool[place]),
        )
        keys.append(key)
        plan = plans[key[0]]
        plan.cells.append(key)
        plan.receipt[key] = int(expected.receipt[place])
        plan.delay_ns[key] = int(expected.delay_ns[place])
        first, last = (int(expected.predecessor_start[place + more]) for more in (0, 1))
        plan.before[key] = [keys[int(expected.predecessor[at])] for at in range(first, last)]
        if expected.is_last[place]:
            plan.last = key
    return plans


def overlaps(fault: FaultWindow, since: int, until: int) -> bool:
    return fault.firing_seq < until and (fault.healed_seq < 0 or fault.healed_seq > since)
