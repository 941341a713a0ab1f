"""Attempts: requests grouped as their senders meant them.

An SDK's own retry belongs to the attempt that it repeats: same caller, agent, path and turn, and
``x-stainless-retry-count`` n after n - 1. Without that header a new request is a new attempt.
Limits and errors have no effect; a repeat is counted by executions, never by attempts.
"""

from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Ints, Requests
from harness.measures.cells import Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The attempt of each request, numbered from 0 in no special order."""

    of_request: Ints
    """NONE for auxiliary requests."""
    requests_count: Ints
    """Per attempt."""

    @property
    def count(self) -> int:
        """Attempts."""
        return len(self.requests_count)


def attempts_of(requests: Requests, cells: Cells) -> Attempts:
    """Group the requests of a portion; they stand agent by agent, in ledger order."""
    rows = np.flatnonzero(cells.of_request != NONE)
    callers = int(requests.caller.max()) + 1 if requests.count else 1
    sender = cells.of_request[rows] * callers + requests.caller[rows]
    order = np.argsort(sender, kind="stable")
    rows, sender = rows[order], sender[order]
    retry = requests.retry[rows]
    goes_on = np.zeros(len(rows), np.bool_)
    goes_on[1:] = (sender[1:] == sender[:-1]) & (retry[1:] >= 1) & (retry[1:] == retry[:-1] + 1)
    # A client that sends the count from its first retry on only: the attempt began without one.
    goes_on[1:] |= (sender[1:] == sender[:-1]) & (retry[1:] == 1) & (retry[:-1] == NONE)
    number = np.cumsum(~goes_on) - 1
    of_request = np.full(requests.count, NONE, np.int64)
    of_request[rows] = number
    counts = np.bincount(number, minlength=0) if len(number) else np.zeros(0, np.int64)
    return Attempts(of_request=of_request, requests_count=counts)
