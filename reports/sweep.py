"""The matrix of a sweep: a table for each victim, a row a call, a column a point.

A word that stands alone came out at every repeat; ``~`` marks cells that varied.
"""

from collections import Counter

from harness.results import RunResult, SweepCell
from reports.tables import Head, Table, Value, text

POINTS = {
    "before_call": "before the call",
    "during": "during",
    "before_answer": "before the answer",
    "before_use": "before the use",
    "after_use": "after the use",
}
"""In the order of a call's life."""
NOTE = (
    "Struck as often as the row of repeats says, proven by the ledger's order each time. once: "
    "executed once; repeated: executed again, which costs money; S1 to R: the promise fell; other: "
    "it befell another call of the same agent; ~: the repeats differ, a race of the engine's own; "
    "missed: the strike did not meet the call, so nothing is said. Containers restarted in place "
    "come back without delay in a sweep."
)


def sweep_tables(run: RunResult) -> tuple[Table, ...]:
    """One table a victim; none for a run that is no sweep."""
    victims = list(dict.fromkeys(cell.victim for cell in run.sweep))
    return tuple(_table(victim, run.sweep, is_last=victim == victims[-1]) for victim in victims)


def _table(victim: str, cells: tuple[SweepCell, ...], *, is_last: bool) -> Table:
    own = [cell for cell in cells if cell.victim == victim]
    found = {(cell.call, cell.point): cell for cell in own}
    calls = list(dict.fromkeys(cell.call for cell in own))
    points = [point for point in POINTS if any(cell.point == point for cell in own)]
    repeats = max(len(cell.outcomes) for cell in own)
    struck = sum(not out.startswith("missed") for cell in own for out in cell.outcomes)
    return Table(
        key=f"sweep-{victim}",
        caption=(
            f"Kills of the {victim}: {len(own)} cells x {repeats}, {struck} strikes met their "
            f"call, {sum(cell.varies for cell in own)} cells vary"
        ),
        head=(Head(text="Call"), *(Head(text=POINTS[point]) for point in points)),
        rows=tuple(
            (text(call), *(_value(found.get((call, point))) for point in points)) for call in calls
        ),
        note=NOTE if is_last else "",
    )


def _value(cell: SweepCell | None) -> Value:
    if cell is None:
        return text("–", tone="muted")
    seen = Counter(outcome.partition(":")[0] for outcome in cell.outcomes)
    if len(seen) > 1:
        return text("~ " + "/".join(seen), tone="warn")
    (word,) = seen
    tones = {"once": "good", "repeated": "warn", "other repeated": "warn", "missed": "muted"}
    return text(word, tone=tones.get(word, "bad"))
