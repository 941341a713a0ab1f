"""A table before it is HTML, Markdown or terminal text.

Made by `reports.rows` and `reports.compare`, drawn by the three renderers: what a table says is
decided once.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The top of a column."""

    text: str
    """With its unit, where all cells share one."""
    is_number: bool = False
    """True aligns the cells to the right."""
    is_long: bool = False
    """True for running text, which may wrap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One cell."""

    text: str
    sort: float | None = None
    """What sorting compares; None sorts by text, and after every number."""
    is_code: bool = False
    link: str = ""
    """Anchor on the same page."""
    doubt: str = ""
    """Between which two values the number lies at 95 %; empty where that is not known."""
    tone: str = ""
    """good | bad | warn | muted: a second sign beside the word, never the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under heads; the first cell of a row names it."""

    key: str
    """Unique within a run's section; becomes an anchor."""
    caption: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Value, ...], ...]
    foot: tuple[tuple[Value, ...], ...] = ()
    """Sums, which stay below when the rows are sorted."""
    note: str = ""
    """What a reader must know to read the numbers."""
    is_sortable: bool = False


def text(value: str, *, tone: str = "", is_code: bool = False, link: str = "") -> Value:
    """A cell of words."""
    return Value(text=value, tone=tone, is_code=is_code, link=link)


def number(shown: str, value: float, *, tone: str = "", doubt: str = "") -> Value:
    """A cell that shows one thing and sorts by its value."""
    return Value(text=shown, sort=value, tone=tone, doubt=doubt)
