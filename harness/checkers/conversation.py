"""What requests carried, judged for R: conversations that go on, and nothing of strangers."""

from dataclasses import dataclass

import numpy as np

from harness.checkers.found import Found, of_cells
from harness.history import NONE, ContextKind, ContextRole, Flags, Ints, Kind
from harness.measures.carried import carriers_of
from harness.measures.exposure import spread
from harness.measures.portion import Portion
from mock_llm.receipts import tag_of

_TAG_BITS = tag_of(2**64 - 1).bit_length()
_TAG_SHIFT = np.uint64(64 - _TAG_BITS)
"""A receipt's tag stands above these bits."""


@dataclass(frozen=True, slots=True)
class _Turns:
    """Executed requests for a turn after the first, and the entries that they carried."""

    row: Ints
    entry: Ints
    turn: Ints
    """Per entry, the place in ``row``."""


def context_corruption(portion: Portion) -> Found:
    """Turns that do not continue the turn before, or that hold a call without one result."""
    turns = _later_turns(portion)
    before = _turn_before(portion, turns)
    is_broken = ~_is_balanced(portion, turns) | ~_is_extension(portion, turns, before)
    row = turns.row[is_broken]
    began = portion.requests.begin_seq
    before_seq = np.where(before != NONE, began[before], NONE)[is_broken]
    return of_cells(
        "context-corruption",
        portion,
        portion.cells.of_request[row],
        turn=before_seq,
        first=began[row],
    )


def cross_agent_leak(portion: Portion) -> Found:
    """Requests that carried another agent's marker, or a receipt of no step of their own agent."""
    context, requests = portion.context, portion.requests
    carrier = carriers_of(requests)[np.flatnonzero(context.kind == ContextKind.FOREIGN)]
    stray, is_own = _unknown_receipts(portion)
    rows = np.unique(np.concatenate([carrier, stray[~is_own]]))
    return _of_requests("cross-agent-leak", portion, rows)


def unanswered_receipt(portion: Portion) -> Found:
    """Requests that carried a receipt of their own agent's steps that nobody had answered."""
    stray, is_own = _unknown_receipts(portion)
    return _of_requests("unanswered-receipt", portion, np.unique(stray[is_own]))


def _unknown_receipts(portion: Portion) -> tuple[Ints, Flags]:
    """Carriers of receipts without a source, and whether the tag is one of their own agent's."""
    carried = portion.carried
    lost = np.flatnonzero(carried.source == NONE)
    carrier = carried.carrier[lost]
    tag = portion.context.value[carried.entry[lost]] >> _TAG_SHIFT
    agent = portion.requests.agent[carrier] - portion.agent_from
    if not len(lost):
        return carrier, np.zeros(0, np.bool_)
    expected = portion.expected
    own = (expected.agent.astype(np.int64) - portion.agent_from) << _TAG_BITS
    own |= (expected.receipt >> _TAG_SHIFT).astype(np.int64)
    wanted = (agent.astype(np.int64) << _TAG_BITS) | tag.astype(np.int64)
    return carrier, np.isin(wanted, own)


def _of_requests(name: str, portion: Portion, rows: Ints) -> Found:
    """Anomalies of requests, auxiliary ones included."""
    requests = portion.requests
    return Found(
        name=name,
        agent=requests.agent[rows].astype(np.int64),
        path=requests.path[rows].astype(np.int64),
        roles=("first",),
        seqs=requests.begin_seq[rows].reshape(-1, 1),
    )


def _later_turns(portion: Portion) -> _Turns:
    requests = portion.requests
    executed = portion.executed
    is_later = (requests.turn[executed] > 0) & (requests.kind[executed] == Kind.STEP)
    row = executed[is_later]
    counts = requests.context_start[row + 1] - requests.context_start[row]
    entry = spread(requests.context_start[row], counts)
    return _Turns(row, entry, np.repeat(np.arange(len(row)), counts))


def _is_balanced(portion: Portion, turns: _Turns) -> Flags:
    """Every call has one result of one receipt, and every result belongs to a call."""
    context, entry = portion.context, turns.entry
    role, kind = context.role[entry], context.kind[entry]
    is_call = kind == ContextKind.CALL
    asked = is_call & (role == ContextRole.ASSISTANT)
    told = is_call & (role == ContextRole.TOOL)
    result = (kind == ContextKind.RECEIPT) & (role == ContextRole.TOOL)
    rows = len(turns.row)
    calls, answers, results = (
        np.bincount(turns.turn[flags], minlength=rows) for flags in (asked, told, result)
    )
    difference = np.zeros(rows, np.uint64)
    # Equal multisets have equal sums; unequal ones of hashes almost never.
    np.add.at(difference, turns.turn[asked], context.value[entry[asked]])
    np.subtract.at(difference, turns.turn[told], context.value[entry[told]])
    is_same: Flags = (calls == answers) & (answers == results) & (difference == 0)
    return is_same


def _turn_before(portion: Portion, turns: _Turns) -> Ints:
    """The request of the turn before, by the mark of its call; NONE when that cannot be found."""
    carried, requests, cells = portion.carried, portion.requests, portion.cells
    context = portion.context
    place = np.full(requests.count, NONE, np.int64)
    place[turns.row] = np.arange(len(turns.row))
    at = place[carried.carrier]
    is_call = context.kind[carried.entry] == ContextKind.CALL
    kept = np.flatnonzero((at != NONE) & is_call & (carried.source != NONE))
    source, at = carried.source[kept], at[kept]
    is_step = cells.of_request[source] != NONE
    row = turns.row[at]
    is_before = (
        is_step
        & (requests.path[source] == requests.path[row])
        & (requests.turn[source] == requests.turn[row] - 1)
    )
    before = np.full(len(turns.row), NONE, np.int64)
    before[at[is_before]] = source[is_before]
    return before


def _is_extension(portion: Portion, turns: _Turns, before: Ints) -> Flags:
    """Whether the conversation starts with that of the turn before, entry by entry."""
    start = portion.requests.context_start
    known = np.flatnonzero(before != NONE)
    length = start[turns.row[known] + 1] - start[turns.row[known]]
    length_before = start[before[known] + 1] - start[before[known]]
    is_fine = np.ones(len(turns.row), np.bool_)
    is_fine[known] = length >= length_before
    known, length_before = (part[length >= length_before] for part in (known, length_before))
    now = spread(start[turns.row[known]], length_before)
    then = spread(start[before[known]], length_before)
    context = portion.context
    is_same = (
        (context.role[now] == context.role[then])
        & (context.kind[now] == context.kind[then])
        & (context.value[now] == context.value[then])
        & (context.mark[now] == context.mark[then])
    )
    is_fine[np.repeat(known, length_before)[~is_same]] = False
    return is_fine
