"""The plots over all runs of a matrix: engines against each other, a picture a scenario.

Runs of other scenarios carry other loads and faults, so they never share an axis. Repeats of one
cell share a row, so that their spread can be seen.
"""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.results import Distribution, MatrixResult, RunResult
from reports import compare, marks
from reports.drawing import Drawing, Palette, duration_axis, quiet
from reports.intervals import mean_range
from reports.rows import offered_steps
from reports.wording import milliseconds, one_line

ROW_IN, SIZE_IN = 0.27, 9.4
SPREAD = 0.6
"""Part of a row over which repeats are spread."""

Row = tuple[str, list[RunResult]]


def comparison_drawings(matrix: MatrixResult) -> tuple[Drawing, ...]:
    """A drawing for each scenario that at least two judged cells ran."""
    found: list[Drawing] = []
    for scenario in dict.fromkeys(run.scenario for run in matrix.runs):
        cells: dict[tuple[str, ...], list[RunResult]] = {}
        for run in matrix.runs:
            if run.scenario == scenario and run.state == "judged":
                cells.setdefault(tuple(compare.parts(run).values()), []).append(run)
        if len(cells) > 1:
            found.append(_drawing(len(found) + 1, scenario, list(cells.values())))
    return tuple(found)


def _drawing(number: int, scenario: str, cells: list[list[RunResult]]) -> Drawing:
    """A row a cell, named by what tells it from the others; what all share is in the title."""
    parts = [compare.parts(runs[0]) for runs in cells]
    heads = [head for head in parts[0] if len({one[head] for one in parts}) > 1]
    rows: list[Row] = []
    for own, runs in zip(parts, cells, strict=True):
        values = [own[head] for head in heads]
        rows.append((compare.joined(values) or values[-1], runs))
    common = (part for head, part in parts[0].items() if head not in heads)
    name = compare.joined((one_line(scenario), *common))
    has_victims = any(run.resume.count for _, runs in rows for run in runs)
    fastest = [
        f"{label}: agents p50 {milliseconds(_agents(runs[0]).ms_p50)}"
        + (f", victims p50 {milliseconds(runs[0].resume.ms_p50)}" if runs[0].resume.count else "")
        for label, runs in rows
    ]
    victims = (
        "Victim resume time runs from the fault to the first newly used step of an exposed agent. "
        if has_victims
        else ""
    )
    return Drawing(
        key=f"{number}",
        title=name,
        caption=f"{name}, by {' and '.join(heads)}: bars are intervals of 95 %, of percentiles by "
        f"order statistics and of means by batch means. {victims}Steps per second while load was "
        "offered, which depends on that load. Repeats share a row.",
        description=f"{'; '.join(fastest)}. The table at a glance has every number.",
        draw=lambda palette: _figure(rows, palette, has_victims=has_victims),
    )


def _figure(rows: list[Row], palette: Palette, *, has_victims: bool) -> Figure:
    height = 0.95 + ROW_IN * len(rows)
    figure = Figure(figsize=(SIZE_IN, height))
    figure.subplots_adjust(right=0.985, top=1 - 0.5 / height, bottom=0.32 / height, wspace=0.2)
    panels = figure.subplots(1, 3 if has_victims else 2, sharey=True)
    _durations(panels[0], "agent, start to end", rows, _agents, palette)
    if has_victims:
        _durations(panels[1], "victim resume time", rows, lambda run: run.resume, palette)
    _rates(panels[-1], rows, palette)
    marks.names(panels[0], [name for name, _ in rows])
    for axes in panels:
        axes.grid(axis="both")
        quiet(axes)
    return figure


def _durations(
    axes: Axes,
    title: str,
    rows: list[Row],
    pick: Callable[[RunResult], Distribution],
    palette: Palette,
) -> None:
    for place, (_, runs) in enumerate(rows):
        for row, run in zip(_places(place, len(runs)), runs, strict=True):
            if pick(run).count:
                marks.percentiles(axes, row, pick(run), palette, has_p99=False)
    axes.set_title(title, loc="left", fontsize=10, pad=18)
    if any(pick(run).ms_p50 > 0 for _, runs in rows for run in runs):
        duration_axis(axes)
        marks.percentile_legend(axes, palette, has_p99=False)


def _rates(axes: Axes, rows: list[Row], palette: Palette) -> None:
    for place, (_, runs) in enumerate(rows):
        for row, run in zip(_places(place, len(runs)), runs, strict=True):
            values = offered_steps(run)
            if values:
                mean = sum(values) / len(values)
                marks.dot(axes, row, mean, mean_range(values), color=palette.first)
    axes.set_title("steps per second", loc="left", fontsize=10, pad=18)
    marks.from_zero(axes)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _places(place: int, repeats: int) -> list[float]:
    if repeats == 1:
        return [float(place)]
    return [place + SPREAD * (number / (repeats - 1) - 0.5) for number in range(repeats)]


def _agents(run: RunResult) -> Distribution:
    empty = Distribution(name="agent", count=0, ms_p50=0, ms_p95=0, ms_p99=0, ms_max=0)
    return next((entry for entry in run.latencies if entry.name == "agent"), empty)
