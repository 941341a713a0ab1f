"""Timings against a baseline: repeats, the interval of a ratio, and three answers. Pure.

FAIL: surely beyond the tolerance, all such figures together at 5 % (Holm). PASS: surely within it,
each at 5 %; since a gate passes only if all do, no correction is due there. Else INCONCLUSIVE, with
the number of repeats that would decide.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.measures.figures import FIGURES, FigureSpec
from harness.measures.ratios import (
    ALPHA,
    RUNS_MIN,
    SPREAD_MIN,
    Floats,
    Ratio,
    decided,
    ratio_of,
    runs_needed,
    student_quantile,
)
from reports.gate_cost import tolerance_of, unmeasured
from reports.gate_finding import FAIL, INCONCLUSIVE, PASS, TIMING, Finding
from reports.gate_sides import Side

POWER = 0.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise floor of one timing in one cell."""

    cell: str
    name: str
    runs: int
    """A side, of the smaller side."""
    spread_ratio: float
    """Standard deviation of the logarithm over repeats, both sides pooled."""
    found_ratio: float
    """The slow-down that these repeats would call FAIL in four of five gates; 1.3 is 30 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    finding: Finding
    ratio: Ratio
    spread: float


def timing_findings(
    pairs: Sequence[tuple[Side, Side]], tolerances: Mapping[str, float]
) -> list[Finding]:
    """A line for each timing of each pair; all that can be decided form one family."""
    undecidable: list[Finding] = []
    compared: list[_Compared] = []
    for baseline, candidate in pairs:
        for spec in _timings():
            missing = unmeasured(spec, baseline, candidate, TIMING)
            missing = missing or _too_few(spec, baseline, candidate)
            if missing is not None:
                undecidable.append(missing)
            else:
                override = tolerances.get(spec.name)
                compared.append(_compare(spec, baseline, candidate, override))
    if not compared:
        return undecidable
    limits = np.array([math.log1p(one.finding.tolerance_ratio or 0.0) for one in compared])
    family = Ratio(
        log=np.array([one.ratio.log for one in compared]),
        error=np.array([one.ratio.error for one in compared]),
        degrees=np.array([one.ratio.degrees for one in compared]),
    )
    p_worse, is_within = decided(family, limits)
    found = [
        _decided(one, float(limits[place]), float(p_worse[place]), is_within=bool(is_within[place]))
        for place, one in enumerate(compared)
    ]
    return [*(_told(one, len(compared)) for one in found), *undecidable]


def noise_of(pairs: Sequence[tuple[Side, Side]]) -> tuple[Noise, ...]:
    """The spread of each timing, where there are repeats enough to know it."""
    rows = [
        (spec, baseline, candidate)
        for baseline, candidate in pairs
        for spec in _timings()
        if _too_few(spec, baseline, candidate) is None
    ]
    return tuple(
        _noise(spec, baseline, candidate, family=len(rows)) for spec, baseline, candidate in rows
    )


def _timings() -> tuple[FigureSpec, ...]:
    return tuple(spec for spec in FIGURES if spec.is_timing)


def _too_few(spec: FigureSpec, baseline: Side, candidate: Side) -> Finding | None:
    before, now = baseline.values(spec.name), candidate.values(spec.name)
    fewest = min(len(before), len(now))
    if fewest >= RUNS_MIN and min(*before, *now) > 0:
        return None
    text = (
        f"{len(now)} runs now and {len(before)} in the baseline, at least {RUNS_MIN} each; add "
        "--repeats"
        if fewest < RUNS_MIN
        else "a run took no time at all, of which no ratio can be made"
    )
    return Finding(
        kind=TIMING,
        cell=candidate.key,
        name=spec.name,
        state=INCONCLUSIVE,
        text=text,
        runs_baseline=len(before),
        runs_candidate=len(now),
    )


def _compare(
    spec: FigureSpec, baseline: Side, candidate: Side, override: float | None
) -> _Compared:
    before, now = (np.array(side.values(spec.name)) for side in (baseline, candidate))
    ratio = ratio_of(before, now)
    low, high = ratio.interval()
    finding = Finding(
        kind=TIMING,
        cell=candidate.key,
        name=spec.name,
        state=INCONCLUSIVE,
        text="",
        baseline=float(np.exp(np.log(before).mean())),
        candidate=float(np.exp(np.log(now).mean())),
        tolerance_ratio=tolerance_of(spec, candidate, override),
        ratio=float(np.exp(ratio.log)),
        ratio_low=float(low),
        ratio_high=float(high),
        runs_baseline=len(before),
        runs_candidate=len(now),
    )
    return _Compared(finding=finding, ratio=ratio, spread=_spread(before, now))


def _decided(one: _Compared, limit_log: float, p_worse: float, *, is_within: bool) -> Finding:
    found = replace(one.finding, p_worse=p_worse)
    if p_worse <= ALPHA:
        return replace(found, state=FAIL)
    if is_within:
        return replace(found, state=PASS)
    needed = runs_needed(one.spread, abs(limit_log - float(one.ratio.log)))
    text = f"; about {needed} repeats would decide" if needed < 100 else "; too near to decide"
    return replace(found, text=text)


def _told(found: Finding, family: int) -> Finding:
    text = (
        f"x{found.ratio:.2f} [{found.ratio_low:.2f}, {found.ratio_high:.2f}] of "
        f"{found.baseline:,.4g} ms, tolerance x{1 + (found.tolerance_ratio or 0):.2f}, "
        f"{found.runs_candidate} runs against {found.runs_baseline}, Holm over {family}: "
        f"p {found.p_worse:.2g}"
    )
    return replace(found, text=text + found.text)


def _spread(before: Floats, now: Floats) -> float:
    """Pooled standard deviation of the logarithms, at least `SPREAD_MIN`."""
    parts = [(np.log(side).var(ddof=1), len(side) - 1) for side in (before, now)]
    total = sum(float(part) * degrees for part, degrees in parts)
    return max(SPREAD_MIN, math.sqrt(total / sum(degrees for _, degrees in parts)))


def _noise(spec: FigureSpec, baseline: Side, candidate: Side, *, family: int) -> Noise:
    before, now = (np.array(side.values(spec.name)) for side in (baseline, candidate))
    spread, runs = _spread(before, now), min(len(before), len(now))
    degrees = np.array(2.0 * runs - 2)
    quantiles = student_quantile(ALPHA / family, degrees) + student_quantile(1 - POWER, degrees)
    tolerance = tolerance_of(spec, candidate, None)
    found_log = math.log1p(tolerance) + float(quantiles) * spread * math.sqrt(2 / runs)
    return Noise(
        cell=candidate.key,
        name=spec.name,
        runs=runs,
        spread_ratio=round(spread, 4),
        found_ratio=round(math.exp(found_log), 3),
    )
