"""S4: see AppliedOnce."""

from dataclasses import replace

import numpy as np

from harness.checkers.found import Found, Scan, census, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import NONE, Evidence, Ints, Kind
from harness.measures.portion import Portion


class AppliedOnce(PromiseChecker):
    """S4: a tool effect is applied once, under the idempotency key that the engine itself offers.

    Evidence: the lines of the effects endpoint with their keys, and which of them were applied. An
    engine whose calls come without any key offers none: then this is *not offered*, not refuted.
    Cannot see: effects elsewhere than at the endpoint.
    """

    promise = "S4"
    counted = "tool calls"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        effects = _effects(portion)
        return census(portion, tools_only=True) + Scan(
            offered=int(np.count_nonzero(portion.requests.key[effects] != NONE)),
            found=(double_applied(portion), key_instability(portion)),
        )

    def scan_whole(self, evidence: Evidence) -> Scan:
        """Keys can be shared across agents, which no portion shows."""
        return Scan(found=(key_shared(evidence),))

    def settle(self, scan: Scan) -> Scan:
        """Without any key every attempt is applied, and that is no anomaly of this promise."""
        return scan if scan.offered else replace(scan, found=())

    def is_applicable(self, evidence: Evidence) -> bool:
        """See has_tools."""
        return has_tools(evidence)

    def lacks(self, evidence: Evidence, scan: Scan) -> str:
        """See PromiseChecker."""
        if scan.checked and not scan.offered:
            return "not offered: no idempotency key reached the tool"
        return super().lacks(evidence, scan)

    def is_offered(self, scan: Scan) -> bool:
        """See PromiseChecker."""
        return bool(scan.offered) or not scan.checked


def has_tools(evidence: Evidence) -> bool:
    """Whether a program has a tool step, or somebody called a tool all the same."""
    is_effect = evidence.requests.kind == Kind.EFFECT
    return bool(evidence.expected.is_tool.any() or is_effect.any())


def double_applied(portion: Portion) -> Found:
    """Tool calls of which two executions were applied."""
    rows = _effects(portion)
    return _adjacent("double-applied", portion, rows[portion.requests.is_applied[rows]])


def key_instability(portion: Portion) -> Found:
    """Tool calls of which two successive executions came with different keys, or one without."""
    rows = _effects(portion)
    key = portion.requests.key
    cell = portion.cells.of_request[rows]
    is_changed = np.zeros(len(rows), np.bool_)
    is_changed[1:] = (cell[1:] == cell[:-1]) & (key[rows[1:]] != key[rows[:-1]])
    place = np.flatnonzero(is_changed)
    changed, first = np.unique(cell[place], return_index=True)
    return _pair("key-instability", portion, changed, rows, place[first])


def key_shared(evidence: Evidence) -> Found:
    """Calls whose key had come with another call before: of another step, or another agent."""
    requests = evidence.requests
    rows = np.flatnonzero(
        (requests.kind == Kind.EFFECT) & (requests.key != NONE) & requests.is_executed
    )
    agent, path = requests.agent[rows].astype(np.int64), requests.path[rows].astype(np.int64)
    call = agent * (int(path.max(initial=0)) + 1) + path
    order = np.lexsort((rows, requests.key[rows]))
    rows, call = rows[order], call[order]
    key = requests.key[rows]
    place = np.flatnonzero((key[1:] == key[:-1]) & (call[1:] != call[:-1])) + 1
    return Found(
        name="key-shared",
        agent=requests.agent[rows[place]].astype(np.int64),
        path=requests.path[rows[place]].astype(np.int64),
        roles=("before", "first"),
        seqs=np.stack(
            [requests.begin_seq[rows[place - 1]], requests.begin_seq[rows[place]]], axis=1
        ),
    )


def _effects(portion: Portion) -> Ints:
    """Executed effects, call by call, in ledger order within."""
    rows = portion.by_cell
    effects: Ints = rows[portion.requests.kind[rows] == Kind.EFFECT]
    return effects


def _adjacent(name: str, portion: Portion, rows: Ints) -> Found:
    """Calls that ``rows`` hold more than once."""
    cell = portion.cells.of_request[rows]
    place = np.flatnonzero(cell[1:] == cell[:-1]) + 1
    twice, first = np.unique(cell[place], return_index=True)
    return _pair(name, portion, twice, rows, place[first])


def _pair(name: str, portion: Portion, cell: Ints, rows: Ints, place: Ints) -> Found:
    began = portion.requests.begin_seq
    return of_cells(name, portion, cell, before=began[rows[place - 1]], again=began[rows[place]])
