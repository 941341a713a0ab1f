"""S2: see UsedOnce."""

import numpy as np

from harness.checkers.found import Found, Scan, census, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import Flags, Ints
from harness.measures.portion import Portion


class UsedOnce(PromiseChecker):
    """S2: a used result is never recomputed.

    Evidence: the first ledger line that carries a step's receipt, against any later `begin` of that
    step that had an effect. Repeats before the use are legal here; `measures.repeats` prices them
    and S3 judges them. Cannot see: steps that make no call; a use that reaches neither witness nor
    outcome.
    """

    promise = "S2"
    counted = "steps"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        return census(portion) + Scan(
            found=(recompute_after_use(portion), recompute_after_outcome(portion))
        )


def recompute_after_use(portion: Portion) -> Found:
    """Executions that began after the step's result had been used.

    Those of the last step after the outcome mark are told as recompute-after-outcome.
    """
    rows = _again(portion)
    cell = portion.cells.of_request[rows]
    began = portion.requests.begin_seq[rows]
    use = portion.uses.seq[cell]
    rows = rows[(began > use) & ~_is_after_outcome(portion, rows)]
    return _told("recompute-after-use", portion, rows)


def recompute_after_outcome(portion: Portion) -> Found:
    """Repeats that began after the driver had read the agent's outcome."""
    rows = _again(portion)
    return _told("recompute-after-outcome", portion, rows[_is_after_outcome(portion, rows)])


def _again(portion: Portion) -> Ints:
    """Executions that are not their cell's first, in order of cells."""
    rows = portion.by_cell
    cell = portion.cells.of_request[rows]
    return rows[np.flatnonzero(cell[1:] == cell[:-1]) + 1]


def _is_after_outcome(portion: Portion, rows: Ints) -> Flags:
    agent = portion.requests.agent[rows] - portion.agent_from
    result: Flags = portion.requests.begin_seq[rows] > portion.ends.seq[agent]
    return result


def _told(name: str, portion: Portion, rows: Ints) -> Found:
    """The first execution, the use, the recompute."""
    cell = portion.cells.of_request[rows]
    use = portion.uses.seq[cell]
    return of_cells(
        name,
        portion,
        cell,
        first=portion.first_seq[cell],
        use=use,
        again=portion.requests.begin_seq[rows],
    )
