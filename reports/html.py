"""The page: one self-contained HTML file that needs no network and no other file.

Called by `reports.pages`. It shows what `compare`, `concerns`, `rows`, `overview` and `witnesses`
say, and decides only the order of things. Every string is escaped, control signs are spelled out.
"""

import base64
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.results import Assumption, MatrixResult
from reports import compare, headline, plots, rows, wording
from reports.client import client_table
from reports.compare import Column, State
from reports.comparison import comparison_drawings
from reports.concerns import assumptions_line, concerns
from reports.drawing import Drawing, page_svg
from reports.footprint import footprint
from reports.glossary import GLOSSARY
from reports.overview import at_a_glance, environments, exit_meaning
from reports.promises import promise_table
from reports.sweep import sweep_tables
from reports.tables import Table
from reports.timeline import timeline_svg
from reports.witnesses import Refutation, refutations, run_place

Some = TypeVar("Some")
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawn plot."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A heading of a run's section with what stands under it."""

    title: str
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefutationView:
    """A refuted promise as the template needs it."""

    id: str
    refutation: Refutation
    violations: str
    hidden: str
    is_open: bool
    """Promised and refuted: shown without a click."""

    @property
    def state(self) -> State:
        """Refuted, promised or not."""
        return self.refutation.state

    @property
    def key(self) -> str:
        """Of the promise."""
        return self.refutation.key

    @property
    def text(self) -> str:
        """Of the promise."""
        return self.refutation.text


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run's section."""

    column: Column
    is_judged: bool
    headline: str
    summary: str
    resume_line: str
    state_reason: str
    refutations: tuple[RefutationView, ...]
    timelines: dict[str, Markup]
    """Agent -> its picture."""
    parts: tuple[Part, ...]
    assumptions: tuple[Assumption, ...]
    doubts: tuple[str, ...]
    repeat_command: str
    place: str
    environment: tuple[tuple[str, str], ...]


def render_html(matrix: MatrixResult, directory: Path | None = None) -> str:
    """Render the page; the same matrix and directory give the same bytes.

    ``directory`` is where the matrix lies, as the printed commands shall name it; without it they
    name the run's own folder only.
    """
    found = concerns(matrix)
    facts = environments(matrix)
    heads = compare.columns(matrix)
    script = (TEMPLATES / "page.js").read_text("utf-8")
    state = headline.page_state(matrix)
    many = sum(run.state == "judged" for run in matrix.runs) > 1
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            matrix=matrix,
            state=state,
            headline=headline.headline(matrix),
            counts=headline.counts_line(matrix),
            controls=headline.controls_line(matrix),
            took=wording.seconds(matrix.duration_s),
            exit_meaning=exit_meaning(matrix.exit_code),
            concerns=found,
            is_loud=any(concern.is_loud for concern in found),
            has_unknown=any(concern.kind in ("unknown", "assumption") for concern in found),
            assumptions=assumptions_line(matrix),
            vector=compare.vector(matrix),
            legend=compare.states_shown(matrix),
            meanings=compare.MEANINGS,
            glance=at_a_glance(matrix) if many else None,
            comparisons=_plots(comparison_drawings(matrix), "comparison"),
            run_views=[
                _run_view(column, differing, directory)
                for column, differing in zip(heads, facts.differing, strict=True)
            ],
            environment=facts.common,
            glossary=GLOSSARY,
            style=Markup((TEMPLATES / "page.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=_script_hash(f"\n{script}"),
        )
    )


def _run_view(
    column: Column, differing: tuple[tuple[str, str], ...], directory: Path | None
) -> RunView:
    run = column.run
    return RunView(
        column=column,
        is_judged=run.state == "judged",
        headline=wording.sentence(run.headline),
        summary=wording.sentence(run.summary),
        resume_line=rows.resume_line(run),
        state_reason=wording.sentence(run.state_reason or "no reason was given"),
        refutations=tuple(
            RefutationView(
                id=f"{column.anchor}-{one.key}",
                refutation=one,
                violations=wording.counted(one.violations_count, "violation"),
                hidden=wording.counted(one.hidden_count, "violation") + " more",
                is_open=one.state is State.REFUTED,
            )
            for one in refutations(run, directory)
        ),
        timelines={
            timeline.agent: timeline_svg(timeline, f"{column.anchor}-agent-{number}")
            for number, timeline in enumerate(run.timelines)
        },
        parts=_parts(column) if run.state == "judged" else (),
        assumptions=run.assumptions,
        doubts=tuple(wording.sentence(doubt) for doubt in run.doubts),
        repeat_command=wording.one_line(run.repeat_command),
        place=run_place(run, directory),
        environment=differing,
    )


def _parts(column: Column) -> tuple[Part, ...]:
    run, anchor = column.run, column.anchor
    found = (
        Part(title="What came of each strike", tables=sweep_tables(run)),
        Part(title="Agents", tables=_some(rows.agents(run))),
        Part(
            title="Throughput and faults",
            plots=_plots(_some(plots.throughput(run), plots.phases(run)), anchor),
            tables=_some(rows.throughput(run), rows.faults(run)),
        ),
        Part(
            title="Latency and recovery",
            plots=_plots(_some(plots.latency(run), plots.resume(run)), anchor),
            tables=_some(rows.latency(run)),
        ),
        Part(title="Repeats and their price", tables=_some(rows.repeats(run), client_table(run))),
        Part(title="Footprint", tables=_some(footprint(run))),
        Part(title="The promises in figures", tables=_some(promise_table(run))),
    )
    return tuple(part for part in found if part.tables or part.plots)


def _plots(drawings: tuple[Drawing, ...], anchor: str) -> tuple[Plot, ...]:
    return tuple(
        Plot(
            title=one.title,
            caption=one.caption,
            svg=Markup(page_svg(one, f"{anchor}-plot-{one.key}")),
        )
        for one in drawings
    )


def _some(*found: Some | None) -> tuple[Some, ...]:
    return tuple(one for one in found if one is not None)


def _script_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _shown(value: object) -> object:
    """Spell out control signs in every string that is not markup of ours."""
    return (
        wording.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
