"""Recovery: how long the agents that a fault interrupted took to go on.

Victim resume time runs from the fire to the agent's first newly used step. An agent that never went
on has none: L judges it.

Source: docs/guarantees.md, "Recovery"
"""

from collections.abc import Iterable

import numpy as np

from harness.errors import HarnessError
from harness.history import NONE, Evidence, FaultWindow, Ints
from harness.measures.portion import Portion, portions


class EmptyFaultError(HarnessError):
    """A fault struck nobody; what would be judged by it is unknown."""


def victim_resume_ns(evidence: Evidence, fault: FaultWindow) -> Ints:
    """Per exposed victim, time from fire to its first newly used step; shape (victims,), in ns.

    A victim is an agent with a step in flight on the struck incarnation. One that never went on is
    -1, and counts for promise L, not here.

    Raises:
        EmptyFaultError: the fault struck nobody. The caller's verdict is unknown.

    Source: docs/guarantees.md#recovery
    """
    if not fault.has_struck:
        raise EmptyFaultError(f"{fault.name} never struck; there is nothing to recover from")
    # Without a single agent there is no portion, and no entry.
    found = resumes(portions(evidence)).get(fault.name, np.zeros(0, np.int64))
    if not len(found):
        raise EmptyFaultError(f"{fault.name} met no step in flight on {', '.join(fault.victims)}")
    return found


def resumes(walk: Iterable[Portion]) -> dict[str, Ints]:
    """For each fault that struck, the resume times of its victims, -1 for none; nanoseconds."""
    found: dict[str, list[Ints]] = {}
    for portion in walk:
        for place, fault in enumerate(portion.struck.faults):
            found.setdefault(fault.name, []).append(_resumes(portion, place))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def in_flight(evidence: Evidence) -> dict[str, int]:
    """For each fault that struck, the cells in flight on its victims: an upper bound."""
    counts: dict[str, int] = {}
    for portion in portions(evidence):
        per_fault = np.bincount(portion.interrupted.fault, minlength=portion.struck.count)
        for fault, count in zip(portion.struck.faults, per_fault, strict=True):
            counts[fault.name] = counts.get(fault.name, 0) + int(count)
    return counts


def _resumes(portion: Portion, place: int) -> Ints:
    interrupted, cells, uses = portion.interrupted, portion.cells, portion.uses
    fault = portion.struck.faults[place]
    victims = np.unique(cells.agent[interrupted.cell[interrupted.fault == place]])
    if not len(victims):
        return victims
    never = np.iinfo(np.int64).max
    is_new = (uses.seq > fault.fired_seq) & (uses.seq != never)
    first = np.full(portion.agents_count, never, np.int64)
    np.minimum.at(first, cells.agent[is_new] - portion.agent_from, uses.ns[is_new])
    resumed = first[victims - portion.agent_from]
    return np.where(resumed == never, NONE, resumed - fault.fired_ns)
