"""What an engine's spans show, in a table of a run and in one over all runs. Pure.

No promise rests on it; shown for runs that collected spans.
"""

from harness.results import MatrixResult, RunResult, Tracing
from reports import wording
from reports.compare import columns
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, decimal, percent

NOT_IMPLEMENTED = "not implemented"
"""How `Tracing.exports` begins where an engine exports nothing."""
RULES = (
    "A span belongs to the agent that it names, or that its nearest ancestor in the trace names. A "
    "step has a span when one of its agent's, for a piece of work, lies around an execution of it; "
    "the innermost counts, each for one execution. Before and after a kill is by a span's end."
)


def tracing_table(run: RunResult) -> Table | None:
    """The figures with what they mean; None for a run without tracing."""
    found = run.tracing
    if found is None:
        return None
    return Table(
        key="tracing",
        caption="What its spans show",
        head=(
            Head(text="What"),
            Head(text="Figure", is_number=True),
            Head(text="Meaning", is_long=True),
        ),
        rows=(
            (
                text("spans"),
                number(count(found.spans_count), found.spans_count),
                text(wording.sentence(f"how they leave: {found.exports}")),
            ),
            *(_figures(found) if has_any(found) else ()),
        ),
        note=" ".join((*(wording.sentence(one) for one in found.problems), RULES)),
    )


def tracings(matrix: MatrixResult) -> Table | None:
    """A row a run with tracing; None for fewer than two."""
    traced = [
        (column, column.run.tracing)
        for column in columns(matrix)
        if column.run.tracing is not None and column.run.state == "judged"
    ]
    if len(traced) < 2:
        return None
    return Table(
        key="tracings",
        caption="What the engines' spans show",
        head=(
            Head(text="Run"),
            Head(text="Spans", is_number=True),
            Head(text="Steps with a span", is_number=True),
            Head(text="Spans per step", is_number=True),
            Head(text="Orphan spans", is_number=True),
            Head(text="Spans of no agent", is_number=True),
            Head(text="Agents in one trace", is_number=True),
            Head(text="Traces that outlive a kill", is_number=True),
        ),
        rows=tuple(
            (
                text(f"{column.number} {column.label}", link=column.anchor),
                number(count(found.spans_count), found.spans_count),
                *(_row(found) if has_any(found) else 6 * (number(NONE, -1.0),)),
            )
            for column, found in traced
        ),
        is_sortable=True,
        note=RULES,
    )


def has_any(found: Tracing) -> bool:
    """Whether shares mean anything: none of an engine that exports is a finding."""
    return bool(found.spans_count) or not found.exports.startswith(NOT_IMPLEMENTED)


def _row(found: Tracing) -> tuple[Value, ...]:
    return (
        _share(found.steps_spanned_count, found.steps_count),
        _per_step(found),
        _share(found.orphans_count, found.spans_count),
        _share(found.strangers_count, found.spans_count),
        _share(found.agents_one_trace_count, found.agents_count),
        _share(found.survived_count, found.interrupted_count),
    )


def _figures(found: Tracing) -> list[tuple[Value, ...]]:
    spans, steps = found.spans_count, found.steps_count
    executions, agents = found.executions_count, found.agents_count
    rows: list[tuple[Value, ...]] = [
        _shared("steps with a span", found.steps_spanned_count, steps, "steps that were executed"),
        _shared(
            "executions with a span",
            found.executions_spanned_count,
            executions,
            "executions, repeats included",
        ),
        (text("spans per step"), _per_step(found), text("of all spans, per executed step")),
        _shared("orphan spans", found.orphans_count, spans, "spans name a parent that never came"),
        _shared("spans of no agent", found.strangers_count, spans, "spans lead to no agent"),
        _shared("agents in one trace", found.agents_one_trace_count, agents, "agents with a span"),
    ]
    if found.interrupted_count:
        rows.append(
            (
                text("traces that outlive a kill"),
                _share(found.survived_count, found.interrupted_count),
                text(
                    _of(found.survived_count, found.interrupted_count, "agents interrupted")
                    + f"; {count(found.cut_count)} went on in another trace, "
                    f"{count(found.lost_count)} have no span on one side"
                ),
            )
        )
    if found.left_out_count or found.refused_count:
        rows.append(
            (
                text("not taken"),
                number(
                    count(found.left_out_count + found.refused_count),
                    found.left_out_count + found.refused_count,
                    tone="warn",
                ),
                text(
                    f"{count(found.left_out_count)} spans when the file was full, "
                    f"{count(found.refused_count)} spans or requests that were no proper OTLP"
                ),
            )
        )
    return rows


def _shared(title: str, part: int, whole: int, what: str) -> tuple[Value, ...]:
    return text(title), _share(part, whole), text(_of(part, whole, what))


def _of(part: int, whole: int, what: str) -> str:
    return f"{count(part)} of {count(whole)} {what}"


def _share(part: int, whole: int) -> Value:
    return number(percent(part / whole), part / whole) if whole else number(NONE, -1.0)


def _per_step(found: Tracing) -> Value:
    if not found.steps_count:
        return number(NONE, -1.0)
    ratio = found.spans_count / found.steps_count
    return number(decimal(ratio), ratio)
