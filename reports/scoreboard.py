"""Many runs against the promises: a row a run, a word a promise, a body a scenario. Pure.

The form of the verdict matrix that forty runs still fit into; counts, bounds and the engines' own
words stand with each run.
"""

from dataclasses import dataclass

from harness.results import MatrixResult
from harness.verdict import PROMISES
from reports import compare, wording
from reports.compare import Cell, Column, State

SEVERITY = {
    State.HOLDS: 0,
    State.NOT_APPLICABLE: 0,
    State.NOT_OFFERED: 1,
    State.SKIPPED: 2,
    State.FAILED: 3,
    State.UNKNOWN: 4,
    State.REFUTED_UNPROMISED: 5,
    State.REFUTED: 6,
}
"""What sorting by a promise compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One promise of one run, in a word."""

    state: State
    short: str
    violations: str
    """How many; empty where none were found."""
    severity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One run."""

    column: Column
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardGroup:
    """The runs of one scenario."""

    scenario: str
    summary: str
    rows: tuple[BoardRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """The verdict matrix of many runs."""

    heads: tuple[tuple[str, str], ...]
    """Key and text of each promise."""
    groups: tuple[BoardGroup, ...]


def scoreboard(matrix: MatrixResult) -> Scoreboard:
    """All runs, scenarios and runs in the order of the matrix."""
    heads = compare.columns(matrix)
    groups = []
    for scenario in dict.fromkeys(column.run.scenario for column in heads):
        own = [column for column in heads if column.run.scenario == scenario]
        groups.append(
            BoardGroup(
                scenario=wording.one_line(scenario),
                summary=wording.sentence(own[0].run.summary),
                rows=tuple(_row(column) for column in own),
            )
        )
    keys = tuple((promise.key, promise.text) for promise in PROMISES)
    return Scoreboard(heads=keys, groups=tuple(groups))


def _row(column: Column) -> BoardRow:
    run = column.run
    marks = []
    for promise in PROMISES:
        row = compare.promise_row(run, promise.key)
        found: Cell = compare.cell(run, row)
        count = row.violations_count if row is not None and run.state == "judged" else 0
        marks.append(
            Mark(
                state=found.state,
                short=compare.SHORT_WORDS[found.state],
                violations=wording.count(count) if count else "",
                severity=SEVERITY[found.state],
            )
        )
    return BoardRow(column=column, marks=tuple(marks))
