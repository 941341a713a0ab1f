"""What durability takes with each engine: who resumes, and how many lines. Pure."""

from harness.results import MatrixResult, RunResult
from reports import wording
from reports.compare import engine_name
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count

WHO = {
    "native": "the engine (native)",
    "assisted": "whoever submits them again (assisted)",
    "none": "nobody (none)",
}


def effort_table(matrix: MatrixResult) -> Table | None:
    """A row for each engine, variant and store of the judged runs; None for fewer than two."""
    judged = [run for run in matrix.runs if run.state == "judged"]
    runs = {(run.engine, run.variant, run.store): run for run in judged if run.effort}
    if len(runs) < 2:
        return None
    return Table(
        key="effort",
        caption="What durability takes",
        head=(
            Head(text="Engine"),
            Head(text="Store"),
            Head(text="Who resumes agents of a killed pod"),
            Head(text="Lines of code", is_number=True),
            Head(text="Lines of configuration", is_number=True),
        ),
        rows=tuple(map(_row, runs.values())),
        is_sortable=True,
        note="Lines of the adapter that are there for durability and recovery alone, marked in its "
        "source and counted: they open the store, say where a result is kept, find out what is "
        "there, have the engine go on. Not counted: the agent itself, retries, messages, the "
        "answers to this harness, and what must run beside it, such as Dapr's control plane. "
        "Configuration is of component files, without comments. Assisted recovery takes somebody "
        "more, who knows the unfinished agents; here it is the harness.",
    )


def _row(run: RunResult) -> tuple[Value, ...]:
    found = run.effort
    assert found is not None
    return (
        text(engine_name(run), is_code=True),
        text(wording.one_line(run.store) if run.store not in ("", "none") else NONE),
        text(WHO.get(run.recovery_kind, wording.one_line(run.recovery_kind) or "unstated")),
        number(count(found.code_lines), found.code_lines),
        number(count(found.config_lines), found.config_lines),
    )
