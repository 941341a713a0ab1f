"""Cells: one for each answer or tool call of an agent, whether the plan demands it or not.

A cell is (agent, path, turn). Those of the plan come first and have the numbers of the portion's
expected rows; what ran without being in the plan follows, so that it is judged all the same.
"""

from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Expected, Flags, Ints, Kind, Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells of a portion, and the cell of each of its requests."""

    of_request: Ints
    """NONE for auxiliary requests."""
    agent: Ints
    path: Ints
    turn: Ints
    is_tool: Flags
    is_last: Flags
    """Carries the agent's outcome."""
    planned: int
    """Cells below this number are in the plan."""

    @property
    def count(self) -> int:
        """Cells."""
        return len(self.agent)


def cells_of(requests: Requests, expected: Expected) -> Cells:
    """Match requests with the plan's rows; both of the same agents."""
    is_step = requests.kind != Kind.AUXILIARY
    asked = np.flatnonzero(is_step)
    key, planned_key = _keys(requests, asked, expected)
    order = np.argsort(planned_key, kind="stable")
    found = _find(planned_key[order], key)
    of_asked = np.where(found != NONE, order[found] if len(order) else NONE, NONE)
    strange = np.flatnonzero(of_asked == NONE)
    _, first, which = np.unique(key[strange], return_index=True, return_inverse=True)
    of_asked[strange] = expected.count + which
    stranger = asked[strange[first]]
    of_request = np.full(requests.count, NONE, np.int64)
    of_request[asked] = of_asked
    none = np.zeros(len(stranger), np.bool_)
    return Cells(
        of_request=of_request,
        agent=np.concatenate([expected.agent, requests.agent[stranger]]).astype(np.int64),
        path=np.concatenate([expected.path, requests.path[stranger]]).astype(np.int64),
        turn=np.concatenate([expected.turn, requests.turn[stranger]]).astype(np.int64),
        is_tool=np.concatenate([expected.is_tool, requests.kind[stranger] == Kind.EFFECT]),
        is_last=np.concatenate([expected.is_last, none]),
        planned=expected.count,
    )


def _keys(requests: Requests, asked: Ints, expected: Expected) -> tuple[Ints, Ints]:
    """One integer a cell: agent, path and turn, and whether it is an effect."""
    agents, paths, turns = (
        np.concatenate([mine[asked], theirs]).astype(np.int64)
        for mine, theirs in (
            (requests.agent, expected.agent),
            (requests.path, expected.path),
            (requests.turn, expected.turn),
        )
    )
    if not len(agents):
        return agents, agents
    is_tool = np.concatenate([requests.kind[asked] == Kind.EFFECT, expected.is_tool])
    agents -= agents.min()
    paths -= paths.min()
    turns -= turns.min()
    key = ((agents * (paths.max() + 1) + paths) * (turns.max() + 1) + turns) * 2 + is_tool
    return key[: len(asked)], key[len(asked) :]


def _find(ordered: Ints, wanted: Ints) -> Ints:
    """Place of each wanted key in an ordered array; NONE where it is not there."""
    if not len(ordered):
        return np.full(len(wanted), NONE, np.int64)
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[place] == wanted, place, NONE)
