"""The law's curve is found again from what it makes, within the interval, and no further."""

import math

import numpy as np
import pytest

from harness import seeds
from harness.capacity import usl
from harness.capacity.usl import OUTSIDE, Curve, fit_scalability

LEVELS = np.array([1.0, 2, 4, 8, 16, 24, 32, 48])
KNOWN = Curve(rate=2.0, contention=0.05, coherency=0.002)
PEAK = math.sqrt(0.95 / 0.002)


def made(curve: Curve, levels: np.ndarray = LEVELS) -> np.ndarray:
    return np.array([curve.at(one) for one in levels])


@pytest.mark.parametrize(
    "curve",
    [
        KNOWN,
        Curve(rate=0.3, contention=0.0, coherency=0.001),
        Curve(rate=40.0, contention=0.2, coherency=0.0),
        Curve(rate=1.0, contention=0.0, coherency=0.0),
        Curve(rate=1.0, contention=1.0, coherency=0.0),
    ],
)
def test_a_curve_without_noise_is_found_exactly(curve: Curve) -> None:
    """On every set of active bounds."""
    found = fit_scalability(LEVELS, made(curve), seeds.array_stream(1, "usl")).curve

    assert found is not None
    assert found.rate == pytest.approx(curve.rate, rel=1e-6)
    assert found.contention == pytest.approx(curve.contention, abs=1e-6)
    assert found.coherency == pytest.approx(curve.coherency, abs=1e-8)


def test_bounds_hold_where_the_data_would_leave_them() -> None:
    """Throughput that rises faster than in proportion: contention is 0, never below."""
    found = fit_scalability(LEVELS, LEVELS**1.2, seeds.array_stream(1, "usl"))

    assert found.curve is not None
    assert found.curve.contention == 0.0
    assert found.curve.coherency == 0.0
    assert found.error_ratio > 0.1


def test_intervals_hold_what_was_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 24 noisy ladders nearly all, for each parameter and for the top; and not by being wide."""
    monkeypatch.setattr(usl, "DRAWS", 200)
    chance = seeds.array_stream(7, "noise")
    top = max(KNOWN.at(one) for one in np.geomspace(1, 96, 400))
    hits, widths = np.zeros(4), []
    for _ in range(24):
        noisy = made(KNOWN) * (1 + 0.04 * chance.standard_normal(len(LEVELS)))
        found = fit_scalability(LEVELS, noisy, chance)
        hits += [
            found.contention.holds(KNOWN.contention),
            found.coherency.holds(KNOWN.coherency),
            found.peak_per_s.holds(top),
            found.peak_concurrency.holds(PEAK),
        ]
        widths.append((found.peak_per_s.high - found.peak_per_s.low) / top)

    assert (hits >= 20).all(), hits
    assert np.median(widths) < 0.3


def test_a_peak_outside_of_the_range_is_not_stated() -> None:
    """Measured up to 8 in flight, the peak of this curve is at 22."""
    few = LEVELS[:4].tolist()
    levels = np.array([*few, 3.0, 6.0])
    found = fit_scalability(levels, made(KNOWN, levels), seeds.array_stream(1, "usl"))

    assert found.peak_concurrency.value is None
    assert found.peak_concurrency.reason == OUTSIDE
    assert found.reach == 16.0
    assert found.peak_per_s.value == pytest.approx(KNOWN.at(16.0), rel=1e-6)


def test_a_hard_limit_is_not_taken_for_a_peak() -> None:
    """Ten slots: throughput stays where it is, however many wait; the law would have it fall."""
    found = fit_scalability(LEVELS, np.minimum(LEVELS, 10.0), seeds.array_stream(1, "usl"))

    assert found.peak_concurrency.value is None
    assert "the law fits these levels" in found.peak_concurrency.reason


def test_too_few_levels_make_no_curve() -> None:
    """Four concurrencies, and those below 1, do not carry three unknowns."""
    levels = np.array([0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0])
    found = fit_scalability(levels, made(KNOWN, levels), seeds.array_stream(1, "usl"))

    assert found.curve is None
    assert "4 different concurrencies" in found.peak_per_s.reason
