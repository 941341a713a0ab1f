"""The terminal summary: plain text, at most 100 columns, readable without colour.

Called by the command line after a run and after a check. What it leaves out stands on the page.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from harness.results import MatrixResult, RunResult
from harness.verdict import MESSAGES
from reports import compare, headline, messages, rows, wording
from reports.compare import SHORT_WORDS, Column, State
from reports.concerns import concerns
from reports.footprint import footprint_of
from reports.overview import exit_of
from reports.stores import store_tables
from reports.sweep import sweep_tables
from reports.tables import Table
from reports.witnesses import refutations

WIDTH = 100
LABEL_WIDTH = 29
CELL_WIDTH = 10
WITNESSES_MAX = 3
"""Witness texts of one run; the page has the others."""
LEGEND = {
    State.REFUTED: "✗ REFUTED: promised by the engine, and broken",
    State.REFUTED_UNPROMISED: "△ refuted: broken, and never promised",
    State.UNKNOWN: "? unknown: not a pass",
    State.NOT_OFFERED: "– no key: the engine offers the tool none, so nothing is judged",
    State.NOT_APPLICABLE: "· n/a: the run has nothing that it is about",
}


def render_text(result: MatrixResult | RunResult, directory: Path | None = None) -> str:
    """Summarise a run, or a matrix of them; no line is longer than 100 signs.

    ``directory`` is the folder of the matrix, for the `explain` commands of a run.
    """
    if isinstance(result, RunResult):
        matrix = _alone(result)
        lines = [*_run(compare.columns(matrix)[0], directory)]
    else:
        lines = [*_matrix(result)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _alone(run: RunResult) -> MatrixResult:
    return MatrixResult(
        name=run.scenario,
        seed=run.seed,
        started_utc="",
        duration_s=run.load_s,
        command=run.repeat_command,
        exit_code=run.exit_code,
        runs=(run,),
    )


def _matrix(matrix: MatrixResult) -> Iterator[str]:
    state = headline.page_state(matrix)
    yield from _wrapped(f"{state.symbol} {state.word.upper()}  {headline.headline(matrix)}")
    yield from _wrapped(headline.counts_line(matrix))
    controls = headline.controls_line(matrix)
    if controls:
        yield from _wrapped(controls)
    if not matrix.runs:
        return
    yield ""
    yield from _vector(matrix)
    for table in store_tables(matrix):
        yield ""
        yield from draw(table)
    found = concerns(matrix)
    if found:
        yield ""
        yield "Unknown is not a pass:" if state is State.UNKNOWN else "Before you believe it:"
        for concern in found:
            where = ", ".join(str(column.number) for column in concern.columns)
            yield from _wrapped(f"run {where}: {concern.title}. {concern.text}", indent="  ")
    yield ""
    yield from _wrapped(f"exit code {matrix.exit_code}: {exit_of(matrix)}")
    yield from _command("repeat", matrix.command)


def _run(column: Column, directory: Path | None) -> Iterator[str]:
    run = column.run
    state = column.state
    yield from _wrapped(f"{state.symbol} {state.word.upper()}  {column.engine}, {column.detail}")
    if run.state != "judged":
        yield from _wrapped(
            wording.sentence(run.state_reason or "no reason was given"), indent="  "
        )
        return
    yield from _wrapped(wording.sentence(run.headline), indent="  ")
    yield ""
    yield from _promises(run)
    for concern in concerns(_alone(run)):
        yield from _wrapped(f"{concern.title}. {concern.text}", indent="  ! ")
    yield ""
    for table in (
        *sweep_tables(run),
        rows.throughput(run),
        rows.latency(run),
        messages.counts(run),
    ):
        if table is not None:
            yield from draw(table)
            yield ""
    yield from _figures(run)
    yield from _witnesses(run, directory)
    yield from _command("repeat", run.repeat_command)


def _promises(run: RunResult) -> Iterator[str]:
    for row in run.promises:
        cell = compare.cell(run, row)
        parts = [cell.counts, cell.bound, cell.reason, cell.expectation]
        detail = "; ".join(part for part in parts if part)
        lead = f"  {row.key:3}{SHORT_WORDS[cell.state]:11}"
        yield from _wrapped(f"{lead}{detail}", hanging=" " * len(lead))


def _figures(run: RunResult) -> Iterator[str]:
    spent = run.repeats
    fired = sum(fault.fired_s >= 0 for fault in run.faults)
    yield from _wrapped(
        f"  faults: {fired} of {run.faults_planned} fired. {rows.resume_line(run)}", hanging="    "
    )
    yield from _wrapped(
        f"  repeats: {wording.counted(spent.llm_count, 'LLM call')}, "
        f"{wording.counted(spent.tool_count, 'tool call')}, "
        f"{wording.counted(spent.wasted_tokens, 'token')} wasted; "
        f"{wording.counted(spent.limited_count, 'answer')} 429 of "
        f"{wording.counted(spent.requests_count, 'request')}",
        hanging="    ",
    )
    sums = footprint_of(run)
    if sums is not None and sums.agents:
        yield from _wrapped(
            f"  footprint of the engine: {sums.per_thousand(sums.engine_cpu_s):,.1f} CPU-s per "
            f"1,000 agents, peak memory {wording.megabytes(sums.engine_rss_mb)}; "
            f"the harness took {wording.percent(sums.harness_ratio)} of all CPU",
            hanging="    ",
        )


def _witnesses(run: RunResult, directory: Path | None) -> Iterator[str]:
    shown = [
        (one.key, one.state, group.smallest)
        for one in refutations(run, directory)
        for group in one.groups
    ]
    if not shown:
        return
    yield ""
    for key, state, witness in shown[:WITNESSES_MAX]:
        yield from _wrapped(
            f"  {SHORT_WORDS[state]} {key}, {witness.name}, agent {witness.agent}"
            + (f", {witness.what} {witness.path}" if witness.path else "")
        )
        yield from _wrapped(wording.one_line(witness.text), indent="      ")
        yield from _command("whole agent", witness.command, indent="      ")
    if len(shown) > WITNESSES_MAX:
        yield f"  {len(shown) - WITNESSES_MAX} more kinds of violation are on the page"


def _vector(matrix: MatrixResult) -> Iterator[str]:
    found = compare.vector(matrix)
    rows = [row for row in found.rows if row.key != MESSAGES or _has_messages(matrix)]
    label_width = min(LABEL_WIDTH, WIDTH - CELL_WIDTH * len(rows))
    yield " " * label_width + "".join(f"{row.key:{CELL_WIDTH}}" for row in rows)
    seen: set[State] = set()
    for index, column in enumerate(found.columns):
        label = wording.shortened(f"{column.number} {column.engine}", label_width - 1)
        states = [row.cells[index].state for row in rows]
        seen.update(states)
        cells = "".join(f"{SHORT_WORDS[state]:{CELL_WIDTH}}" for state in states)
        yield f"{label:{label_width}}{cells}"
        yield from _wrapped(f"{column.detail}: {column.state.word}", indent="  ")
    legend = [text for state, text in LEGEND.items() if state in seen]
    if legend:
        yield from _wrapped("; ".join(legend))


def _has_messages(matrix: MatrixResult) -> bool:
    """Whether the column of M says anything; eight columns leave little room for names."""
    return any(
        row.is_applicable for run in matrix.runs for row in run.promises if row.key == MESSAGES
    )


def draw(table: Table) -> Iterator[str]:
    """A table as aligned text; long columns are left out rather than wrapped."""
    kept = [index for index, head in enumerate(table.head) if not head.is_long]
    body = [[row[index].text for index in kept] for row in (*table.rows, *table.foot)]
    heads = [table.head[index].text for index in kept]
    widths = [
        min(44 if index == 0 else 16, max(len(line[index]) for line in [heads, *body]))
        for index in range(len(kept))
    ]
    widths[0] = min(widths[0], WIDTH - 2 - sum(widths[1:]) - 2 * len(widths[1:]))
    yield from _wrapped(table.caption, indent="  ")
    for line in [heads, *body]:
        cells = [
            f"{wording.shortened(text, width):>{width}}"
            if table.head[kept[index]].is_number
            else f"{wording.shortened(text, width):{width}}"
            for index, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield ("  " + "  ".join(cells))[:WIDTH]


def _command(title: str, command: str, indent: str = "  ") -> Iterator[str]:
    """A command on one line where it fits; else on lines of its own, to be joined by the shell."""
    line = f"{indent}{title}: {wording.one_line(command)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{title}:"
    parts = textwrap.wrap(
        wording.one_line(command),
        WIDTH - len(indent) - 4,
        break_on_hyphens=False,
    )
    for number, part in enumerate(parts, start=1):
        yield f"{indent}  {part}" + (" \\" if number < len(parts) else "")


def _wrapped(text: str, indent: str = "", hanging: str | None = None) -> Iterator[str]:
    yield from textwrap.wrap(
        wording.clean(text).rstrip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
    )
