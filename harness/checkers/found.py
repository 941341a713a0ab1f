"""What a checker finds in a portion: counts, and anomalies as columns.

A refuted run may hold a million anomalies; as columns they cost little, and only those that are
shown become texts (see `telling`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from harness.history import NONE, Ints
from harness.measures.exposure import NEVER, distinct
from harness.measures.portion import Portion


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The anomalies of one name, a row each."""

    name: str
    agent: Ints
    """NONE for a request of an agent that is in no program."""
    path: Ints
    """NONE when the agent as a whole is meant."""
    roles: tuple[str, ...]
    """What the columns of ``seqs`` are; see telling.ROLES."""
    seqs: Ints
    """Ledger sequence numbers that prove it; shape (rows, roles), NONE where there is none."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one checker has seen so far; portions add up."""

    checked: int = 0
    """Things looked at."""
    exposed: int = 0
    """Of these, how many a fault interrupted."""
    interrupted: int = 0
    """Interrupted exposures that count for the minimum."""
    not_judged: int = 0
    """What the evidence cannot decide."""
    offered: int = 0
    """S4: effects that came with a key."""
    found: tuple[Found, ...] = ()

    def __add__(self, other: "Scan") -> "Scan":
        """Add the scan of other agents."""
        return Scan(
            checked=self.checked + other.checked,
            exposed=self.exposed + other.exposed,
            interrupted=self.interrupted + other.interrupted,
            not_judged=self.not_judged + other.not_judged,
            offered=self.offered + other.offered,
            found=self.found + other.found,
        )

    def joined(self) -> "Scan":
        """One `Found` a name, in the order in which names appeared; empty ones are gone."""
        by_name: dict[str, list[Found]] = {}
        for found in self.found:
            if found.count:
                by_name.setdefault(found.name, []).append(found)
        return replace(self, found=tuple(_join(parts) for parts in by_name.values()))


def of_cells(name: str, portion: Portion, cell: Ints, **seqs: Ints) -> Found:
    """Anomalies of cells; each keyword is a role and the sequence numbers for it."""
    return Found(
        name=name,
        agent=portion.cells.agent[cell],
        path=portion.cells.path[cell],
        roles=tuple(seqs),
        seqs=_stack(seqs.values(), len(cell)),
    )


def of_agents(name: str, agent: Ints, **seqs: Ints) -> Found:
    """Anomalies of whole agents, by number in the run."""
    return Found(
        name=name,
        agent=agent.astype(np.int64),
        path=np.full(len(agent), NONE, np.int64),
        roles=tuple(seqs),
        seqs=_stack(seqs.values(), len(agent)),
    )


def of_messages(name: str, agent: Ints, path: Ints, **seqs: Ints) -> Found:
    """Anomalies of messages; their sequence numbers are those of message records."""
    return Found(
        name=name, agent=agent, path=path, roles=tuple(seqs), seqs=_stack(seqs.values(), len(agent))
    )


def census(portion: Portion, *, tools_only: bool = False) -> Scan:
    """Steps executed and steps interrupted, which most checkers count alike."""
    cells, cell = portion.cells, portion.interrupted.cell
    was_executed = portion.executions > 0
    if tools_only:
        cell, was_executed = cell[cells.is_tool[cell]], was_executed & cells.is_tool
    return Scan(
        checked=int(np.count_nonzero(was_executed)), exposed=len(cell), interrupted=len(cell)
    )


def agents_interrupted(portion: Portion) -> int:
    """Agents with a step in flight on a victim."""
    return len(distinct(portion.cells.agent[portion.interrupted.cell]))


def _stack(columns: Iterable[Ints], rows: int) -> Ints:
    parts = [np.where(column == NEVER, NONE, column) for column in columns]
    return np.stack(parts, axis=1).astype(np.int64) if parts else np.zeros((rows, 0), np.int64)


def _join(parts: list[Found]) -> Found:
    return Found(
        name=parts[0].name,
        agent=np.concatenate([part.agent for part in parts]),
        path=np.concatenate([part.path for part in parts]),
        roles=parts[0].roles,
        seqs=np.concatenate([part.seqs for part in parts]),
    )
