"""The Markdown summary: for a pull request, a job summary, a chat. The first screen decides.

Called by `reports.pages`. Under 64 KiB, whatever comes in: examples are left out first, then whole
runs, and the text says so.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from harness.results import MatrixResult
from reports import compare, headline, rows, wording
from reports.claims import claim_rows
from reports.commits import commits_table
from reports.compare import Column
from reports.concerns import concerns
from reports.effort import effort_table
from reports.overview import at_a_glance, environments, exit_of
from reports.platforms import platform_tables
from reports.promises import promise_table
from reports.room import COLUMNS_MAX
from reports.scoreboard import scoreboard
from reports.stores import store_tables
from reports.sweep import sweep_tables
from reports.tables import Table
from reports.tracing import tracings
from reports.witnesses import Refutation, refutations, repeat_line

BYTES_MAX = 64 * 1024
EXAMPLES = (2, 1, 0)
"""Examples of each kind of violation, tried in this order until the text fits."""
TEXT_WIDTH = 1200
"""Signs of one stranger's string."""
SPECIAL = re.compile(r"([\\`*_\[\]|~#!])")


def render_markdown(matrix: MatrixResult, directory: Path | None = None) -> str:
    """Summarise a matrix; the same input gives the same bytes, always fewer than 64 KiB."""
    shown = len(matrix.runs)
    for examples in EXAMPLES:
        found = _rendered(matrix, directory, examples, shown)
        if len(found.encode()) < BYTES_MAX:
            return found
    while shown > 0:
        shown //= 2
        found = _rendered(matrix, directory, 0, shown)
        if len(found.encode()) < BYTES_MAX:
            return found
    return _cut(found)


def _rendered(matrix: MatrixResult, directory: Path | None, examples: int, shown: int) -> str:
    lines = [*_top(matrix)]
    for column in compare.columns(matrix)[:shown]:
        lines += ["", *_run(column, directory, examples)]
    if shown < len(matrix.runs):
        left_out = wording.counted(len(matrix.runs) - shown, "run")
        lines += ["", f"{left_out} left out here; the page has them."]
    lines += ["", *_bottom(matrix)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _top(matrix: MatrixResult) -> Iterator[str]:
    state = headline.page_state(matrix)
    yield f"# onceproof {escaped(matrix.name)}: {state.symbol} {state.word}"
    yield ""
    yield f"**{escaped(headline.headline(matrix))}**"
    yield ""
    yield escaped(headline.counts_line(matrix)) + ". " + escaped(headline.controls_line(matrix))
    if matrix.runs:
        yield ""
        yield from _board(matrix) if len(matrix.runs) > COLUMNS_MAX else _vector(matrix)
    found = concerns(matrix)
    if found:
        yield ""
        yield "**Unknown is not a pass.**" if any(one.is_loud for one in found) else "**Doubts**"
        yield ""
        for concern in found:
            where = ", ".join(str(column.number) for column in concern.columns)
            yield f"- {escaped(concern.title)} (run {where}): {escaped(concern.text)}"
    yield ""
    yield "Repeat:"
    yield ""
    yield from fenced(matrix.command)
    glance = at_a_glance(matrix) if len(matrix.runs) > 1 else None
    beside = (glance, effort_table(matrix), tracings(matrix))
    for table in (*store_tables(matrix), *platform_tables(matrix), *beside):
        if table is not None:
            yield ""
            yield from draw(table)
    yield from _claims(matrix)


def _vector(matrix: MatrixResult) -> Iterator[str]:
    found = compare.vector(matrix)
    heads = [
        f"{column.number} {escaped(column.engine)}<br>{escaped(column.detail)}"
        for column in found.columns
    ]
    yield "| Promise | " + " | ".join(heads) + " |"
    yield "|---|" + "---|" * len(heads)
    for row in found.rows:
        cells = []
        for cell in row.cells:
            parts = [f"{cell.state.symbol} **{cell.state.word}**", cell.counts, cell.bound]
            parts = [parts[0], *(escaped(part) for part in parts[1:] if part)]
            parts += [escaped(cell.expectation)] if cell.expectation else []
            cells.append("<br>".join(parts))
        yield f"| **{row.key}** {escaped(row.text)} | " + " | ".join(cells) + " |"


def _board(matrix: MatrixResult) -> Iterator[str]:
    """Many runs: a row a run, since no screen has forty columns."""
    board = scoreboard(matrix)
    yield "| Run | Verdict | " + " | ".join(key for key, _ in board.heads) + " |"
    yield "|---|---|" + "---|" * len(board.heads)
    for group in board.groups:
        yield f"| **{escaped(group.scenario)}** |" + " |" * (len(board.heads) + 1)
        for row in group.rows:
            name = escaped(" ".join([row.column.engine, row.column.place]).strip())
            marks = [f"{mark.short} {mark.violations}".strip() for mark in row.marks]
            state = row.column.state
            yield (
                f"| {row.column.number} {name} | {state.symbol} {state.word} | "
                + " | ".join(marks)
                + " |"
            )
    yield ""
    yield "; ".join(f"**{key}** {escaped(text)}" for key, text in board.heads)


def _claims(matrix: MatrixResult) -> Iterator[str]:
    rows = claim_rows(matrix)
    if not rows:
        return
    yield ""
    yield "| Claim | Found | Why | Runs |"
    yield "|---|---|---|---|"
    for row in rows:
        runs = ", ".join(str(column.number) for column in row.columns) or wording.NONE
        yield (
            f"| {escaped(row.text)} | {row.symbol} **{escaped(row.word)}** | "
            f"{escaped(row.reason)} | {runs} |"
        )


def _run(column: Column, directory: Path | None, examples: int) -> Iterator[str]:
    run = column.run
    yield f"## {column.number} {escaped(column.engine)}, {escaped(column.detail)}"
    yield ""
    yield f"{column.state.symbol} **{column.state.word}**"
    yield ""
    if run.state != "judged":
        yield escaped(wording.sentence(run.state_reason or "no reason was given"))
        return
    yield f"{escaped(wording.sentence(run.headline))} {escaped(rows.resume_line(run))}"
    for one in refutations(run, directory):
        yield ""
        yield from _refutation(one, examples)
    beside = (promise_table(run), commits_table(run))
    tables = (*sweep_tables(run), *rows.tables(run), *(one for one in beside if one))
    yield ""
    yield "<details><summary>Figures</summary>"
    for table in tables:
        yield ""
        yield from draw(table)
    yield ""
    yield "</details>"
    yield ""
    yield from fenced(repeat_line(run, directory))


def _refutation(found: Refutation, examples: int) -> Iterator[str]:
    violations = wording.counted(found.violations_count, "violation")
    yield (
        f"**{found.state.symbol} {found.key} {found.state.word}**: {escaped(found.text)}; "
        f"{violations}. {escaped(found.reason)}"
    )
    for group in found.groups:
        for one in (group.smallest, *group.others)[:examples]:
            yield ""
            step = f", {one.what} {code(one.path)}" if one.path else ""
            yield f"{code(one.name)}, agent {code(one.agent)}{step}: {escaped(one.text)}"
            yield ""
            yield from fenced(one.command)


def _bottom(matrix: MatrixResult) -> Iterator[str]:
    facts = environments(matrix).common
    if facts:
        yield "<details><summary>Environment</summary>"
        yield ""
        for name, value in facts:
            yield f"- {escaped(name)}: {escaped(value)}"
        yield ""
        yield "</details>"
        yield ""
    yield (
        f"Seed {matrix.seed}, started {escaped(matrix.started_utc) or 'at an unknown time'}, took "
        f"{wording.seconds(matrix.duration_s)}, exit code {matrix.exit_code} "
        f"({exit_of(matrix)})."
    )


def draw(table: Table) -> Iterator[str]:
    """A table in Markdown, with its caption above and its note below."""
    yield f"**{escaped(table.caption)}**"
    yield ""
    yield "| " + " | ".join(escaped(head.text) for head in table.head) + " |"
    yield "|" + "|".join("---:" if head.is_number else "---" for head in table.head) + "|"
    for row in (*table.rows, *table.foot):
        cells = [
            (code(value.text) if value.is_code else escaped(value.text))
            + (f" ({escaped(value.doubt)})" if value.doubt else "")
            for value in row
        ]
        yield "| " + " | ".join(cells) + " |"
    if table.note:
        yield ""
        yield escaped(table.note)


def escaped(text: str) -> str:
    """A stranger's string as text on one line, in which nothing is markup and nobody is called."""
    line = wording.shortened(text, TEXT_WIDTH)
    line = (
        line.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("@", "&commat;")
    )
    line = line.replace("://", ":&sol;&sol;")
    return SPECIAL.sub(r"\\\1", line)


def code(text: str) -> str:
    """A stranger's string as code; HTML's own tag, since a fence of backticks can be left."""
    return f"<code>{escaped(text)}</code>"


def fenced(command: str) -> Iterator[str]:
    """A command in a fence longer than any that it holds."""
    line = wording.one_line(command)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}console", line, fence)


def _cut(text: str) -> str:
    """Whole lines up to the limit, and a line that says so."""
    end = "\nCut here; the page has it all.\n"
    kept: list[str] = []
    size = len(end.encode())
    for line in text.splitlines():
        size += len(line.encode()) + 1
        if size >= BYTES_MAX:
            break
        kept.append(line)
    return "\n".join(kept) + end
