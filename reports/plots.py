"""Plots as inline SVG: small, titled for screen readers, in the colours of the page.

Called by `reports.html`. Text stays text (searchable, in the reader's font), colours become CSS
variables, ids get a prefix, and nothing that changes between two calls is left in: the same run
gives the same bytes.
"""

import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.results import FaultRow, RunResult, Series
from reports.rows import Window, windows
from reports.wording import count, counted, one_line, seconds

BINS_MAX = 200
"""Points of a line; more bins than that are averaged together."""
LABELS_MAX = 14
"""Fault windows that carry their number; more would overlap."""
FAULTS_MAX = 40
"""Rows of the resume plot."""
INK, MUTED, GRID, FIRST, SECOND, THIRD, SHADE = (
    "#010203",
    "#010204",
    "#010205",
    "#010206",
    "#010207",
    "#010208",
    "#010209",
)
"""Stand-ins, replaced by the page's variables after drawing."""
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--rule",
    FIRST: "--plot-1",
    SECOND: "--plot-2",
    THIRD: "--plot-3",
    SHADE: "--plot-shade",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "lines.linewidth": 1.5,
    "path.simplify": True,
}


def throughput_svg(run: RunResult, prefix: str) -> str:
    """Steps, agents and running agents over time, fault windows shaded; empty without a series."""
    if len(run.series.start_s) < 2:
        return ""
    series = rebinned(run.series)
    struck = windows(run)
    with mpl.rc_context({**STYLE, "svg.hashsalt": prefix}):
        figure = Figure(figsize=(7.8, 5.2))
        figure.subplots_adjust(left=0.08, right=0.99, top=0.95, bottom=0.095, hspace=0.32)
        rates, ends, running = figure.subplots(3, 1, sharex=True, height_ratios=(5, 3, 3))
        has_limits = any(series.limited_per_s)
        _line(rates, series, series.steps_per_s, color=FIRST, label="steps/s")
        if has_limits:
            _line(rates, series, series.limited_per_s, color=SECOND, label="429/s", dashes=(4, 2))
        _legend(rates, "steps per second" + (", and 429 answers per second" if has_limits else ""))
        _line(ends, series, series.started_per_s, color=THIRD, label="started/s", dashes=(1.5, 1.5))
        _line(ends, series, series.ended_per_s, color=FIRST, label="ended/s")
        _legend(ends, "agents per second")
        running.fill_between(_middles(series), series.running, color=FIRST, alpha=0.25, linewidth=0)
        _line(running, series, series.running, color=FIRST)
        _legend(running, "agents running")
        running.set_xlabel("seconds after the begin of the load")
        for axes in (rates, ends, running):
            _shade(axes, struck, has_labels=axes is rates)
        return _svg(figure, prefix, "Throughput over time", _described(run, series, struck))


def resume_svg(run: RunResult, prefix: str) -> str:
    """Resume time of the victims of each fault, p50 and maximum; empty without victims."""
    shown = [fault for fault in run.faults if fault.fired_s >= 0 and fault.resume_s_p50 >= 0]
    if not shown:
        return ""
    drawn = shown[:FAULTS_MAX]
    with mpl.rc_context({**STYLE, "svg.hashsalt": prefix, "axes.grid.axis": "x"}):
        height = 0.75 + 0.3 * len(drawn)
        figure = Figure(figsize=(7.8, height))
        figure.subplots_adjust(left=0.3, right=0.98, top=1 - 0.1 / height, bottom=0.55 / height)
        axes = figure.subplots()
        rows = list(range(len(drawn)))
        axes.hlines(rows, 0, [fault.resume_s_max for fault in drawn], color=GRID, linewidth=5)
        axes.plot([f.resume_s_max for f in drawn], rows, "|", color=SECOND, markersize=11, mew=2)
        axes.plot([f.resume_s_p50 for f in drawn], rows, "o", color=FIRST, markersize=6)
        axes.set_yticks(rows, [_fault_label(fault) for fault in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("seconds from fault to first newly used step: dot p50, bar end maximum")
        worst = max(drawn, key=lambda fault: fault.resume_s_max)
        text = (
            f"{counted(len(drawn), 'fault')} of {len(shown)} with exposed steps. The slowest "
            f"victim resumed after {seconds(worst.resume_s_max)} ({one_line(worst.name)}). "
            "The table of faults has every number."
        )
        return _svg(figure, prefix, "Victim resume time by fault", text)


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


def _legend(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.tick_params(length=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 0.98),
            ncols=len(labels),
            frameon=False,
            fontsize=9,
            labelcolor=MUTED,
            borderaxespad=0,
        )


def _shade(axes: Axes, struck: tuple[Window, ...], *, has_labels: bool) -> None:
    if not struck:
        return
    across = axes.get_xaxis_transform()
    spans = Path.make_compound_path(
        *(Path([(w.begin_s, 0), (w.end_s, 0), (w.end_s, 1), (w.begin_s, 1)]) for w in struck)
    )
    edges = Path.make_compound_path(*(Path([(w.begin_s, 0), (w.begin_s, 1)]) for w in struck))
    axes.add_patch(PathPatch(spans, transform=across, color=SHADE, alpha=0.18, linewidth=0))
    axes.add_patch(PathPatch(edges, transform=across, edgecolor=SHADE, linewidth=1))
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
                color=INK,
            )


def _fault_label(fault: FaultRow) -> str:
    return f"{one_line(fault.name)[:28]} ({count(fault.in_flight_count)})".replace("$", "\\$")


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


def _svg(figure: Figure, prefix: str, title: str, description: str) -> str:
    """Draw, and strip what does not belong on a page: metadata, name spaces, fixed sizes."""
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", drawn)
    drawn = re.sub(r"<style.*?</style>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r"<g/>\s*|<defs>\s*</defs>\s*", "", drawn)
    drawn = re.sub(r"(\d+\.\d)\d{2,}", r"\1", drawn)
    drawn = drawn.replace("xlink:href", "href")
    drawn = re.sub(r'\bid="', f'id="{prefix}-', drawn)
    drawn = drawn.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    for stand_in, variable in VARIABLES.items():
        drawn = drawn.replace(stand_in, f"var({variable})")
    drawn = re.sub(r"\s*\n\s*", "\n", drawn)
    box = re.search(r'viewBox="([^"]*)"', drawn)
    names = f"{prefix}-title {prefix}-desc"
    head = (
        f'<svg class="plot" viewBox="{box.group(1) if box else "0 0 562 374"}" role="img" '
        f'aria-labelledby="{names}">\n<title id="{prefix}-title">{escape(title)}</title>\n'
        f'<desc id="{prefix}-desc">{escape(description)}</desc>'
    )
    return head + drawn[drawn.index(">", drawn.index("<svg")) + 1 :].rstrip()
