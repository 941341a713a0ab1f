"""The promises of one run in figures: the table behind a column of the verdict matrix. Pure."""

from harness.results import PromiseRow, RunResult
from reports import compare, wording
from reports.compare import State
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, upper_percent


def promise_table(run: RunResult) -> Table | None:
    """Every count and bound of the run's promises; None when nothing was judged."""
    if not run.promises:
        return None
    return Table(
        key="promises",
        caption="Promises in figures",
        head=(
            Head(text="Promise"),
            Head(text="Verdict"),
            Head(text="Engine's own word"),
            Head(text="Looked at", is_number=True),
            Head(text="Exposed", is_number=True),
            Head(text="Kills", is_number=True),
            Head(text="Violations", is_number=True),
            Head(text="Not judged", is_number=True),
            Head(text="Below, per kill", is_number=True),
            Head(text="Below, per exposure", is_number=True),
            Head(text="Why", is_long=True),
        ),
        rows=tuple(_row(row) for row in run.promises),
        note="Looked at: agents for L and R, steps for S1 to S3, tool effects for S4 and S5, "
        "acknowledged messages for M. Bounds are at 95 %; the one per exposure takes steps of one "
        "kill as independent, which they are not quite. Not judged: the ledger does not show "
        "enough of them to tell.",
    )


def _row(row: PromiseRow) -> tuple[Value, ...]:
    state = compare.promise_state(row)
    is_bounded = state is State.HOLDS
    kill = row.bound_per_kill_ratio if is_bounded and row.kills_count else -1.0
    exposure = row.bound_per_exposure_ratio if is_bounded and row.exposed_count else -1.0
    return (
        text(wording.one_line(row.key)),
        Value(text=f"{state.symbol} {state.word}", tone=state.tone),
        text(wording.one_line(row.expectation) if row.is_applicable else NONE),
        number(count(row.checked_count), row.checked_count),
        number(count(row.exposed_count), row.exposed_count),
        number(count(row.kills_count), row.kills_count),
        number(count(row.violations_count), row.violations_count),
        number(count(row.not_judged_count), row.not_judged_count),
        number(upper_percent(kill) if kill >= 0 else NONE, kill),
        number(upper_percent(exposure) if exposure >= 0 else NONE, exposure),
        text(wording.one_line(row.reason) or NONE),
    )
