"""A capacity report as HTML, Markdown and terminal text; all three draw the same tables. Pure."""

import textwrap
from collections.abc import Iterator

from markupsafe import Markup

from harness.capacity.record import CapacityResult
from reports import wording
from reports.capacity import answers, state_of, tables_of
from reports.capacity_plots import capacity_drawings
from reports.html import TEMPLATES, script_hash_of, templates
from reports.markdown import draw as draw_markdown
from reports.markdown import escaped, fenced
from reports.overview import exit_meaning
from reports.sections import drawn
from reports.text import WIDTH
from reports.wording import seconds

PLOT_OF = {
    "Levels": ("throughput", "latency"),
    "What binds": ("cpu",),
    "Scalability": ("scalability",),
}
"""Heading -> keys of the plots under it."""


def render_capacity_html(result: CapacityResult) -> str:
    """The page: self-contained; the same result gives the same bytes."""
    script = (TEMPLATES / "page.js").read_text("utf-8")
    drawings = {one.key: one for one in capacity_drawings(result)}
    parts = [
        (
            title,
            drawn(
                tuple(drawings[key] for key in PLOT_OF.get(title, ()) if key in drawings),
                "capacity",
            ),
            tables,
        )
        for title, tables in tables_of(result)
    ]
    return (
        templates()
        .get_template("capacity.html.j2")
        .render(
            result=result,
            state=state_of(result),
            who=f"{result.engine}:{result.variant}",
            took=seconds(result.duration_s),
            exit_meaning=exit_meaning(result.exit_code),
            answers=answers(result),
            parts=parts,
            style=Markup((TEMPLATES / "page.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=script_hash_of(f"\n{script}"),
        )
    )


def render_capacity_markdown(result: CapacityResult) -> str:
    """For a pull request or a chat: the answer, its doubts, then every table."""
    return "\n".join(line.rstrip() for line in _markdown(result)) + "\n"


def _markdown(result: CapacityResult) -> Iterator[str]:
    state = state_of(result)
    yield f"# onceproof capacity: {state.symbol} {escaped(result.engine)}"
    yield ""
    yield f"**{escaped(result.headline)}**"
    for title, texts in (
        ("Unknown is not a pass", result.unknowns),
        ("When this is false", result.doubts),
    ):
        if texts:
            yield ""
            yield f"**{title}**"
            yield ""
            yield from (f"- {escaped(wording.sentence(text))}" for text in texts)
    yield ""
    yield from draw_markdown(answers(result))
    for title, tables in tables_of(result):
        yield ""
        yield f"## {title}"
        for table in tables:
            yield ""
            yield from draw_markdown(table)
    yield ""
    yield from (f"- {escaped(one.name)}: {escaped(one.value)}" for one in result.environment)
    yield ""
    yield "Repeat:"
    yield ""
    yield from fenced(result.command)


def render_capacity_text(result: CapacityResult) -> str:
    """For the terminal; no line is longer than 100 signs, wherever it can be broken."""
    state = state_of(result)
    lines = [*_wrapped(f"{state.symbol} {result.headline}", "")]
    for lead, texts in (("? ", result.unknowns), ("· ", result.doubts)):
        for text in texts:
            lines += _wrapped(f"{lead}{wording.sentence(text)}", "  ")
    for row in answers(result).rows:
        name, value, source = row
        doubt = f" ({value.doubt})" if value.doubt else ""
        lines += _wrapped(f"{name.text}: {value.text}{doubt}; {source.text}", "  ")
    for one in (*result.purchase, *result.costs):
        lines += _wrapped(f"{one.name}: {one.value}; {one.text}", "  ")
    lines.append(f"exit code {result.exit_code}: {exit_meaning(result.exit_code)}")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        wording.one_line(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
