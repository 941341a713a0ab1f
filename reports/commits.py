"""Repeats against the engine's own history: the figure beside S2 and S3, which decides nothing."""

from harness.results import EngineCommits, RunResult
from reports import rows, wording
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count


def commits_table(run: RunResult) -> Table | None:
    """The figures with what they mean, or why there are none; None in results of before."""
    found = run.commits
    if found is None:
        return None
    shown = () if found.reason else (*_repeats(found), *_lag(found))
    return Table(
        key="commits",
        caption="Beside S2 and S3: repeats against the engine's own history",
        head=(
            Head(text="What"),
            Head(text="Figure", is_number=True),
            Head(text="Meaning", is_long=True),
        ),
        rows=shown or ((text("history"), number(NONE, -1), text(_line(found.reason))),),
        note="" if found.reason else _note(found),
    )


def _repeats(found: EngineCommits) -> tuple[tuple[Value, ...], ...]:
    return (
        (
            text("repeats after the commit"),
            number(count(found.after_count), found.after_count),
            text("begun when the engine had the step's result, by its own date"),
        ),
        (
            text("repeats before the commit"),
            number(count(found.before_count), found.before_count),
            text("begun when it had none yet: at-least-once execution permits them"),
        ),
        (
            text("repeats not ordered"),
            number(count(found.unordered_count), found.unordered_count),
            text("too close to the commit, or the history has no date of it"),
        ),
        (
            text("repeats of agents not read"),
            number(count(found.unread_count), found.unread_count),
            text(found.bound or "asked, and no answer came"),
        ),
    )


def _lag(found: EngineCommits) -> list[tuple[Value, ...]]:
    """The commit lag by both dates; the p99 where there are samples enough."""
    shown: list[tuple[Value, ...]] = []
    for lag, meaning in (
        (found.lag, "answer at the witness to the engine's first date"),
        (found.lag_certain, "to the date from which the result was kept for certain"),
    ):
        for title, value_ms, needed in (
            ("p50", lag.ms_p50, 1),
            ("p99", lag.ms_p99, rows.P99_MIN_COUNT),
        ):
            figure = f"{value_ms:,.1f} ms" if lag.count >= needed else NONE
            shown.append(
                (
                    text(f"commit lag, {title}"),
                    number(figure, value_ms if lag.count >= needed else -1),
                    text(f"{meaning}; {count(lag.count)} results"),
                )
            )
    return shown


def _note(found: EngineCommits) -> str:
    return (
        f"The engine's word, which decides no verdict. Read from {count(found.read_count)} of "
        f"{count(found.chosen_count)} agents that a fault had hit or that repeated something. "
        f"Two clocks meet here: {found.stamp_ms:g} ms are allowed for time stamps and "
        f"{found.drift_ms:g} ms for the wall clock's drift in this run."
    )


def _line(reason: str) -> str:
    return wording.one_line(reason)
