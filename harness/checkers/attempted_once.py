"""S5: see AttemptedOnce."""

import numpy as np

from harness.checkers.applied_once import has_tools
from harness.checkers.found import Found, Scan, census, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import Evidence
from harness.measures.portion import Portion


class AttemptedOnce(PromiseChecker):
    """S5: a tool effect is attempted once (exactly-once effect).

    Evidence: the lines of the effects endpoint, one for each attempt, whether applied or not and
    whether its client lived to read the answer. Cannot see: attempts that never reached the
    endpoint, which had no effect either.
    """

    promise = "S5"
    counted = "tool calls"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        return census(portion, tools_only=True) + Scan(found=(attempted_twice(portion),))

    def is_applicable(self, evidence: Evidence) -> bool:
        """See has_tools."""
        return has_tools(evidence)


def attempted_twice(portion: Portion) -> Found:
    """Tool calls with more than one execution; the first two prove it."""
    rows = portion.by_cell
    cell = portion.cells.of_request[rows]
    again = np.flatnonzero(cell[1:] == cell[:-1]) + 1
    again = again[portion.cells.is_tool[cell[again]]]
    repeated, first = np.unique(cell[again], return_index=True)
    place = again[first]
    began = portion.requests.begin_seq
    return of_cells(
        "attempted-twice",
        portion,
        repeated,
        before=began[rows[place - 1]],
        again=began[rows[place]],
    )
