"""A portion: the evidence of a range of agents, agent by agent, and what follows from it.

A run is walked in portions, so that every step works on arrays that fit a cache and ten million
records need little more memory than they fill themselves. What several checkers need is computed
once a portion. No checker may keep a portion.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from harness.history import (
    NONE,
    AgentStatus,
    Context,
    Evidence,
    Expected,
    Flags,
    Ints,
    Outcomes,
    Requests,
)
from harness.measures.carried import Carried, carried_of, sources_of
from harness.measures.cells import Cells, cells_of
from harness.measures.exposure import (
    NEVER,
    Ends,
    Interrupted,
    Uses,
    Windows,
    columns_of,
    interrupted_of,
    spread,
    uses_of,
)
from harness.measures.lineage import Graph, graph_of, reach
from harness.measures.order import Order, order_of

ROWS_MAX = 65_536
"""Requests a portion, one agent's excess aside; twice as many are hardly faster."""


@dataclass(frozen=True, kw_only=True)
class Portion:
    """Agents ``agent_from`` to ``agent_to`` (exclusive); numbers of names are those of the run."""

    evidence: Evidence
    order: Order
    faults: Windows
    """All that were about to fire: a repeat that one of them may explain is excused."""
    struck: Windows
    """Those with proof: only these interrupt anything."""
    agent_from: int
    agent_to: int

    @property
    def agents_count(self) -> int:
        """Agents."""
        return self.agent_to - self.agent_from

    @cached_property
    def first_place(self) -> int:
        """Place of the first request in the order."""
        return int(self.order.start[self.agent_from])

    @cached_property
    def _rows(self) -> Ints:
        stop = int(self.order.start[self.agent_to])
        return self.order.row[self.first_place : stop].astype(np.int64)

    @cached_property
    def requests(self) -> Requests:
        """The requests, by agent and then in ledger order; offsets point into `context`."""
        whole = self.evidence.requests
        counts = whole.context_start[self._rows + 1] - whole.context_start[self._rows]
        columns = {
            entry.name: getattr(whole, entry.name)[self._rows]
            for entry in fields(whole)
            if entry.name != "context_start"
        }
        return Requests(**columns, context_start=_offsets(counts))

    @cached_property
    def context(self) -> Context:
        """What these requests carried."""
        whole, start = self.evidence.context, self.evidence.requests.context_start
        place = spread(start[self._rows], np.diff(self.requests.context_start))
        return Context(
            role=whole.role[place],
            kind=whole.kind[place],
            value=whole.value[place],
            mark=whole.mark[place],
        )

    @cached_property
    def expected(self) -> Expected:
        """The plan's rows of these agents; predecessors are rows of this table."""
        whole = self.evidence.expected
        # Of the column's own type: numpy would convert the whole column at every portion.
        bounds = np.array([self.agent_from, self.agent_to], whole.agent.dtype)
        begin, end = (int(place) for place in np.searchsorted(whole.agent, bounds))
        first, last = int(whole.predecessor_start[begin]), int(whole.predecessor_start[end])
        return Expected(
            agent=whole.agent[begin:end],
            path=whole.path[begin:end],
            turn=whole.turn[begin:end],
            is_tool=whole.is_tool[begin:end],
            delay_ns=whole.delay_ns[begin:end],
            is_last=whole.is_last[begin:end],
            receipt=whole.receipt[begin:end],
            predecessor_start=whole.predecessor_start[begin : end + 1] - first,
            predecessor=whole.predecessor[first:last] - begin,
        )

    @cached_property
    def outcomes(self) -> Outcomes:
        """The outcome marks of these agents, in ledger order."""
        whole = self.evidence.outcomes
        is_ours = (whole.agent >= self.agent_from) & (whole.agent < self.agent_to)
        return Outcomes(
            **{entry.name: getattr(whole, entry.name)[is_ours] for entry in fields(whole)}
        )

    @cached_property
    def cells(self) -> Cells:
        """Answers and tool calls, planned or not."""
        return cells_of(self.requests, self.expected)

    @cached_property
    def executed(self) -> Ints:
        """Requests for a cell that had an effect, in order."""
        return np.flatnonzero(self.requests.is_executed & (self.cells.of_request != NONE))

    @cached_property
    def by_cell(self) -> Ints:
        """The executed requests, cell by cell, in ledger order within."""
        cell = self.cells.of_request[self.executed]
        # One integer a request, since a plain sort is several times faster than an argsort.
        return np.sort((cell << 32) | self.executed) & 0xFFFF_FFFF

    @cached_property
    def first_seq(self) -> Ints:
        """Begin of each cell's first execution; NEVER without one."""
        first = np.full(self.cells.count, NEVER, np.int64)
        cell = self.cells.of_request[self.executed]
        np.minimum.at(first, cell, self.requests.begin_seq[self.executed])
        return first

    @cached_property
    def executions(self) -> Ints:
        """Executed requests per cell."""
        cell = self.cells.of_request[self.executed]
        return np.bincount(cell, minlength=self.cells.count).astype(np.int64)

    @cached_property
    def carried(self) -> Carried:
        """Every receipt that a request carried, and whose answer it is."""
        return carried_of(self.requests, self.context, self.order, self.first_place)

    @cached_property
    def completed(self) -> Outcomes:
        """The outcome marks *completed*, in ledger order."""
        is_completed = self.outcomes.status == AgentStatus.COMPLETED
        return Outcomes(
            **{
                entry.name: getattr(self.outcomes, entry.name)[is_completed]
                for entry in fields(self.outcomes)
            }
        )

    @cached_property
    def ends(self) -> Ends:
        """How each agent ended; its first outcome mark counts."""
        marks = self.completed
        agent, first = np.unique(marks.agent, return_index=True)
        at = agent.astype(np.int64) - self.agent_from
        seq, ns = (np.full(self.agents_count, NEVER, np.int64) for _ in range(2))
        receipt = np.zeros(self.agents_count, np.uint64)
        row = np.full(self.agents_count, NONE, np.int64)
        seq[at], ns[at] = marks.seq[first], marks.t_ns[first]
        receipt[at] = marks.receipt[first]
        row[at] = sources_of(
            self.requests,
            agent=agent.astype(np.int64),
            value=marks.receipt[first],
            mark=marks.mark[first],
            order=self.order,
            first_place=self.first_place,
        )
        return Ends(agent_from=self.agent_from, seq=seq, ns=ns, receipt=receipt, row=row)

    @cached_property
    def uses(self) -> Uses:
        """When each cell was first used."""
        return uses_of(self.requests, self.cells, self.carried, self.ends)

    @cached_property
    def graph(self) -> Graph:
        """Which request rests on which."""
        return graph_of(self.carried, self.requests.count)

    @cached_property
    def lineage(self) -> Flags:
        """Requests whose answers the outcomes of completed agents rest on."""
        return reach(self.graph, self.ends.row[self.ends.row != NONE])

    @cached_property
    def interrupted(self) -> Interrupted:
        """The cells that faults found in flight on their victims."""
        rows = np.flatnonzero(self.cells.of_request != NONE)
        return interrupted_of(self.requests, self.cells, self.uses, self.struck, rows)


def portions(evidence: Evidence, *, rows_max: int = ROWS_MAX) -> Iterator[Portion]:
    """Walk all agents in portions of about ``rows_max`` requests; at least one agent each."""
    order = order_of(evidence)
    callers = evidence.names.callers
    faults = columns_of(evidence.faults, callers)
    struck = columns_of([fault for fault in evidence.faults if fault.has_struck], callers)
    agents = len(evidence.names.agents)
    agent = 0
    while agent < agents:
        limit = int(order.start[agent]) + rows_max
        stop = int(np.searchsorted(order.start, limit, side="right")) - 1
        # Agents without requests have expected rows all the same: bound these, too.
        stop = min(max(stop, agent + 1), agent + rows_max, agents)
        yield Portion(
            evidence=evidence,
            order=order,
            faults=faults,
            struck=struck,
            agent_from=agent,
            agent_to=stop,
        )
        agent = stop


def _offsets(counts: Ints) -> Ints:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
