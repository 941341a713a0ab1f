"""The levels of a ladder: how many, at which loads, and when it is enough. Pure.

Levels rise from a quarter of the capacity that a warm-up guessed. The guess may be wrong either
way, so the ladder goes on where nothing saturates, goes down where too much does, and leaves the
rest out, with the reason, once two levels are saturated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.capacity.record import Level, Skipped

LEVELS_MIN, LEVELS_MAX = 5, 20
"""Three unknowns are fitted: fewer levels cannot show that a curve does not fit."""
LOW, HIGH = 0.25, 1.5
"""Of the guessed capacity: the first and the last level that is planned."""
QUOTA_STEPS = (0.5, 0.8, 1.1, 1.4)
"""Of what the quota allows."""
QUOTA_RATIO = 0.6
"""Of what the engine can do, where the caller names no quota."""
UP, DOWN = 1.5, 0.6
EXTRA = 4
"""Levels beyond the planned ones, at most."""
SATURATED_MAX = 2
FREE_MIN = 3
"""Levels that are not saturated: without them there is no slope."""
AGENTS_MIN, AGENTS_MAX = 24, 4000


def planned_rates(guess_per_s: float, levels: int) -> tuple[float, ...]:
    """Even steps from `LOW` to `HIGH` of the guess."""
    step = (HIGH - LOW) / (levels - 1)
    return tuple(rounded(guess_per_s * (LOW + step * place)) for place in range(levels))


def quota_rates(ceiling_per_s: float) -> tuple[float, ...]:
    """Two levels below what a quota allows, and two above."""
    return tuple(rounded(ceiling_per_s * step) for step in QUOTA_STEPS)


def agents_for(rate_per_s: float, seconds: float) -> int:
    """Agents of a level; a fast engine gets a shorter one, a slow one enough to tell a p99."""
    return max(AGENTS_MIN, min(AGENTS_MAX, round(rate_per_s * seconds)))


def rounded(value: float) -> float:
    """Three significant digits: it stands in commands and on pages."""
    if value <= 0:
        return 0.0
    return round(value, 2 - math.floor(math.log10(value)))


@dataclass(slots=True, kw_only=True)
class Ladder:
    """The levels of one side as they come: `next_rate`, then `done` for each of its runs."""

    side: str
    rates: list[float]
    extra: int = EXTRA
    """Levels that may be added; 0 for a side whose end is known."""
    skipped: list[Skipped] = field(default_factory=list)
    _levels: list[Level] = field(default_factory=list)
    _last: float = 0.0

    def done(self, levels: Sequence[Level]) -> None:
        """Take the runs of a level in."""
        self._levels += levels

    def next_rate(self, *, is_time_left: bool) -> float | None:
        """The load of the next level; None when the ladder is over."""
        reason = self._enough(is_time_left=is_time_left)
        if reason:
            self.skipped += [
                Skipped(side=self.side, offered_per_s=rate, reason=reason) for rate in self.rates
            ]
            self.rates = []
            lower = self._lower() if is_time_left else None
            if lower is None:
                return None
            self.extra -= 1
            return lower
        if self.rates:
            self._last = self.rates.pop(0)
            return self._last
        if not self.extra or not is_time_left or self._saturated:
            return None
        self.extra -= 1
        self._last = rounded(self._last * UP)
        return self._last

    @property
    def _saturated(self) -> list[Level]:
        return [one for one in self._levels if one.is_saturated and not one.trouble]

    @property
    def _full(self) -> list[Level]:
        return [one for one in self._levels if one.is_generator_full]

    def _enough(self, *, is_time_left: bool) -> str:
        if self._full:
            one = self._full[0]
            return f"at {one.offered_per_s:g}/s the harness itself was full; more load says nothing"
        loads = sorted({one.offered_per_s for one in self._saturated})
        if len(loads) >= SATURATED_MAX:
            told = " and ".join(f"{load:g}/s" for load in loads[:SATURATED_MAX])
            return f"saturated at {told} already"
        return "" if is_time_left else "the time is spent"

    def _lower(self) -> float | None:
        """A level below all others, where too few of them are not saturated."""
        free = {
            one.offered_per_s
            for one in self._levels
            if not (one.is_saturated or one.is_generator_full or one.trouble)
        }
        if len(free) >= FREE_MIN or not self.extra or not self._levels:
            return None
        return rounded(min(one.offered_per_s for one in self._levels) * DOWN)
