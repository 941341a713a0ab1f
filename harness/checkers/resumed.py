"""R: see Resumed."""

import numpy as np

from harness.checkers.conversation import (
    context_corruption,
    cross_agent_leak,
    unanswered_receipt,
)
from harness.checkers.found import (
    Found,
    Scan,
    agents_interrupted,
    of_agents,
    of_cells,
)
from harness.checkers.judgement import PromiseChecker
from harness.clock import NS_PER_MS
from harness.history import NONE, Evidence, Ints, Kind
from harness.measures.exposure import NEVER
from harness.measures.portion import Portion

TIMER_NS = 50 * NS_PER_MS
"""A timer may be so much early: engines keep it by the wall clock, and round it."""

REPLACED = frozenset({"kill_pod", "kill_all", "kill_worker", "crash_step"})
"""Kinds of fault that end an incarnation for good: its replacement has another name."""


class Resumed(PromiseChecker):
    """R: resume: nothing skipped, order kept, context an extension, outcome the oracle's.

    Evidence: what ran and when, against the plan's graph; what each request carried, against the
    turn before and against its own agent; every receipt, against the oracle. Agents that failed
    have no outcome, and are judged for all else. Cannot see: order between steps that the graph
    does not order; texts without a receipt.
    """

    promise = "R"
    counted = "agents"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        did_run = np.zeros(portion.agents_count, np.bool_)
        did_run[portion.requests.agent[portion.executed] - portion.agent_from] = True
        return Scan(
            checked=int(np.count_nonzero(did_run)),
            exposed=agents_interrupted(portion),
            interrupted=len(portion.interrupted.cell),
            found=(
                skipped_step(portion),
                out_of_order(portion),
                wrong_outcome(portion),
                result_divergence(portion),
                cross_agent_leak(portion),
                context_corruption(portion),
                unanswered_receipt(portion),
                phantom_step(portion),
                early_timer(portion),
                zombie_effect(portion),
            ),
        )

    def scan_whole(self, evidence: Evidence) -> Scan:
        """Requests of agents that are in no program belong to no portion."""
        return Scan(found=(phantom_agent(evidence),))


def skipped_step(portion: Portion) -> Found:
    """Planned steps that never ran while a step that builds on them did."""
    successor, predecessor = _edges(portion)
    did_run = portion.executions > 0
    is_gap = did_run[successor] & ~did_run[predecessor]
    skipped, first = np.unique(predecessor[is_gap], return_index=True)
    began = portion.first_seq[successor[is_gap][first]]
    return of_cells("skipped-step", portion, skipped, successor=began)


def out_of_order(portion: Portion) -> Found:
    """Steps first executed before a step that they build on had a result."""
    successor, predecessor = _edges(portion)
    requests, rows = portion.requests, portion.executed
    cell = portion.cells.of_request[rows]
    ended = np.full(portion.cells.count, NEVER, np.int64)
    np.minimum.at(ended, cell, requests.end_seq[rows])
    first_ending = np.full(portion.cells.count, NEVER, np.int64)
    is_first = requests.end_seq[rows] == ended[cell]
    first_ending[cell[is_first]] = requests.begin_seq[rows[is_first]]
    began = portion.first_seq
    is_early = (began[successor] < ended[predecessor]) & (ended[predecessor] != NEVER)
    early, first = np.unique(successor[is_early], return_index=True)
    return of_cells(
        "out-of-order",
        portion,
        early,
        first=began[early],
        successor=first_ending[predecessor[is_early][first]],
    )


def early_timer(portion: Portion) -> Found:
    """Steps behind a wait that were first asked before the wait was over.

    The wait begins with the earliest answer that the step builds on; both times are the witness's.
    """
    successor, predecessor = _edges(portion)
    is_waiting = portion.expected.delay_ns[successor] > 0
    successor, predecessor = successor[is_waiting], predecessor[is_waiting]
    if not len(successor):
        return of_cells("early-timer", portion, successor, first=successor)
    requests, rows = portion.requests, portion.executed
    cell = portion.cells.of_request[rows]
    began = np.full(portion.cells.count, NEVER, np.int64)
    ended = np.full(portion.cells.count, NEVER, np.int64)
    np.minimum.at(began, cell, requests.begin_ns[rows])
    np.minimum.at(ended, cell, requests.end_ns[rows])
    did_run = (began[successor] != NEVER) & (ended[predecessor] != NEVER)
    due = ended[predecessor] + portion.expected.delay_ns[successor] - TIMER_NS
    early = np.unique(successor[did_run & (began[successor] < due)])
    return of_cells("early-timer", portion, early, first=portion.first_seq[early])


def zombie_effect(portion: Portion) -> Found:
    """What an incarnation executed after it was killed and its replacement was seen healthy."""
    callers = portion.evidence.names.callers
    number_of = {caller: number for number, caller in enumerate(callers)}
    gone = np.full(len(callers), NEVER, np.int64)
    for place, fault in enumerate(portion.struck.faults):
        for victim in fault.victims if fault.kind in REPLACED else ():
            if victim in number_of:
                healed = portion.struck.healed_seq[place]
                gone[number_of[victim]] = min(gone[number_of[victim]], healed)
    requests, rows = portion.requests, portion.executed
    rows = rows[requests.begin_seq[rows] > gone[requests.caller[rows]]]
    # Events are the harness's own word.
    rows = rows[requests.kind[rows] != Kind.EVENT]
    return of_cells(
        "zombie-effect",
        portion,
        portion.cells.of_request[rows],
        first=requests.begin_seq[rows],
    )


def result_divergence(portion: Portion) -> Found:
    """Results that are not the oracle's, except where a divergent result was carried in."""
    rows = portion.executed[portion.cells.of_request[portion.executed] < portion.cells.planned]
    cell = portion.cells.of_request[rows]
    is_wrong = portion.requests.receipt[rows] != portion.expected.receipt[cell]
    wrong = np.zeros(portion.requests.count, np.bool_)
    wrong[rows[is_wrong]] = True
    carried = portion.carried
    is_known = carried.source != NONE
    is_tainted = np.zeros(portion.requests.count, np.bool_)
    is_tainted[carried.carrier[is_known][wrong[carried.source[is_known]]]] = True
    root = rows[is_wrong & ~is_tainted[rows]]
    return of_cells(
        "result-divergence",
        portion,
        portion.cells.of_request[root],
        first=portion.requests.begin_seq[root],
    )


def wrong_outcome(portion: Portion) -> Found:
    """Agents whose outcome carries another receipt than the oracle's; without one see S1."""
    last = np.flatnonzero(portion.expected.is_last)
    at = portion.expected.agent[last].astype(np.int64) - portion.agent_from
    ends = portion.ends
    is_wrong = (ends.receipt[at] != 0) & (ends.receipt[at] != portion.expected.receipt[last])
    at = at[is_wrong & (ends.seq[at] != NEVER)]
    return of_agents("wrong-outcome", at + portion.agent_from, outcome=ends.seq[at])


def phantom_step(portion: Portion) -> Found:
    """What was executed for an agent of the plan without being in its program; once a step."""
    strange = np.arange(portion.cells.planned, portion.cells.count)
    began = portion.first_seq[strange]
    is_executed = began != NEVER
    return of_cells("phantom-step", portion, strange[is_executed], first=began[is_executed])


def phantom_agent(evidence: Evidence) -> Found:
    """What was executed for agents that are in no program."""
    requests = evidence.requests
    is_strange = (requests.agent == NONE) & (requests.kind != Kind.AUXILIARY)
    rows = np.flatnonzero(is_strange & requests.is_executed)
    return Found(
        name="phantom-step",
        agent=np.full(len(rows), NONE, np.int64),
        path=requests.path[rows].astype(np.int64),
        roles=("first",),
        seqs=requests.begin_seq[rows].reshape(-1, 1),
    )


def _edges(portion: Portion) -> tuple[Ints, Ints]:
    """The plan's edges as (successor, predecessor) cells."""
    expected = portion.expected
    counts = np.diff(expected.predecessor_start)
    return np.repeat(np.arange(expected.count), counts), expected.predecessor
