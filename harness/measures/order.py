"""All requests agent by agent, and where an attempt mark stands in that order."""

from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Evidence, Ints, SmallInts

_SPARSE = 16
"""Marks are looked up in a table up to this many sequence numbers a request, else by bisection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Places 0 to n - 1: the requests that name an agent, by agent, then in ledger order."""

    row: SmallInts
    """Place -> row of the requests; 32 bits, since all are held for the whole walk."""
    start: Ints
    """Agent -> first place; one more than agents."""
    place_of_seq: SmallInts
    """Begin sequence number -> place, NONE for all others; empty where numbers are sparse."""
    begin_seq: Ints
    """Of the requests, by row."""
    place_of_row: SmallInts
    """Row -> place; empty unless ``place_of_seq`` is."""

    def places(self, marks: Ints) -> Ints:
        """Place of the request that gave each mark; NONE where no request of an agent did."""
        if len(self.place_of_seq):
            is_known = (marks >= 0) & (marks < len(self.place_of_seq))
            found = self.place_of_seq[np.where(is_known, marks, 0)].astype(np.int64)
            found[~is_known] = NONE
            return found
        if not len(self.begin_seq):
            return np.full(len(marks), NONE, np.int64)
        rows = np.minimum(np.searchsorted(self.begin_seq, marks), len(self.begin_seq) - 1)
        found = self.place_of_row[rows].astype(np.int64)
        found[self.begin_seq[rows] != marks] = NONE
        return found


def order_of(evidence: Evidence) -> Order:
    """Sort once; the sort is the only step of a walk that sees all requests together."""
    requests = evidence.requests
    rows = np.flatnonzero(requests.agent >= 0)
    # Agent and row in one integer: a plain sort of these is several times faster than an argsort.
    both = requests.agent[rows].astype(np.int64)
    both <<= 32
    both |= rows
    del rows
    both.sort()
    row = (both & 0xFFFF_FFFF).astype(np.int32)
    both >>= 32
    start = np.searchsorted(both, np.arange(len(evidence.names.agents) + 1)).astype(np.int64)
    del both
    numbers = np.arange(len(row), dtype=np.int32)
    seq_max = int(requests.begin_seq[-1]) if requests.count else 0
    is_dense = seq_max < _SPARSE * (requests.count + 64)
    place_of_seq = np.full(seq_max + 1 if is_dense else 0, NONE, np.int32)
    place_of_row = np.full(0 if is_dense else requests.count, NONE, np.int32)
    if is_dense:
        place_of_seq[requests.begin_seq[row]] = numbers
    else:
        place_of_row[row] = numbers
    return Order(
        row=row,
        start=start,
        place_of_seq=place_of_seq,
        begin_seq=requests.begin_seq,
        place_of_row=place_of_row,
    )
