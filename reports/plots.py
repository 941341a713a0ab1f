"""The plots of one run: throughput over time and by phase, latency, victim resume times.

Pure but for drawing. Called by `reports.html` and `reports.pages`; what is drawn and in which words
is decided here, `reports.drawing` makes SVG and PNG of it.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from harness.results import RunResult, Series
from reports import marks
from reports.drawing import Drawing, Palette, counted_axis, duration_axis, quiet
from reports.rows import LATENCIES, Window, phase_means, windows
from reports.wording import count, counted, milliseconds, one_line, seconds

BINS_MAX = 200
"""Points of a line; more bins than that are averaged together."""
SMOOTH_S = 10.0
"""Length of the moving mean."""
LABELS_MAX = 14
"""Fault windows that carry their number; more would overlap."""
FAULTS_MAX = 40
"""Rows of the resume plot."""
SIZE = (7.8, 5.2)


def run_drawings(run: RunResult) -> tuple[Drawing, ...]:
    """Every plot that this run has figures for."""
    found = (throughput(run), phases(run), latency(run), resume(run))
    return tuple(drawing for drawing in found if drawing is not None)


def throughput(run: RunResult) -> Drawing | None:
    """Steps, agents and running agents over time, fault windows shaded; None without a series."""
    if len(run.series.start_s) < 2:
        return None
    series, struck = rebinned(run.series), windows(run)
    shaded = (
        "Shaded: fault windows, from the fault to health seen again, numbered as in the "
        "table of faults."
        if struck
        else "No fault fired in this run."
    )

    def draw(palette: Palette) -> Figure:
        figure = Figure(figsize=SIZE)
        figure.subplots_adjust(left=0.08, right=0.99, top=0.95, bottom=0.095, hspace=0.32)
        rates, ends, running = figure.subplots(3, 1, sharex=True, height_ratios=(5, 3, 3))
        has_limits = any(series.limited_per_s)
        middles = _middles(series)
        rates.plot(middles, series.steps_per_s, color=palette.first, alpha=0.5, linewidth=1.1)
        _line(rates, series, smooth(series), color=palette.first, label="steps/s")
        if has_limits:
            limited = series.limited_per_s
            _line(rates, series, limited, color=palette.second, label="429/s", dashes=(4, 2))
        title = "steps per second" + (", and 429 answers per second" if has_limits else "")
        _finish(rates, title, palette)
        started = series.started_per_s
        _line(ends, series, started, color=palette.third, label="started/s", dashes=(1.5, 1.5))
        _line(ends, series, series.ended_per_s, color=palette.first, label="ended/s")
        _finish(ends, "agents per second", palette)
        running.fill_between(middles, series.running, color=palette.first, alpha=0.25, linewidth=0)
        _line(running, series, series.running, color=palette.first)
        _finish(running, "agents running", palette)
        running.set_xlabel("seconds after the begin of the load")
        for axes in (rates, ends, running):
            _shade(axes, struck, palette, has_labels=axes is rates)
        return figure

    return Drawing(
        key="throughput",
        title="Throughput over time",
        caption=f"Throughput over time; the strong line is a moving mean of {SMOOTH_S:.0f} s, the "
        f"thin one each bin. {shaded}",
        description=_described(run, series, struck),
        draw=draw,
    )


def phases(run: RunResult) -> Drawing | None:
    """Mean rates before, during and after the faults, with their intervals; None without faults."""
    found = phase_means(run)
    if len(found) < 2:
        return None

    def draw(palette: Palette) -> Figure:
        height = 0.85 + 0.3 * len(found)
        figure = Figure(figsize=(SIZE[0], height))
        figure.subplots_adjust(right=0.98, top=1 - 0.32 / height, bottom=0.32 / height, wspace=0.08)
        panels = figure.subplots(1, 2, sharey=True)
        names = ("steps per second", "agents ended per second")
        for axes, name, which in zip(panels, names, ("steps", "ended"), strict=True):
            for row, phase in enumerate(found):
                mean, around = getattr(phase, which), getattr(phase, f"{which}_range")
                marks.dot(axes, row, mean, around, color=palette.first)
            axes.set_title(name, loc="left", fontsize=10)
            marks.from_zero(axes)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.grid(axis="x")
            axes.grid(visible=False, axis="y")
            quiet(axes)
        marks.names(panels[0], [phase.title for phase in found])
        return figure

    said = "; ".join(f"{one.title}: {one.steps:.1f} steps/s" for one in found)
    return Drawing(
        key="phases",
        title="Throughput before, during and after the faults",
        caption="Mean rates by phase: dot the mean, bar its interval of 95 % by batch means; no "
        "bar where a phase is too short. Few agents are left after the last arrival.",
        description=f"{said}. The table of throughput has every number.",
        draw=draw,
    )


def latency(run: RunResult) -> Drawing | None:
    """Percentiles of every duration with their intervals, on one logarithmic axis."""
    shown = [entry for entry in run.latencies if entry.count > 0 and entry.ms_p50 > 0]
    named = [(one_line(LATENCIES.get(one.name, one.name)), one) for one in shown]
    if run.resume.count > 0:
        named.append(("victim resume time", run.resume))
    if not named:
        return None

    def draw(palette: Palette) -> Figure:
        height = 0.95 + 0.36 * len(named)
        figure = Figure(figsize=(SIZE[0], height))
        figure.subplots_adjust(right=0.98, top=1 - 0.38 / height, bottom=0.32 / height)
        axes = figure.subplots()
        for row, (_, entry) in enumerate(named):
            marks.percentiles(axes, row, entry, palette)
        duration_axis(axes)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        marks.names(axes, [name for name, _ in named])
        quiet(axes)
        marks.percentile_legend(axes, palette)
        return figure

    said = "; ".join(f"{name}: p50 {milliseconds(one.ms_p50)}" for name, one in named)
    return Drawing(
        key="latency",
        title="Latency, with intervals",
        caption="Percentiles with their intervals of 95 % by order statistics, on a logarithmic "
        "axis; what has too few samples is left out.",
        description=f"{said}. The table of latency has every number.",
        draw=draw,
    )


def resume(run: RunResult) -> Drawing | None:
    """Resume time of the victims of each fault, p50 and maximum; None without victims."""
    shown = [fault for fault in run.faults if fault.fired_s >= 0 and fault.resume_s_p50 >= 0]
    if not shown:
        return None
    drawn = shown[:FAULTS_MAX]
    worst = max(drawn, key=lambda fault: fault.resume_s_max)

    def draw(palette: Palette) -> Figure:
        height = 0.75 + 0.3 * len(drawn)
        figure = Figure(figsize=(SIZE[0], height))
        figure.subplots_adjust(right=0.98, top=1 - 0.1 / height, bottom=0.55 / height)
        axes = figure.subplots()
        rows = list(range(len(drawn)))
        slowest = [fault.resume_s_max for fault in drawn]
        axes.hlines(rows, 0, slowest, color=palette.grid, linewidth=5)
        axes.plot(slowest, rows, "|", color=palette.second, markersize=11, mew=2)
        medians = [fault.resume_s_p50 for fault in drawn]
        axes.plot(medians, rows, "o", color=palette.first, markersize=6)
        marks.names(
            axes, [f"{one_line(fault.name)} ({count(fault.in_flight_count)})" for fault in drawn]
        )
        marks.from_zero(axes)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        quiet(axes)
        axes.set_xlabel("seconds from fault to first newly used step: dot p50, bar end maximum")
        return figure

    return Drawing(
        key="resume",
        title="Victim resume time by fault",
        caption="Victim resume time by fault; in brackets the steps in flight on the victim, an "
        "upper bound.",
        description=f"{counted(len(drawn), 'fault')} of {len(shown)} with exposed steps. The "
        f"slowest victim resumed after {seconds(worst.resume_s_max)} ({one_line(worst.name)}). "
        "The table of faults has every number.",
        draw=draw,
    )


def rebinned(series: Series) -> Series:
    """At most `BINS_MAX` bins: rates averaged, the running agents as at the end of each."""
    width = -(-len(series.start_s) // BINS_MAX)
    if width <= 1:
        return series

    def mean(values: tuple[float, ...]) -> tuple[float, ...]:
        groups = [values[at : at + width] for at in range(0, len(values), width)]
        return tuple(sum(group) / len(group) for group in groups)

    last = tuple(
        series.running[min(at + width, len(series.running)) - 1]
        for at in range(0, len(series.running), width)
    )
    return Series(
        bin_s=series.bin_s * width,
        start_s=series.start_s[::width],
        steps_per_s=mean(series.steps_per_s),
        ended_per_s=mean(series.ended_per_s),
        started_per_s=mean(series.started_per_s),
        limited_per_s=mean(series.limited_per_s),
        running=last,
    )


def smooth(series: Series) -> tuple[float, ...]:
    """The moving mean of the steps, centred, over `SMOOTH_S`; shorter at both ends."""
    half = max(0, round(SMOOTH_S / series.bin_s) // 2)
    values = series.steps_per_s
    parts = [values[max(0, at - half) : at + half + 1] for at in range(len(values))]
    return tuple(sum(part) / len(part) for part in parts)


def _middles(series: Series) -> list[float]:
    return [begin + series.bin_s / 2 for begin in series.start_s]


def _line(
    axes: Axes,
    series: Series,
    values: tuple[float, ...],
    *,
    color: str,
    label: str = "",
    dashes: tuple[float, float] | None = None,
) -> None:
    style: dict[str, Any] = {"dashes": dashes} if dashes else {}
    axes.plot(_middles(series), values, color=color, label=label or "_hidden", **style)


def _finish(axes: Axes, title: str, palette: Palette) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.tick_params(length=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(counted_axis())
    marks.legend(axes, palette)


def _shade(axes: Axes, struck: tuple[Window, ...], palette: Palette, *, has_labels: bool) -> None:
    if not struck:
        return
    across = axes.get_xaxis_transform()
    spans = Path.make_compound_path(
        *(Path([(w.begin_s, 0), (w.end_s, 0), (w.end_s, 1), (w.begin_s, 1)]) for w in struck)
    )
    edges = Path.make_compound_path(*(Path([(w.begin_s, 0), (w.begin_s, 1)]) for w in struck))
    axes.add_patch(PathPatch(spans, transform=across, color=palette.shade, alpha=0.18, linewidth=0))
    axes.add_patch(PathPatch(edges, transform=across, edgecolor=palette.shade, linewidth=1))
    for number, window in enumerate(struck, start=1):
        if has_labels and len(struck) <= LABELS_MAX:
            axes.annotate(
                str(number),
                (window.begin_s, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, -2),
                textcoords="offset points",
                va="top",
                fontsize=9,
                color=palette.ink,
            )


def _described(run: RunResult, series: Series, struck: tuple[Window, ...]) -> str:
    peak, ended = max(series.steps_per_s), max(series.ended_per_s)
    text = (
        f"Bins of {seconds(series.bin_s)}. Up to {count(peak)} steps/s, {count(ended)} agents "
        f"ended/s, {counted(round(max(run.series.running)), 'agent')} running at once."
    )
    if struck:
        at = ", ".join(f"{window.begin_s:.0f}" for window in struck[:LABELS_MAX])
        more = ", ..." if len(struck) > LABELS_MAX else ""
        text += f" {counted(len(struck), 'fault window')} shaded, from second {at}{more}."
    return text
