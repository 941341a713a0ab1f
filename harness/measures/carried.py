"""What requests carried: each receipt in a context, and the attempt that gave it.

A receipt belongs to the attempt that its mark names, if that attempt gave this value to the same
agent. Without a mark (stable answers) it belongs to the first attempt of the value.
"""

from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Context, ContextKind, Ints, Receipts, Requests
from harness.measures.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One row a receipt that was carried, in the order of the carrying requests."""

    entry: Ints
    """Row of the portion's context."""
    carrier: Ints
    """Request that carried it."""
    source: Ints
    """Request whose answer it is; NONE when no answer to this agent has that receipt."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.entry)


def carriers_of(requests: Requests) -> Ints:
    """The request that each context entry stood in."""
    return np.repeat(np.arange(requests.count), np.diff(requests.context_start))


def carried_of(requests: Requests, context: Context, order: Order, first_place: int) -> Carried:
    """Find the source of every receipt; the requests stand at places from ``first_place`` on."""
    is_receipt = (context.kind == ContextKind.RECEIPT) | (context.kind == ContextKind.CALL)
    entry = np.flatnonzero(is_receipt)
    carrier = carriers_of(requests)[entry]
    source = sources_of(
        requests,
        agent=requests.agent[carrier].astype(np.int64),
        value=context.value[entry],
        mark=context.mark[entry],
        order=order,
        first_place=first_place,
    )
    return Carried(entry=entry, carrier=carrier, source=source)


def sources_of(
    requests: Requests,
    *,
    agent: Ints,
    value: Receipts,
    mark: Ints,
    order: Order,
    first_place: int,
) -> Ints:
    """The request that answered ``agent`` with each (value, mark); NONE where none did."""
    if not requests.count:
        return np.full(len(value), NONE, np.int64)
    source = order.places(mark) - first_place
    is_here = (source >= 0) & (source < requests.count)
    at = np.where(is_here, source, 0)
    is_same = is_here & (requests.receipt[at] == value) & (requests.agent[at] == agent)
    source[~is_same] = NONE
    unmarked = np.flatnonzero(~is_same & (mark == NONE) & (value != 0))
    if len(unmarked):
        source[unmarked] = _by_value(requests, agent[unmarked], value[unmarked])
    return source


def _by_value(requests: Requests, agent: Ints, value: Receipts) -> Ints:
    order = np.argsort(requests.receipt, kind="stable")
    ordered = requests.receipt[order]
    place = order[np.minimum(np.searchsorted(ordered, value), len(ordered) - 1)]
    is_same = (requests.receipt[place] == value) & (requests.agent[place] == agent)
    return np.where(is_same, place, NONE)
