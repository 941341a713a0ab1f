"""What has room on a page: which runs are open, how many examples and pictures each may show.

Pure. A page of forty runs must stay as quick to open and to read as a page of one, so the examples
of a page are shared out; what is left out is counted, and named with the command that shows it.
"""

from dataclasses import dataclass

from harness.results import MatrixResult
from reports.compare import Column, State, columns

COLUMNS_MAX = 4
"""Runs up to which the verdict matrix has all counts and bounds, and each run's section is open."""
PICTURES_MAX = 50
"""Agents on a time axis, over the whole page."""
EXAMPLES_MAX = 500
"""Rows of examples beyond the smallest, over the whole page."""
OPEN_MAX = 2
"""Of many runs, the invalid ones that are open at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The share of one run."""

    is_folded: bool
    """Its section has to be opened."""
    is_open: bool
    pictures: tuple[str, ...]
    """Agents whose time axis is drawn, the worst first."""
    examples: int
    """Of each kind of violation, beyond the smallest."""


def rooms(matrix: MatrixResult) -> tuple[Room, ...]:
    """A share for each run, in the order of the matrix; invalid runs are served first."""
    heads = columns(matrix)
    is_folded = len(heads) > COLUMNS_MAX
    broken = [column.number for column in heads if column.state is State.INVALID]
    kinds = sum(
        len({(row.key, one.name) for row in run.promises for one in row.anomalies})
        for run in matrix.runs
    )
    shared = _pictures(heads)
    return tuple(
        Room(
            is_folded=is_folded,
            is_open=not is_folded or column.number in broken[:OPEN_MAX],
            pictures=shared[column.number],
            examples=max(1, min(49, EXAMPLES_MAX // max(kinds, 1))),
        )
        for column in heads
    )


def _pictures(heads: tuple[Column, ...]) -> dict[int, tuple[str, ...]]:
    """In turns, one agent a run, until there is no room or no agent left."""
    queues = {
        column.number: [timeline.agent for timeline in column.run.timelines]
        for column in sorted(heads, key=lambda column: column.state is not State.INVALID)
    }
    shares: dict[int, list[str]] = {number: [] for number in queues}
    left = PICTURES_MAX
    while left > 0 and any(queues.values()):
        for number, queue in queues.items():
            if queue and left > 0:
                shares[number].append(queue.pop(0))
                left -= 1
    return {number: tuple(agents) for number, agents in shares.items()}
