"""Until when the engine worked through its load, from the ledger's rows; see harness.backlog."""

from collections.abc import Iterable

import numpy as np

from harness.backlog import last_work_ns
from harness.history import NONE, FaultWindow, Kind, Requests, Starts


def working_until_ns(
    requests: Requests, starts: Starts, faults: Iterable[FaultWindow], event_ns: int
) -> int:
    """Begin of the last LLM request that was work, after all heals, arrivals and the last event.

    NONE without one.
    """
    heals = (fault.healed_ns for fault in faults)
    since_ns = max([int(starts.accepted_ns.max(initial=NONE)), event_ns, *heals])
    rows = np.flatnonzero(
        requests.is_executed & (requests.kind == Kind.STEP) & (requests.agent != NONE)
    )
    begin_ns = requests.begin_ns[rows]
    if last_work_ns(begin_ns, np.ones(len(rows), np.bool_), since_ns) == NONE:
        return NONE
    step = requests.agent[rows].astype(np.int64)
    for column in (requests.path[rows], requests.turn[rows]):
        step = step * (int(column.max(initial=0)) + 2) + column + 1
    is_first = np.zeros(len(rows), np.bool_)
    is_first[np.unique(step, return_index=True)[1]] = True
    return last_work_ns(begin_ns, is_first, since_ns)
