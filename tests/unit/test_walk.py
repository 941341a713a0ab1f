"""What the walk works out by itself."""

import pytest

from harness.clock import NS_PER_S
from harness.runner.walk import capacity_per_s


def test_capacity_is_the_rate_in_the_middle() -> None:
    """A slow begin and a slow end of the warm-up do not lower the capacity."""
    answers = [(0, 0), (5, 10), (6, 60), (7, 110), (8, 160), (9, 190), (20, 200)]

    found = capacity_per_s([(s * NS_PER_S, count) for s, count in answers], agents=40)

    assert found == pytest.approx(50 / 5)


def test_no_answers_are_no_capacity() -> None:
    """Without an answer nothing is known; the walk then refuses to offer a rate."""
    assert capacity_per_s([], agents=10) == 0.0
    assert capacity_per_s([(1, 0), (2, 0)], agents=10) == 0.0
