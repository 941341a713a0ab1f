"""A run's section of the page, as the template needs it.

Called by `reports.html`; decides what of a run is shown, in which order, and what has to be opened.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup

from harness.results import Assumption
from reports import messages, plots, rows, wording
from reports.client import client_table
from reports.commits import commits_table
from reports.compare import Column, State
from reports.drawing import Drawing, page_svg
from reports.footprint import footprint
from reports.promises import promise_table
from reports.room import Room
from reports.stores import store_table
from reports.sweep import sweep_tables
from reports.tables import Table
from reports.timeline import timeline_svg
from reports.tracing import tracing_table
from reports.witnesses import Refutation, Witness, refutations, repeat_line, run_place

Some = TypeVar("Some")


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
class GroupView:
    """All violations of one name: the smallest in full, some others in a table."""

    name: str
    smallest: Witness
    picture: Markup | None
    """The time axis of the smallest one's agent; None when it stands elsewhere on the page."""
    others: tuple[Witness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefutationView:
    """A refuted promise as the template needs it."""

    id: str
    refutation: Refutation
    violations: str
    hidden: str
    """How many are in the run's files alone; empty for none."""
    groups: tuple[GroupView, ...]
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
    room: Room
    is_judged: bool
    headline: str
    summary: str
    resume_line: str
    state_reason: str
    refutations: tuple[RefutationView, ...]
    pictures: dict[str, Markup]
    """Agent -> its time axis, of those that no violation above shows."""
    pictures_left_out: int
    parts: tuple[Part, ...]
    assumptions: tuple[Assumption, ...]
    doubts: tuple[str, ...]
    repeat_command: str
    explain_command: str
    place: str
    environment: tuple[tuple[str, str], ...]


def run_view(
    column: Column,
    room: Room,
    differing: tuple[tuple[str, str], ...],
    directory: Path | None,
) -> RunView:
    """Everything of a run's section; plots are drawn here."""
    run = column.run
    pictures = {
        timeline.agent: timeline_svg(timeline, f"{column.anchor}-agent-{number}")
        for number, timeline in enumerate(run.timelines)
        if timeline.agent in room.pictures
    }
    place = run_place(run, directory)
    return RunView(
        column=column,
        room=room,
        is_judged=run.state == "judged",
        headline=wording.sentence(run.headline),
        summary=wording.sentence(run.summary),
        resume_line=rows.resume_line(run),
        state_reason=wording.sentence(run.state_reason or "no reason was given"),
        refutations=tuple(
            _refutation(one, column.anchor, room, pictures) for one in refutations(run, directory)
        ),
        pictures=pictures,
        pictures_left_out=len(run.timelines) - len(room.pictures),
        parts=_parts(column) if run.state == "judged" else (),
        assumptions=run.assumptions,
        doubts=tuple(wording.sentence(doubt) for doubt in run.doubts),
        repeat_command=repeat_line(run, directory),
        explain_command=f"{wording.command('onceproof', 'explain', place)} AGENT",
        place=place,
        environment=differing,
    )


def _refutation(
    found: Refutation, anchor: str, room: Room, pictures: dict[str, Markup]
) -> RefutationView:
    """Takes the pictures that it shows out of ``pictures``: each stands on the page once."""
    groups = tuple(
        GroupView(
            name=group.name,
            smallest=group.smallest,
            picture=pictures.pop(group.smallest.agent, None),
            others=group.others[: room.examples],
        )
        for group in found.groups
    )
    hidden = found.violations_count - sum(1 + len(group.others) for group in groups)
    return RefutationView(
        id=f"{anchor}-{found.key}",
        refutation=found,
        violations=wording.counted(found.violations_count, "violation"),
        hidden=wording.counted(hidden, "violation") + " more" if hidden > 0 else "",
        groups=groups,
        is_open=found.state is State.REFUTED,
    )


def _parts(column: Column) -> tuple[Part, ...]:
    run, anchor = column.run, column.anchor
    found = (
        Part(title="What came of each strike", tables=sweep_tables(run)),
        Part(title="Agents", tables=some(rows.agents(run))),
        Part(
            title="Throughput and faults",
            plots=drawn(some(plots.throughput(run), plots.phases(run)), anchor),
            tables=some(rows.throughput(run), rows.faults(run)),
        ),
        Part(
            title="Latency and recovery",
            plots=drawn(some(plots.latency(run), plots.resume(run)), anchor),
            tables=some(rows.latency(run)),
        ),
        Part(title="Messages", tables=tuple(messages.tables(run))),
        Part(title="Repeats and their price", tables=some(rows.repeats(run), client_table(run))),
        Part(title="What its spans show", tables=some(tracing_table(run))),
        Part(title="State store", tables=some(store_table(run))),
        Part(title="Footprint", tables=some(footprint(run))),
        Part(
            title="The promises in figures",
            tables=some(promise_table(run), commits_table(run)),
        ),
    )
    return tuple(part for part in found if part.tables or part.plots)


def drawn(drawings: tuple[Drawing, ...], anchor: str) -> tuple[Plot, ...]:
    """The plots as SVG, with ids of their own."""
    return tuple(
        Plot(
            title=one.title,
            caption=one.caption,
            svg=Markup(page_svg(one, f"{anchor}-plot-{one.key}")),
        )
        for one in drawings
    )


def some(*found: Some | None) -> tuple[Some, ...]:
    """Those that are there."""
    return tuple(one for one in found if one is not None)
