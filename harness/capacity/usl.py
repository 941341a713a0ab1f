"""The Universal Scalability Law: throughput by concurrency, fitted with bounds and intervals.

X(N) = rate N / (1 + contention (N - 1) + coherency N (N - 1)). N / X is linear in three unknowns
that are 0 or more, so the bounded least squares is solved exactly by trying every set of those that
may be above 0. Residuals are relative to X: a level of 2 agents/s counts as much as one of 20.

Source: Gunther, Guerrilla Capacity Planning (2007), chapter 4; Efron and Tibshirani, An
Introduction to the Bootstrap (1993), 9.4 for the bootstrap of residuals.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.measures.ratios import student_quantile

Floats = NDArray[np.float64]

LEVELS_MIN = 5
"""Different concurrencies below which three unknowns are not told from noise."""
REACH = 2.0
"""Largest measured concurrencies up to which anything is said."""
ERROR_MAX = 0.05
"""Relative error of the fit from which its peak is not stated: an engine with a hard limit bends
more sharply than the law can, which then makes a peak of its own."""
DRAWS = 1000
TAIL = 2.5
"""Percent on either side of an interval of 95 %."""
NORMAL = 1.96
"""Quantile of the normal distribution for the same tail."""
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval of 95 %, or why there is none."""

    value: float | None
    low: float = 0.0
    high: float = 0.0
    reason: str = ""
    """Of a number: what its interval is made of. Else why there is none."""

    def holds(self, number: float) -> bool:
        """Whether a number lies within the interval."""
        return self.value is not None and self.low <= number <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve."""

    rate: float
    """Agents per second that one agent in flight would make."""
    contention: float
    """Share of the work that waits for its turn, 0 to 1."""
    coherency: float
    """Share that is spent for every pair that is in flight."""

    def at(self, concurrency: float) -> float:
        """Agents per second."""
        more = concurrency - 1
        return (
            self.rate
            * concurrency
            / (1 + self.contention * more + self.coherency * concurrency * more)
        )

    @property
    def peak(self) -> float:
        """Concurrency of the most throughput; infinite for a curve that never falls."""
        if self.coherency <= 0:
            return math.inf
        return math.sqrt(max(0.0, 1 - self.contention) / self.coherency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalability:
    """The fitted curve, and what may be said by it."""

    curve: Curve | None
    rate: Estimate
    contention: Estimate
    coherency: Estimate
    peak_concurrency: Estimate
    peak_per_s: Estimate
    """The most that the curve gives inside the measured range."""
    error_ratio: float
    """Root of the mean squared relative residual."""
    reach: float
    """Concurrency up to which anything is said."""


OUTSIDE = "outside the measured range"


def fit_scalability(
    concurrency: Floats, throughput: Floats, chance: np.random.Generator
) -> Scalability:
    """Fit the law to runs, one entry a run; ``chance`` draws the bootstrap.

    Runs with less than one agent in flight are left out: the law begins at 1.
    """
    is_used = (concurrency >= 1) & (throughput > 0)
    n, x = concurrency[is_used], throughput[is_used]
    levels = len(np.unique(np.round(np.log(n), 1))) if len(n) else 0
    if levels < LEVELS_MIN:
        return nothing(
            f"{levels} different concurrencies of 1 and more were measured, at least {LEVELS_MIN} "
            "are needed; ask for more --levels"
        )
    best = _fit(n, x[None, :])
    fitted = _values(best, n)[0]
    residual = x / fitted - 1
    free = max(1, len(n) - int(np.count_nonzero(best[0])))
    # Few residuals look smaller than the noise: by the lost degrees, and by Student's longer tail.
    wider = math.sqrt(len(n) / free) * student_quantile(TAIL / 100, np.array(free)) / NORMAL
    residual_wide = (residual - residual.mean()) * wider
    drawn = fitted * (1 + chance.choice(residual_wide, size=(DRAWS, len(n))))
    many = _fit(n, np.maximum(drawn, _TINY))
    error = float(np.sqrt(np.mean(residual**2)))
    reach = float(REACH * n.max())
    one = _curve(best[0])
    source = f"bootstrap of the residuals of {len(n)} runs, {DRAWS} draws"
    rates, contentions, coherencies = 1 / many[:, 0], many[:, 1] / many[:, 0], many[:, 2]
    coherencies = coherencies / many[:, 0]
    grid = np.geomspace(1.0, reach, 200)
    heights = _values(many, grid).max(axis=1)
    return Scalability(
        curve=one,
        rate=_estimate(one.rate, rates, source),
        contention=_estimate(one.contention, contentions, source),
        coherency=_estimate(one.coherency, coherencies, source),
        peak_concurrency=_peak(one, contentions, coherencies, reach, source)
        if error <= ERROR_MAX
        else Estimate(value=None, reason=f"the law fits these levels to {error:.1%} only"),
        peak_per_s=_estimate(float(_values(best, grid).max()), heights, source),
        error_ratio=error,
        reach=reach,
    )


def nothing(reason: str) -> Scalability:
    """No curve, and why."""
    none = Estimate(value=None, reason=reason)
    return Scalability(
        curve=None,
        rate=none,
        contention=none,
        coherency=none,
        peak_concurrency=none,
        peak_per_s=none,
        error_ratio=0.0,
        reach=0.0,
    )


def _peak(
    one: Curve, contentions: Floats, coherencies: Floats, reach: float, source: str
) -> Estimate:
    """The peak, if it is inside the range for the fit and for nearly all draws."""
    if one.peak > reach:
        return Estimate(value=None, reason=OUTSIDE)
    with np.errstate(divide="ignore"):
        peaks = np.sqrt(np.maximum(0.0, 1 - contentions) / coherencies)
    high = float(np.percentile(np.where(np.isfinite(peaks), peaks, 1e12), 100 - TAIL))
    if high > reach:
        return Estimate(value=None, reason=f"its interval ends {OUTSIDE}")
    return _estimate(one.peak, peaks, source)


def _estimate(value: float, drawn: Floats, source: str) -> Estimate:
    low, high = np.percentile(drawn, [TAIL, 100 - TAIL])
    return Estimate(
        value=value, low=min(float(low), value), high=max(float(high), value), reason=source
    )


def _curve(found: Floats) -> Curve:
    return Curve(
        rate=float(1 / found[0]),
        contention=float(found[1] / found[0]),
        coherency=float(found[2] / found[0]),
    )


def _design(n: Floats) -> Floats:
    return np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)


def _values(found: Floats, n: Floats) -> Floats:
    """Throughput of each row of unknowns (1/rate, contention/rate, coherency/rate) at each n."""
    values: Floats = n / (found @ _design(n).T)
    return values


def _fit(n: Floats, x: Floats) -> Floats:
    """Unknowns of each row of ``x``: least squares of 1 - x/n (a + b (n-1) + c n (n-1)).

    Bounds: a > 0, 0 <= b <= a, c >= 0. Every set of active bounds is solved, the best that obeys
    the other bounds is taken; that is the exact minimum of a convex problem.
    """
    design = _design(n)
    weight = x / n
    best = np.zeros((len(x), 3))
    least = np.full(len(x), np.inf)
    for basis in _bases():
        columns = design @ basis.T
        scale = np.abs(columns).max(axis=0)
        parts = weight[:, :, None] * (columns / scale)
        normal = np.einsum("bij,bik->bjk", parts, parts)
        normal += _TINY * np.eye(len(basis)) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
        solved = np.linalg.solve(normal, parts.sum(axis=1)[:, :, None])[:, :, 0] / scale
        found = solved @ basis
        is_inside = (solved >= 0).all(axis=1) & (found[:, 0] > 0) & (found[:, 1] <= found[:, 0])
        error = ((1 - weight * (found @ design.T)) ** 2).sum(axis=1)
        is_better = is_inside & (error < least)
        best[is_better], least[is_better] = found[is_better], error[is_better]
    return best


def _bases() -> list[Floats]:
    """Directions in which each set of active bounds leaves the unknowns free."""
    a, b, c = np.eye(3)
    return [np.array(rows) for rows in ([a], [a, b], [a, c], [a, b, c], [a + b], [a + b, c])]
