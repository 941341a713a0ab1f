"""Marks that several plots share: a figure with its interval, three percentiles in a row, a legend.

A shape each, since colour is never the only sign.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from harness.results import Distribution
from reports.drawing import Palette, plain
from reports.rows import P95_MIN_COUNT, P99_MIN_COUNT
from reports.wording import shortened

P50, P95, P99 = "o", "D", "s"
NAME_WIDTH = 44
"""Signs of a row's name, of which the longest decides where the plot begins."""


def names(axes: Axes, rows: Sequence[str]) -> None:
    """A name for each row, from the top, with as much room on the left as the longest takes."""
    shown = [shortened(name, NAME_WIDTH) for name in rows]
    axes.set_yticks(range(len(shown)), [plain(name) for name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    font = FontProperties()
    widths = [text_to_path.get_text_width_height_descent(name, font, False)[0] for name in shown]
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.subplots_adjust(left=(max(widths) + 12) / (72 * figure.get_figwidth()))


def from_zero(axes: Axes) -> None:
    """Have the axis begin at zero, and end behind the last mark, however close marks lie."""
    axes.set_xlim(0, 1.06 * axes.dataLim.x1 or 1)


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
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(labels),
            frameon=False,
            fontsize=9,
            labelcolor=palette.muted,
            borderaxespad=0,
            handletextpad=0.3,
            columnspacing=1.0,
        )
