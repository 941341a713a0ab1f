"""Ratios of noisy timings: how much slower one side is, between which limits, how certainly.

Logarithms of positive values, a value a run; Welch's interval for two means of unequal spread;
Holm's correction for many figures. Pure; all functions work on the last axis, so that
`benchmarks.gate` simulates with the very code that the gate decides with.

Source: Welch (1947); Holm (1979); Abramowitz and Stegun (1964), 26.5.8 for the incomplete beta.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RUNS_MIN = 3
"""Runs a side below which nothing is said: two give a spread that says next to nothing."""
SPREAD_MIN = 0.005
"""Least relative spread that is believed: runs that happen to agree are no proof of silence."""
CONFIDENCE = 0.90
"""Of the interval: its limits are those of two one-sided tests at 5 %."""
ALPHA = 0.05
"""Of a FAIL, for all figures of a gate together; of a PASS, for each."""
_ROUNDS = 300
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Candidate over baseline; arrays, or numbers for a single figure."""

    log: Floats
    """Logarithm of the ratio of geometric means."""
    error: Floats
    """Standard error of it."""
    degrees: Floats
    """Welch's degrees of freedom."""

    def p_above(self, limit_log: Floats) -> Floats:
        """Small when the ratio is surely above the limit: against *it is the limit or less*."""
        return student_tail((self.log - limit_log) / self.error, self.degrees)

    def p_below(self, limit_log: Floats) -> Floats:
        """Small when the ratio is surely below the limit."""
        return student_tail((limit_log - self.log) / self.error, self.degrees)

    def interval(self) -> tuple[Floats, Floats]:
        """Limits of the ratio at `CONFIDENCE`."""
        half = student_quantile((1 - CONFIDENCE) / 2, self.degrees) * self.error
        return np.exp(self.log - half), np.exp(self.log + half)


def ratio_of(baseline: Floats, candidate: Floats) -> Ratio:
    """Compare positive values along the last axis, at least two a side."""
    sides = [np.log(side) for side in (baseline, candidate)]
    means = [side.mean(axis=-1) for side in sides]
    parts = [
        np.maximum(side.var(axis=-1, ddof=1), SPREAD_MIN**2) / side.shape[-1] for side in sides
    ]
    counts = [side.shape[-1] - 1 for side in sides]
    total = parts[0] + parts[1]
    degrees = total**2 / (parts[0] ** 2 / counts[0] + parts[1] ** 2 / counts[1])
    return Ratio(log=means[1] - means[0], error=np.sqrt(total), degrees=degrees)


def decided(ratio: Ratio, limit_log: Floats) -> tuple[Floats, Flags]:
    """Decide figures that stand along the last axis, each against its own limit.

    Returns Holm's adjusted p for *it is above its limit* (FAIL at or below `ALPHA`), and whether it
    is surely below (PASS).
    """
    return holm(ratio.p_above(limit_log)), ratio.p_below(limit_log) <= ALPHA


def holm(p: Floats) -> Floats:
    """Adjusted values along the last axis: those at or below 5 % are true together at 5 %."""
    count = p.shape[-1]
    order = np.argsort(p, axis=-1)
    ranked = np.take_along_axis(p, order, axis=-1) * np.arange(count, 0, -1)
    ranked = np.minimum(np.maximum.accumulate(ranked, axis=-1), 1.0)
    adjusted = np.empty_like(ranked)
    np.put_along_axis(adjusted, order, ranked, axis=-1)
    return adjusted


def runs_needed(spread: float, distance_log: float, *, most: int = 100) -> int:
    """Runs a side for which the interval's half width is below the distance; at most ``most``."""
    runs = np.arange(RUNS_MIN, most)
    quantile = student_quantile((1 - CONFIDENCE) / 2, np.asarray(2.0 * runs - 2, np.float64))
    is_enough = quantile * spread * np.sqrt(2 / runs) < distance_log
    return int(runs[is_enough][0]) if is_enough.any() else most


def student_tail(t: Floats, degrees: Floats) -> Floats:
    """P(T > t) of Student's distribution."""
    t, degrees = np.broadcast_arrays(np.asarray(t, float), np.asarray(degrees, float))
    half = 0.5 * _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t**2))
    return np.where(t > 0, half, 1 - half)


def student_quantile(tail: float, degrees: Floats) -> Floats:
    """The t above which ``tail`` (below one half) of the distribution lies.

    Newton's steps from 0: the tail is convex there, so that they only rise, up to the root.
    """
    degrees = np.asarray(degrees, float)
    half = degrees / 2
    scale = np.exp(-_log_beta(half, np.full_like(half, 0.5))) / np.sqrt(degrees)
    found = np.zeros_like(degrees)
    for _ in range(_ROUNDS):
        density = scale * (1 + found**2 / degrees) ** (-(degrees + 1) / 2)
        step = (student_tail(found, degrees) - tail) / density
        found = found + step
        if np.all(np.abs(step) <= 1e-12 * (1 + found)):
            break
    return found


def _incomplete_beta(a: Floats, b: float, x: Floats) -> Floats:
    """The regularized incomplete beta function, by its continued fraction where that converges."""
    first = np.asarray(a, float)
    second = np.full_like(first, b)
    is_far = x > (first + 1) / (first + second + 2)
    own_a, own_b = np.where(is_far, second, first), np.where(is_far, first, second)
    own_x = np.clip(np.where(is_far, 1 - x, x), _TINY, 1 - 1e-16)
    front = np.exp(own_a * np.log(own_x) + own_b * np.log1p(-own_x) - _log_beta(own_a, own_b))
    value = front * _fraction(own_a, own_b, own_x) / own_a
    found: Floats = np.where(is_far, 1 - value, value)
    return found


def _fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """Lentz's evaluation of the continued fraction."""
    c = np.ones_like(x)
    d = 1 / _away(1 - (a + b) * x / (a + 1))
    value = d.copy()
    for m in range(1, _ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value.copy()
        for step in (even, odd):
            d = 1 / _away(1 + step * d)
            c = _away(1 + step / c)
            value = value * d * c
        if np.all(np.abs(value - before) <= 1e-14 * np.abs(value)):
            break
    return value


def _away(value: Floats) -> Floats:
    return np.where(np.abs(value) < _TINY, _TINY, value)


def _log_beta(a: Floats, b: Floats) -> Floats:
    return _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)


def _log_gamma(x: Floats) -> Floats:
    """Stirling's series after shifting the argument above 8; 1e-11 for what stands here."""
    shift = np.zeros_like(x)
    value = x.copy()
    for _ in range(8):
        is_small = value < 8
        shift = np.where(is_small, shift + np.log(value), shift)
        value = np.where(is_small, value + 1, value)
    square = 1 / value**2
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680)))) / value
    found: Floats = (value - 0.5) * np.log(value) - value + 0.5 * np.log(2 * np.pi) + series - shift
    return found
