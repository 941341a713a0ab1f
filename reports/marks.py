"""Marks that several plots share: a figure with its interval, three percentiles in a row, a legend.

A shape each, since colour is never the only sign.
"""

from matplotlib.axes import Axes

from harness.results import Distribution
from reports.drawing import Palette
from reports.rows import P95_MIN_COUNT, P99_MIN_COUNT

P50, P95, P99 = "o", "D", "s"


def dot(
    axes: Axes,
    row: float,
    value: float,
    around: tuple[float, float] | None,
    *,
    color: str,
    mark: str = P50,
) -> None:
    """A figure, and its interval as a bar behind it."""
    if around is not None:
        axes.plot(around, (row, row), "-", color=color, linewidth=4, alpha=0.4)
    axes.plot([value], [row], mark, color=color, markersize=5.5)


def percentiles(
    axes: Axes, row: float, entry: Distribution, palette: Palette, *, has_p99: bool = True
) -> None:
    """p50, p95 and p99 of one set of durations, each with its interval, where samples suffice."""
    for mark, value, around, color, needed in (
        (P50, entry.ms_p50, entry.ms_p50_range, palette.first, 1),
        (P95, entry.ms_p95, entry.ms_p95_range, palette.second, P95_MIN_COUNT),
        (P99, entry.ms_p99, entry.ms_p99_range, palette.third, P99_MIN_COUNT),
    ):
        if entry.count >= needed and value > 0 and (has_p99 or mark != P99):
            dot(axes, row, value, around, color=color, mark=mark)


def percentile_legend(axes: Axes, palette: Palette, *, has_p99: bool = True) -> None:
    """What the marks are."""
    for mark, name, color in (
        (P50, "p50", palette.first),
        (P95, "p95", palette.second),
        (P99, "p99", palette.third),
    ):
        if has_p99 or mark != P99:
            axes.plot([], [], mark, color=color, markersize=5, label=name)
    legend(axes, palette)


def legend(axes: Axes, palette: Palette) -> None:
    """Above the plot on the right; none for a single line."""
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
            labelcolor=palette.muted,
            borderaxespad=0,
            handletextpad=0.3,
            columnspacing=1.0,
        )
