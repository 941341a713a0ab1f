"""The plots of a capacity report: load and throughput, latency, concurrency, CPU. Pure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from harness.capacity.record import QUOTA, CapacityResult, Level
from reports import marks
from reports.capacity import free_levels
from reports.drawing import Drawing, Palette, plain
from reports.wording import decimal, seconds

SIZE = (7.8, 3.6)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++", "--", "**", "OO")


def capacity_drawings(result: CapacityResult) -> tuple[Drawing, ...]:
    """Every plot that there are figures for."""
    levels = free_levels(result)
    if len(levels) < 2:
        return ()
    found = (throughput(result), latency(result), concurrency(result), cpu(result))
    return tuple(one for one in found if one is not None)


def throughput(result: CapacityResult) -> Drawing:
    """Ended and good agents by offered load, both sides, and the interval of the capacity."""
    free = free_levels(result)
    limited = [one for one in result.levels if one.side == QUOTA and not one.trouble]

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes()
        top = max(level.arrived_per_s for level in free)
        axes.plot([0, top], [0, top], color=palette.muted, linewidth=0.8, dashes=(2, 2))
        if result.capacity.value is not None:
            axes.axhspan(result.capacity.low, result.capacity.high, color=palette.first, alpha=0.13)
        _reached(axes, free, palette.first, "o", "ended, no quota")
        _line(
            axes,
            free,
            [one.goodput_per_s for one in free],
            color=palette.third,
            mark="D",
            label="goodput",
        )
        if limited:
            _reached(axes, limited, palette.second, "s", "ended, quota")
            if result.quota:
                axes.axhline(
                    result.quota.ceiling_per_s, color=palette.second, linewidth=0.8, dashes=(4, 2)
                )
        _finish(axes, "agents per second", palette)
        return figure

    said = "; ".join(
        f"{decimal(one.arrived_per_s)} offered, {decimal(one.throughput.value or 0)} ended"
        for one in free
    )
    return Drawing(
        key="throughput",
        title="Throughput by offered load",
        caption="Agents that ended, and those that did within the objective, by offered load; bars "
        "are intervals, the band is that of the capacity, the dotted line follows the load. "
        + ("The dashed line is what the quota allows in closed form." if limited else ""),
        description=f"Without a quota: {said}. The table of levels has every number.",
        draw=draw,
    )


def latency(result: CapacityResult) -> Drawing:
    """p50 and p99 by offered load, with the objective."""
    free = free_levels(result)

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes()
        for name, mark, color in (("p50", "o", palette.first), ("p99", "s", palette.second)):
            values = [getattr(one, f"agent_ms_{name}") / 1000 for one in free]
            _line(axes, free, values, color=color, mark=mark, label=name)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
        axes.axhline(result.slo_s, color=palette.shade, linewidth=1, dashes=(4, 2))
        _finish(axes, "seconds from intended start to end", palette, is_from_zero=False)
        return figure

    said = "; ".join(
        f"{decimal(one.arrived_per_s)}/s p99 {seconds(one.agent_ms_p99 / 1000)}" for one in free
    )
    return Drawing(
        key="latency",
        title="Latency by offered load",
        caption="Latency by offered load, no quota; dashed: the objective of "
        f"{seconds(result.slo_s)}. Beyond saturation it is that of a queue which grows while the "
        "level lasts.",
        description=f"{said}. The table of levels has every number.",
        draw=draw,
    )


def concurrency(result: CapacityResult) -> Drawing | None:
    """Throughput by agents in flight, with the fitted curve up to where anything is said."""
    free, fit = free_levels(result), result.scalability
    curve = fit.curve
    if curve is None:
        return None

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes()
        measured = max(level.in_flight_mean for level in free)
        for low, high, dashes in ((1.0, measured, (1, 0)), (measured, fit.reach, (3, 2))):
            at = np.linspace(low, high, 100)
            axes.plot(at, [curve.at(one) for one in at], color=palette.first, dashes=dashes)
        axes.plot(
            [level.in_flight_mean for level in free],
            [level.throughput.value or 0.0 for level in free],
            "o",
            color=palette.second,
        )
        if fit.peak_concurrency.value is not None:
            axes.axvspan(
                fit.peak_concurrency.low, fit.peak_concurrency.high, color=palette.first, alpha=0.13
            )
        _finish(axes, "agents per second", palette)
        axes.set_xlabel("agents in flight, mean")
        return figure

    return Drawing(
        key="scalability",
        title="Throughput by agents in flight",
        caption="Dots are levels, the line is the fitted law: dashed beyond what was measured, and "
        "no further than twice that. The band is the interval of its peak, where it has one.",
        description=f"The fit's relative error is {fit.error_ratio:.1%}. The table of scalability "
        "has its numbers.",
        draw=draw,
    )


def cpu(result: CapacityResult) -> Drawing | None:
    """CPU by kind of process, stacked, by offered load."""
    free = [level for level in free_levels(result) if level.used]
    if not free:
        return None
    totals: dict[str, float] = {}
    for level in free:
        for one in level.used:
            totals[one.kind] = max(totals.get(one.kind, 0.0), one.cores)
    kinds = sorted(totals, key=lambda kind: -totals[kind])

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes()
        places = np.arange(len(free))
        below = np.zeros(len(free))
        colors = (palette.first, palette.second, palette.third, palette.shade)
        for number, kind in enumerate(kinds):
            heights = np.array(
                [sum(one.cores for one in level.used if one.kind == kind) for level in free]
            )
            axes.bar(
                places,
                heights,
                0.7,
                bottom=below,
                color=colors[number % 4],
                hatch=HATCHES[number // 4 % len(HATCHES)],
                edgecolor=palette.paper,
                linewidth=0.6,
                alpha=1.0 if number < 4 else 0.65,
                label=plain(kind),
            )
            below += heights
        others = np.array([level.others_cores for level in free])
        axes.bar(
            places, others, 0.7, bottom=below, fill=False, edgecolor=palette.muted, label="others"
        )
        axes.axhline(result.cores, color=palette.ink, linewidth=0.8, dashes=(4, 2))
        axes.set_xticks(places, [decimal(level.arrived_per_s) for level in free])
        _finish(axes, "cores", palette, is_x_from_zero=False)
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize=9,
            labelcolor=palette.muted,
        )
        figure.subplots_adjust(right=0.82)
        return figure

    top = free[-1]
    said = ", ".join(f"{one.kind} {one.cores:.2f}" for one in top.used)
    return Drawing(
        key="cpu",
        title="CPU by offered load",
        caption=f"Cores busy by kind of process, no quota; dashed: all {result.cores} cores of "
        "this machine. Others is what is not of this run.",
        description=f"At the last level: {said}. The table of CPU has every number.",
        draw=draw,
    )


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE)
    figure.subplots_adjust(left=0.08, right=0.98, top=0.88, bottom=0.15)
    return figure, figure.subplots()


def _reached(axes: Axes, levels: list[Level], color: str, mark: str, label: str) -> None:
    _line(
        axes,
        levels,
        [one.throughput.value or 0.0 for one in levels],
        color=color,
        mark=mark,
        label=label,
    )
    for one in levels:
        x = one.arrived_per_s
        axes.plot(
            (x, x), (one.throughput.low, one.throughput.high), color=color, alpha=0.4, linewidth=4
        )


def _line(
    axes: Axes, levels: list[Level], values: list[float], *, color: str, mark: str, label: str
) -> None:
    places = [level.arrived_per_s for level in levels]
    order = np.argsort(places)
    axes.plot(
        np.array(places)[order],
        np.array(values)[order],
        f"-{mark}",
        color=color,
        label=label,
        markersize=5,
        linewidth=1.1,
    )


def _finish(
    axes: Axes,
    title: str,
    palette: Palette,
    *,
    is_from_zero: bool = True,
    is_x_from_zero: bool = True,
) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("offered, agents per second")
    if is_from_zero:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if is_x_from_zero:
        axes.set_xlim(left=0)
    axes.tick_params(length=0)
    marks.legend(axes, palette)
