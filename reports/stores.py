"""State stores: what became of agents' state on each, and what a step cost there. Pure.

In a run, and over all runs of a matrix that has several stores.
"""

from collections.abc import Iterator

from harness.measures.state_store import SHOWN
from harness.results import MatrixResult, RunResult
from harness.state_store import StateStore, StoreCheck, StoreFigure
from reports import wording
from reports.compare import Column, columns, kind_of_pod
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, decimal

SURPRISE = {True: ("✓ as expected", "good"), False: ("✗ otherwise", "bad"), None: (NONE, "")}
"""Whether the outcome is the declared one; nothing is said where one of both is missing."""

CHECK_SIGNS = {
    "invalid": ("✗ refuted", "bad"),
    "unknown": ("? unknown", "warn"),
    "unpromised": ("△ refuted, not promised", "odd"),
    "valid": ("✓ holds", "good"),
}
"""The worst first."""


def store_table(run: RunResult) -> Table | None:
    """One run's outcome and figures, each with its source; None without a store."""
    found = run.state_store
    if found is None:
        return None
    quote = wording.sentence(f"“{found.quote}” — {found.source}") if found.quote else ""
    return Table(
        key="store",
        caption=f"The state store {run.store} under {wording.counted(run.pods, kind_of_pod(run))}",
        head=(
            Head(text="What"),
            Head(text="Total", is_number=True),
            Head(text="Per step", is_number=True),
            Head(text="Where the store says so", is_long=True),
        ),
        rows=(
            (
                text("agents' state"),
                Value(text=_outcome(found), tone=SURPRISE[found.is_as_expected][1]),
                text(""),
                text(wording.sentence(found.text)),
            ),
            *(_check_row(one) for one in found.checks),
            *(_figure_row(one) for one in found.figures),
        ),
        note=f"Counters are over the load; a step is an answer of the LLM. {quote}".strip(),
    )


def store_tables(matrix: MatrixResult) -> Iterator[Table]:
    """Over all runs of a matrix with more than one state store."""
    shown = [
        column
        for column in columns(matrix)
        if column.run.state_store is not None or _is_skipped(column.run)
    ]
    if len({column.run.store for column in shown if not _is_skipped(column.run)}) < 2:
        return
    yield _outcomes(shown)
    calm = [column for column in shown if _has_figures(column.run)]
    if calm:
        yield _costs(calm)


def _outcomes(shown: list[Column]) -> Table:
    return Table(
        key="store-outcomes",
        caption="What became of agents' state",
        head=(
            Head(text="Run"),
            Head(text="Broker"),
            Head(text="Pods", is_number=True),
            Head(text="Kills", is_number=True),
            Head(text="Expected"),
            Head(text="Seen"),
            Head(text="So it was"),
            Head(text="State API"),
            Head(text="Evidence", is_long=True),
        ),
        rows=tuple(map(_outcome_row, shown)),
        is_sortable=True,
        note="Expected is what scenarios/expectations.yaml declares before the run. Kept: every "
        "agent ended, from where it stopped. Lost: agents are gone, or began anew. Red: the store "
        "refused work. State API: how many of the checks of etags and transactions hold, tried "
        "through the pods' sidecars when the load is over.",
    )


def _outcome_row(column: Column) -> tuple[Value, ...]:
    run, found = column.run, column.run.state_store
    kills = sum(bool(fault.proof) for fault in run.faults)
    where = (
        text(f"{column.number} {run.store}", link=column.anchor),
        text(NONE if run.broker in ("", "none") else run.broker),
        number(count(run.pods), run.pods),
        number(count(kills), kills),
    )
    if found is None:
        reason = wording.sentence(run.state_reason)
        skipped = text("⊘ skipped", tone="muted")
        return (*where, text(NONE), skipped, text(NONE), text(NONE), text(reason))
    word, tone = SURPRISE[found.is_as_expected]
    return (
        *where,
        text(found.expected or NONE),
        text(found.seen),
        text(word, tone=tone),
        _checks(found.checks),
        text(" ".join((wording.sentence(found.text), *_fallen(found.checks)))),
    )


def _costs(calm: list[Column]) -> Table:
    sources = {
        f"{column.run.store}, {SHOWN[one.name]}: {one.source}"
        for column in calm
        for one in _figures(column.run)
        if one.total is not None
    }
    return Table(
        key="store-costs",
        caption="What a step costs on each state store, without kills: counts per step",
        head=(
            Head(text="Run"),
            Head(text="Pods", is_number=True),
            Head(text="Agents/s", is_number=True),
            *(Head(text=title.capitalize(), is_number=True) for title in SHOWN.values()),
        ),
        rows=tuple(
            (
                text(f"{column.number} {column.run.store}", link=column.anchor),
                number(count(column.run.pods), column.run.pods),
                number(decimal(column.run.agents_per_s), column.run.agents_per_s),
                *(_per_step(one) for one in _figures(column.run)),
            )
            for column in calm
        ),
        is_sortable=True,
        note=f"By the stores' own counters. {'. '.join(sorted(sources))}.",
    )


def _figures(run: RunResult) -> tuple[StoreFigure, ...]:
    return run.state_store.figures if run.state_store is not None else ()


def _has_figures(run: RunResult) -> bool:
    """Runs without faults, also of a store that says nothing: its rate is a figure, too."""
    return run.state == "judged" and run.state_store is not None and not run.faults_planned


def _is_skipped(run: RunResult) -> bool:
    return run.state == "skipped" and run.store not in ("", "none")


def _figure_row(one: StoreFigure) -> tuple[Value, ...]:
    total = number(NONE, -1.0) if one.total is None else number(count(one.total), one.total)
    said = one.source if one.total is not None else one.reason
    return text(SHOWN.get(one.name, one.name)), total, _per_step(one), text(wording.sentence(said))


def _per_step(one: StoreFigure) -> Value:
    return (
        number(NONE, -1.0) if one.per_step is None else number(decimal(one.per_step), one.per_step)
    )


def _check_row(one: StoreCheck) -> tuple[Value, ...]:
    sign, tone = CHECK_SIGNS[_state_of(one)]
    return text(one.name), text(sign, tone=tone), text(""), text(wording.sentence(one.text))


def _state_of(one: StoreCheck) -> str:
    """Its verdict, or unpromised where it fell and nobody had promised it."""
    return "unpromised" if one.verdict == "invalid" and not one.is_promised else one.verdict


def _checks(found: tuple[StoreCheck, ...]) -> Value:
    """How many hold, and what the others are."""
    if not found:
        return text(NONE)
    states = [_state_of(one) for one in found]
    worst = next(one for one in CHECK_SIGNS if one in states)
    sign, tone = CHECK_SIGNS[worst]
    return text(f"{sign[0]} {states.count('valid')} of {len(found)}", tone=tone)


def _fallen(found: tuple[StoreCheck, ...]) -> Iterator[str]:
    for one in found:
        if one.verdict != "valid":
            yield wording.sentence(f"{one.name}, {CHECK_SIGNS[_state_of(one)][0]}: {one.text}")


def _outcome(found: StateStore) -> str:
    return f"{found.seen}; expected {found.expected}" if found.expected else found.seen
