"""Ratios: against the tables of the textbooks, and by what they must do."""

import math

import numpy as np
import pytest

from harness.measures.ratios import (
    SPREAD_MIN,
    holm,
    ratio_of,
    runs_needed,
    student_quantile,
    student_tail,
)

QUICK = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("degrees", "tail", "quantile"),
    [
        (1, 0.05, 6.3138),
        (2, 0.05, 2.9200),
        (4, 0.05, 2.1318),
        (4, 0.005, 4.6041),
        (10, 0.025, 2.2281),
        (30, 0.01, 2.4573),
        (120, 0.001, 3.1595),
    ],
)
def test_students_distribution_is_that_of_the_tables(
    degrees: int, tail: float, quantile: float
) -> None:
    """Both ways round, and symmetric."""
    found = student_quantile(tail, np.array(float(degrees)))

    assert float(found) == pytest.approx(quantile, abs=6e-5)
    assert float(student_tail(found, np.array(float(degrees)))) == pytest.approx(tail, rel=1e-6)
    assert float(student_tail(-found, np.array(float(degrees)))) == pytest.approx(1 - tail)


def test_holm_is_that_of_the_paper() -> None:
    """The smallest times all, the next times one fewer, and never falling."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_a_ratio_has_its_interval() -> None:
    """By hand: means of logarithms, Welch's error and degrees of freedom."""
    found = ratio_of(np.exp([0.0, 0.1, 0.2]), np.exp([0.5, 0.6, 0.7, 0.6]))
    low, high = found.interval()

    assert float(found.log) == pytest.approx(0.5)
    assert float(found.error) == pytest.approx(math.sqrt(0.01 / 3 + 0.02 / 3 / 4))
    assert float(low) < math.exp(0.5) < float(high)
    assert math.log(float(high)) - 0.5 == pytest.approx(0.5 - math.log(float(low)))


def test_equal_runs_are_no_proof_of_silence() -> None:
    """Three runs that happen to agree leave a little doubt."""
    found = ratio_of(np.full(3, 7.0), np.full(3, 7.0))

    assert float(found.error) == pytest.approx(SPREAD_MIN * math.sqrt(2 / 3))


def test_the_interval_covers_as_often_as_it_says() -> None:
    """90 % of 4,000 simulated comparisons of five runs, within 2 %."""
    sides = np.exp(QUICK.normal(0.0, 0.05, (2, 4_000, 5)))
    low, high = ratio_of(sides[0], sides[1]).interval()

    assert float(np.mean((low < 1) & (high > 1))) == pytest.approx(0.90, abs=0.02)


def test_more_noise_needs_more_runs() -> None:
    """And what no number of runs decides ends at the bound."""
    needed = [runs_needed(spread, math.log(1.1)) for spread in (0.01, 0.05, 0.2)]

    assert needed == sorted(needed)
    assert needed[0] == 3
    assert runs_needed(1.0, 0.001) == 100
