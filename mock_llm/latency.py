"""How long an answer takes: one draw per attempt of a step, from the run's seed.

The draw is keyed by step, turn and attempt, never by the order of arrival, so that a repeated run
waits the same. Pure but for the count of attempts, which is kept here for the run.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
_BITS = 53


class Latencies:
    """The draws of one run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._attempts: dict[int, int] = {}

    def draw_ms(
        self, agent: str, path: str, turn: int, *, median_ms: float, sigma: float, floor_ms: float
    ) -> float:
        """Milliseconds for the next attempt of a turn: lognormal, never below the floor."""
        if median_ms == 0:
            return floor_ms
        step = hash((agent, path, turn))
        attempt = self._attempts.get(step, 0)
        self._attempts[step] = attempt + 1
        normal = _NORMAL.inv_cdf(unit(self._seed, agent, path, turn, attempt)) if sigma else 0.0
        return max(floor_ms, median_ms * math.exp(sigma * normal))


def unit(seed: int, agent: str, path: str, turn: int, attempt: int) -> float:
    """A number above 0 and below 1 that follows from its arguments alone."""
    named = f"latency\0{seed}\0{agent}\0{path}\0{turn}\0{attempt}".encode()
    bits = int.from_bytes(blake2b(named, digest_size=8).digest(), "big") >> (64 - _BITS)
    return (bits + 0.5) / (1 << _BITS)
