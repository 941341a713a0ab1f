"""How plots become SVG and PNG: colours, style, and what is stripped off before a page gets them.

Used by `reports.plots` and `reports.comparison`. On the page text stays text (searchable, in the
reader's font), colours are the page's variables, ids have a prefix, and nothing that changes
between two calls is left in: the same results give the same bytes.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

from reports.wording import clean, count

PNG_DPI = 144
LABELLED = ((300.0, (1.0,)), (30.0, (1.0, 3.0)), (6.0, (1.0, 2.0, 5.0)))
"""From this ratio of its ends on, the multiples of powers of ten that a logarithmic axis has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of a plot."""

    ink: str
    muted: str
    grid: str
    first: str
    second: str
    third: str
    shade: str
    paper: str


STAND_INS = Palette(
    ink="#010203",
    muted="#010204",
    grid="#010205",
    first="#010206",
    second="#010207",
    third="#010208",
    shade="#010209",
    paper="#01020a",
)
"""Replaced by the page's variables after drawing."""
VARIABLES = {
    STAND_INS.ink: "--ink",
    STAND_INS.muted: "--muted",
    STAND_INS.grid: "--rule",
    STAND_INS.first: "--plot-1",
    STAND_INS.second: "--plot-2",
    STAND_INS.third: "--plot-3",
    STAND_INS.shade: "--plot-shade",
    STAND_INS.paper: "--paper",
}
LIGHT = Palette(
    ink="#1b2430",
    muted="#566170",
    grid="#d9dee5",
    first="#2f6db5",
    second="#b3541e",
    third="#6a7785",
    shade="#c2554d",
    paper="#ffffff",
)
"""Of files, which stand alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A plot before it is drawn."""

    key: str
    """Unique within its section; becomes a file name."""
    title: str
    caption: str
    description: str
    """The plot in words, for who cannot see it."""
    draw: Callable[[Palette], Figure]


def page_svg(drawing: Drawing, prefix: str) -> str:
    """An SVG to stand in a page; ids begin with ``prefix``."""
    drawn = _svg(drawing, STAND_INS, prefix)
    drawn = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", drawn)
    drawn = re.sub(r'\bid="', f'id="{prefix}-', drawn)
    drawn = drawn.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    for stand_in, variable in VARIABLES.items():
        drawn = drawn.replace(stand_in, f"var({variable})")
    names = f"{prefix}-title {prefix}-desc"
    head = (
        f'<svg class="plot" viewBox="{_box(drawn)}" role="img" aria-labelledby="{names}">\n'
        f'<title id="{prefix}-title">{escape(clean(drawing.title))}</title>\n'
        f'<desc id="{prefix}-desc">{escape(clean(drawing.description))}</desc>'
    )
    return head + drawn[drawn.index(">") + 1 :]


def file_svg(drawing: Drawing) -> bytes:
    """An SVG that stands alone, in the light colours, on paper."""
    drawn = _svg(drawing, LIGHT, drawing.key)
    box = _box(drawn)
    _, _, width, height = box.split()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width}pt" '
        f'height="{height}pt" font-family="sans-serif">\n'
        f"<title>{escape(clean(drawing.title))}</title>\n"
        f"<desc>{escape(clean(drawing.description))}</desc>\n"
        f'<rect width="100%" height="100%" fill="{LIGHT.paper}"/>'
    )
    return (head + drawn[drawn.index(">") + 1 :] + "\n").encode()


def file_png(drawing: Drawing) -> bytes:
    """A PNG in the light colours."""
    with mpl.rc_context(_style(LIGHT, drawing.key)):
        figure = drawing.draw(LIGHT)
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        figure.savefig(
            buffer,
            format="png",
            dpi=PNG_DPI,
            facecolor=LIGHT.paper,
            metadata={"Software": None, "Title": drawing.title},
        )
    return buffer.getvalue()


def quiet(axes: Axes) -> None:
    """No tick marks, no spine on the left: for rows with names."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0, which="both")


def counted_axis() -> FuncFormatter:
    """Whole numbers with separators."""
    return FuncFormatter(lambda value, _: count(value))


def duration_axis(axes: Axes) -> None:
    """A logarithmic axis of milliseconds, labelled as people say them: 5 ms, 1 s, 20 s."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    locator: Locator = MaxNLocator(nbins=4)
    for ratio, multiples in LABELLED:
        if high / low >= ratio:
            locator = LogLocator(subs=multiples)
            break
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _duration(value)))


def _duration(ms: float) -> str:
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s"


def plain(text: str) -> str:
    """A stranger's string as text of a plot, in which nothing is a formula."""
    return text.replace("$", "\\$")


def _style(palette: Palette, salt: str) -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.size": 10,
        "axes.edgecolor": palette.grid,
        "axes.labelcolor": palette.muted,
        "axes.titlecolor": palette.ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 0.6,
        "xtick.color": palette.grid,
        "ytick.color": palette.grid,
        "xtick.labelcolor": palette.muted,
        "ytick.labelcolor": palette.muted,
        "text.color": palette.ink,
        "lines.linewidth": 1.5,
        "path.simplify": True,
    }


def _svg(drawing: Drawing, palette: Palette, salt: str) -> str:
    """Draw, and strip what no reader needs: metadata, name spaces, ids of groups, digits."""
    with mpl.rc_context(_style(palette, salt)):
        figure = drawing.draw(palette)
        FigureCanvasSVG(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<style.*?</style>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r"<g/>\s*|<defs>\s*</defs>\s*", "", drawn)
    drawn = re.sub(r"(\d+\.\d)\d{2,}", r"\1", drawn)
    drawn = drawn.replace("xlink:href", "href")
    return re.sub(r"\s*\n\s*", "\n", drawn).rstrip()


def _box(drawn: str) -> str:
    found = re.search(r'viewBox="([^"]*)"', drawn)
    return found.group(1) if found else "0 0 562 374"
