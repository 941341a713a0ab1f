"""Comparisons in text: what is understood, what is refused, and that nothing is executed."""

import math

import pytest

from harness.errors import UsageError
from harness.expressions import BYTES, COUNT, DEPTH_MAX, PER_SECOND, SECONDS, parse

NAMES = {"lost": COUNT, "steps": COUNT, "p99": SECONDS, "rate": PER_SECOND, "size": BYTES}
FIGURES = {"lost": 2.0, "steps": 8.0, "p99": 1.5, "rate": 4.0, "size": 3e6}


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("lost == 2", True),
        ("lost != 2", False),
        ("lost<3", True),
        ("lost >= 2", True),
        ("p99 < 1500ms", False),
        ("p99 <= 1500ms", True),
        ("p99 < 0.03min", True),
        ("lost / steps <= 25%", True),
        ("lost + steps * 2 == 18", True),
        ("(lost + steps) * 2 == 20", True),
        ("steps - lost - 1 == 5", True),
        ("rate * 2s == 8", True),
        ("rate > 230/min", True),
        ("size < 4MB", True),
        ("size / steps > 300kB", True),
        ("20s > p99 * lost", True),
        ("lost / (steps - 8) > 100", True),
    ],
)
def test_a_comparison_is_computed(text: str, is_true: bool) -> None:
    """Signs bind as in school; a division by zero is infinite."""
    assert parse(text, NAMES).holds(FIGURES) is is_true


def test_nothing_by_nothing_is_no_number_and_never_holds() -> None:
    """An empty ratio is no pass."""
    found = parse("lost / steps < 1", NAMES)

    assert math.isnan(found.left.of({"lost": 0.0, "steps": 0.0}))
    assert not found.holds({"lost": 0.0, "steps": 0.0})


def test_names_are_listed() -> None:
    """Who evaluates must know what to read."""
    assert parse("lost / steps < p99 / 1s", NAMES).names == {"lost", "steps", "p99"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a number or a name, found the end"),
        ("lost", "expected one of <= >= == != < >, found the end"),
        ("lost = 0", "'= 0' is not understood"),
        ("lost == 0 0", "expected the end, found 0"),
        ("lost < 1 < 2", "expected the end, found <"),
        ("los == 0", "unknown name 'los'"),
        ("p99 < 20", "a duration, such as 20s or 300ms on the left of <, a plain number"),
        ("p99 < 20parsec", "unknown unit 'parsec'; known: % ms s"),
        ("p99 + lost < 3s", "a duration, such as 20s or 300ms + a plain number"),
        ("(lost == 0", "expected ), found =="),
        ("p99 * p99 < 1s", "a mixture of units on the left"),
        ("lost.__class__ == 0", "'.__class__ =' is not understood"),
        ("__import__('os') == 0", "is not understood"),
        ("lost == 0; lost", "is not understood"),
        ("(" * (DEPTH_MAX + 1) + "lost", f"more than {DEPTH_MAX} parentheses"),
        ("lost == 0" + " + 0" * 200, "longer than 200 signs"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    """The text, what was found there, and what was expected."""
    with pytest.raises(UsageError) as raised:
        parse(text, NAMES)

    assert told in str(raised.value)
