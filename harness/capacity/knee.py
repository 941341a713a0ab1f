"""The knee of a ladder, three ways; they answer three questions and need not agree. Pure.

Source: Satopaa, Albrecht, Irwin and Raghavan, Finding a "Kneedle" in a Haystack (2011).
"""

from collections.abc import Sequence

import numpy as np

from harness.capacity.record import Knee, Level

BEND_MIN = 0.1
"""Least height of the bend, of the whole curve's: a straight line has no knee."""
LEVELS_MIN = 4
APART = 1.5
"""Ratio of the largest to the smallest from which they are said to disagree."""
MOST_GOODPUT, LAST_GOOD, BEND = "most goodput", "last level within the objective", "kneedle"


def knees_of(levels: Sequence[Level], *, slo_s: float) -> tuple[Knee, ...]:
    """All three, of the levels of one side."""
    return (_most_goodput(levels), _last_good(levels, slo_s), _kneedle(levels))


def agreement_of(knees: Sequence[Knee]) -> str:
    """Whether they agree, in one sentence."""
    found = {one.name: one.at_per_s for one in knees if one.at_per_s}
    if len(found) < 2:
        return "fewer than two of them were found, so nothing is compared"
    low, high = min(found, key=lambda n: found[n] or 0), max(found, key=lambda n: found[n] or 0)
    ratio = (found[high] or 0) / (found[low] or 1)
    if ratio < APART:
        return f"they agree within a factor of {ratio:.2f}"
    return (
        f"they disagree by a factor of {ratio:.1f} ({low} is lowest, {high} highest): throughput "
        "goes on after the objective is missed, so the objective decides"
    )


def _most_goodput(levels: Sequence[Level]) -> Knee:
    best = max(levels, key=lambda level: level.goodput_per_s, default=None)
    text = "the offered load at which most agents ended within the objective"
    if best is None or best.goodput_per_s <= 0:
        return Knee(
            name=MOST_GOODPUT,
            text=text,
            at_per_s=None,
            reason="no agent ended within the objective",
        )
    return Knee(name=MOST_GOODPUT, text=text, at_per_s=best.arrived_per_s)


def meets(level: Level, slo_s: float) -> bool:
    """Whether a level follows its load and keeps its p99 within the objective."""
    return (
        not level.is_saturated
        and not level.unfinished_count
        and 0 < level.agent_ms_p99 <= slo_s * 1000
    )


def _last_good(levels: Sequence[Level], slo_s: float) -> Knee:
    """The highest level below which none misses."""
    text = f"the highest load that is followed with a p99 of at most {slo_s:g} s"
    good = None
    for level in sorted(levels, key=lambda one: one.offered_per_s):
        if not meets(level, slo_s):
            break
        good = level
    if good is None:
        return Knee(
            name=LAST_GOOD, text=text, at_per_s=None, reason="the lowest level misses it already"
        )
    return Knee(name=LAST_GOOD, text=text, at_per_s=good.arrived_per_s)


def _kneedle(levels: Sequence[Level]) -> Knee:
    text = "where throughput over offered load bends most, with both axes from 0 to 1"
    found = bend(
        [level.arrived_per_s for level in levels],
        [level.throughput.value or 0.0 for level in levels],
    )
    if found is None:
        return Knee(
            name=BEND,
            text=text,
            at_per_s=None,
            reason=f"too straight, or fewer than {LEVELS_MIN} levels",
        )
    return Knee(name=BEND, text=text, at_per_s=found)


def bend(offered: Sequence[float], reached: Sequence[float]) -> float | None:
    """Kneedle for a rising, concave curve: the x at which it is highest above its chord."""
    if len(offered) < LEVELS_MIN:
        return None
    order = np.argsort(offered)
    x, y = np.asarray(offered, float)[order], np.asarray(reached, float)[order]
    if x[-1] <= x[0] or y.max() <= y.min():
        return None
    above = (y - y.min()) / (y.max() - y.min()) - (x - x[0]) / (x[-1] - x[0])
    best = int(np.argmax(above))
    return float(x[best]) if above[best] >= BEND_MIN else None
