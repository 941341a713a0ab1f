"""The page: one self-contained HTML file that needs no network and no other file.

Called by `reports.pages`. It shows what `compare`, `concerns`, `rows`, `overview` and `witnesses`
say, and decides only the order of things. Every string is escaped, control signs are spelled out.
"""

import base64
import functools
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.results import MatrixResult
from reports import compare, headline, wording
from reports.claims import claim_rows
from reports.comparison import comparison_drawings
from reports.concerns import assumptions_line, concerns
from reports.effort import effort_table
from reports.gate import GateResult
from reports.gate_section import gate_section
from reports.glossary import GLOSSARY
from reports.overview import at_a_glance, environments, exit_of
from reports.platforms import platform_tables
from reports.room import COLUMNS_MAX, rooms
from reports.scoreboard import scoreboard
from reports.sections import drawn, run_view
from reports.stores import store_tables
from reports.tracing import tracings

TEMPLATES = Path(__file__).parent / "templates"


def render_html(
    matrix: MatrixResult, directory: Path | None = None, gate: GateResult | None = None
) -> str:
    """Render the page; the same matrix, directory and gate give the same bytes.

    ``directory`` is where the matrix lies, as the printed commands shall name it; without it they
    name the run's own folder only.
    """
    found = concerns(matrix)
    facts = environments(matrix)
    heads = compare.columns(matrix)
    script = (TEMPLATES / "page.js").read_text("utf-8")
    state = headline.page_state(matrix)
    is_wide = len(heads) > COLUMNS_MAX
    many = sum(run.state == "judged" for run in matrix.runs) > 1
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            matrix=matrix,
            state=state,
            headline=headline.headline(matrix),
            counts=headline.counts_line(matrix),
            controls=headline.controls_line(matrix),
            took=wording.seconds(matrix.duration_s),
            exit_meaning=exit_of(matrix),
            concerns=found,
            is_loud=any(concern.is_loud for concern in found),
            has_unknown=any(concern.kind in ("unknown", "assumption") for concern in found),
            assumptions=assumptions_line(matrix),
            vector=compare.vector(matrix),
            is_wide=is_wide,
            board=scoreboard(matrix),
            claims=claim_rows(matrix),
            gate=gate_section(gate),
            legend=compare.states_shown(matrix),
            meanings=compare.MEANINGS,
            glance=at_a_glance(matrix, has_verdict=not is_wide) if many else None,
            effort=effort_table(matrix),
            tracings=tracings(matrix) if many else None,
            stores=tuple(store_tables(matrix)),
            platforms=tuple(platform_tables(matrix)),
            comparisons=drawn(comparison_drawings(matrix), "comparison"),
            run_views=[
                run_view(column, room, differing, directory)
                for column, room, differing in zip(
                    heads, rooms(matrix), facts.differing, strict=True
                )
            ],
            environment=facts.common,
            glossary=GLOSSARY,
            style=Markup((TEMPLATES / "page.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=script_hash_of(f"\n{script}"),
        )
    )


def script_hash_of(script: str) -> str:
    """What the page's policy allows to run, and nothing else."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _shown(value: object) -> object:
    """Spell out control signs in every string that is not markup of ours."""
    return (
        wording.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    )


@functools.cache
def templates() -> Environment:
    """Templates of pages: every string is escaped, and control signs are spelled out."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
