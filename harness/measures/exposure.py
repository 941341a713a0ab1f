"""Uses, exposures, and what faults interrupted.

The use of a cell is the first ledger line that carries a receipt of it, whatever the attempt; for
the last step the outcome mark. The exposure of an attempt lasts from its begin to that use. A fault
interrupts a cell when its victim had begun it before the firing mark and it was not yet used: an
upper bound of what was really in flight.

Source: docs/guarantees.md, "Use and exposure"
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.history import NONE, FaultWindow, Ints, Receipts, Requests
from harness.measures.carried import Carried
from harness.measures.cells import Cells

NEVER = np.iinfo(np.int64).max
"""Stands for a sequence number or time that never came, where NONE would sort first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """When each cell was first used; NEVER where it was not."""

    seq: Ints
    ns: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How each agent of a portion ended, by its first outcome mark *completed*."""

    agent_from: int
    """The agent of the first row; the others follow."""
    seq: Ints
    """NEVER for an agent without one: unfinished, or failed."""
    ns: Ints
    receipt: Receipts
    row: Ints
    """Request whose answer the outcome carries; NONE when nobody gave that answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """One row a cell and fault that met; cells in order."""

    cell: Ints
    fault: Ints
    """Place in the windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Fault windows as columns, in order of their firing marks."""

    faults: tuple[FaultWindow, ...]
    firing_seq: Ints
    healed_seq: Ints
    """NEVER when health was not seen again."""
    caller_start: Ints
    """Caller -> first row of ``fault_of_caller``; one more than callers."""
    fault_of_caller: Ints
    """For each caller, the faults that struck it; shared faults strike all."""

    @property
    def count(self) -> int:
        """Faults."""
        return len(self.faults)


def columns_of(faults: Iterable[FaultWindow], callers: Sequence[str]) -> Windows:
    """The faults as columns, and whom they windows."""
    windows = tuple(sorted(faults, key=lambda fault: fault.firing_seq))
    number_of = {caller: number for number, caller in enumerate(callers)}
    pairs = sorted(
        (number_of[caller], place)
        for place, window in enumerate(windows)
        for caller in (callers if window.is_shared else set(window.victims))
        if caller in number_of
    )
    table = np.array(pairs, np.int64).reshape(-1, 2)
    healed = [window.healed_seq for window in windows]
    return Windows(
        faults=windows,
        firing_seq=np.array([window.firing_seq for window in windows], np.int64),
        healed_seq=np.array([NEVER if seq == NONE else seq for seq in healed], np.int64),
        caller_start=np.searchsorted(table[:, 0], np.arange(len(callers) + 1)).astype(np.int64),
        fault_of_caller=table[:, 1].copy(),
    )


def uses_of(requests: Requests, cells: Cells, carried: Carried, ends: Ends) -> Uses:
    """First use of each cell, by requests and by outcome marks."""
    seq = np.full(cells.count, NEVER, np.int64)
    ns = np.full(cells.count, NEVER, np.int64)
    is_known = carried.source != NONE
    used = cells.of_request[carried.source[is_known]]
    carrier = carried.carrier[is_known]
    is_step = used != NONE
    _lower(seq, ns, used[is_step], requests, carrier[is_step])
    by_outcome = np.flatnonzero(ends.row != NONE)
    _lower_to(seq, ns, cells.of_request[ends.row[by_outcome]], ends, by_outcome)
    last = np.flatnonzero(cells.is_last)
    _lower_to(seq, ns, last, ends, cells.agent[last] - ends.agent_from)
    return Uses(seq=seq, ns=ns)


def interrupted_of(
    requests: Requests, cells: Cells, uses: Uses, windows: Windows, rows: Ints
) -> Interrupted:
    """The cells in flight on the victims of each fault; ``rows`` are requests with a cell."""
    caller = requests.caller[rows]
    counts = np.diff(windows.caller_start)[caller]
    rows, counts = rows[counts > 0], counts[counts > 0]
    first = windows.caller_start[requests.caller[rows]]
    fault = windows.fault_of_caller[spread(first, counts)]
    row = np.repeat(rows, counts)
    cell = cells.of_request[row]
    firing = windows.firing_seq[fault]
    has_effect = requests.receipt[row] != 0
    is_open = (requests.end_seq[row] == NONE) | (requests.end_seq[row] > firing)
    meets = (requests.begin_seq[row] < firing) & (uses.seq[cell] > firing) & (has_effect | is_open)
    pairs = distinct(cell[meets] * max(windows.count, 1) + fault[meets])
    return Interrupted(cell=pairs // max(windows.count, 1), fault=pairs % max(windows.count, 1))


def spread(first: Ints, counts: Ints) -> Ints:
    """All numbers of the ranges [first, first + count), one range after the other."""
    if not len(counts):
        return np.zeros(0, np.int64)
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1])) + np.repeat(first - ends + counts, counts)


def distinct(values: Ints) -> Ints:
    """Each value once, in order; a sort and a comparison, where numpy's own would hash."""
    ordered = np.sort(values)
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    once: Ints = ordered[is_new]
    return once


def overlapping(windows: Windows, since: Ints, until: Ints) -> Ints:
    """A fault whose window overlaps each span (since, until) of sequence numbers; NONE without.

    Of several it is the one that healed last.
    """
    if not windows.count:
        return np.full(len(since), NONE, np.int64)
    healed = np.maximum.accumulate(windows.healed_seq)
    is_later = np.append(True, windows.healed_seq[1:] > healed[:-1])
    holder = np.maximum.accumulate(np.where(is_later, np.arange(windows.count), 0))
    before = np.searchsorted(windows.firing_seq, until) - 1
    at = np.maximum(before, 0)
    return np.where((before >= 0) & (healed[at] > since), holder[at], NONE)


def first_on_caller(windows: Windows, caller: Ints, since: Ints, until: Ints) -> Ints:
    """The first fault that struck the caller with a window over (since, until); NONE without."""
    counts = np.diff(windows.caller_start)[caller]
    which = np.repeat(np.arange(len(caller)), counts)
    fault = windows.fault_of_caller[spread(windows.caller_start[caller], counts)]
    meets = (windows.firing_seq[fault] < until[which]) & (windows.healed_seq[fault] > since[which])
    found = np.full(len(caller), NEVER, np.int64)
    np.minimum.at(found, which[meets], fault[meets])
    found[found == NEVER] = NONE
    return found


def _lower(seq: Ints, ns: Ints, cell: Ints, requests: Requests, carrier: Ints) -> None:
    np.minimum.at(seq, cell, requests.begin_seq[carrier])
    np.minimum.at(ns, cell, requests.begin_ns[carrier])


def _lower_to(seq: Ints, ns: Ints, cell: Ints, ends: Ends, agent: Ints) -> None:
    is_step = cell != NONE
    np.minimum.at(seq, cell[is_step], ends.seq[agent[is_step]])
    np.minimum.at(ns, cell[is_step], ends.ns[agent[is_step]])
