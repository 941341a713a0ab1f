"""Chance by number: each draw follows from seed, agent and what it is for, never from an order.

So a time step, a batch size or another simulator changes no draw: what two ways of computing one
run differ by is their error alone.

Source: the output function of SplitMix64, Steele, Lea and Flood, OOPSLA 2014.
"""

import enum

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.history import Ints

Floats = NDArray[np.float64]
_AGENT, _PHASE, _USE = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Use(enum.IntEnum):
    """What a draw is for; stations are their own place in the walk, from 0."""

    LLM = 100
    POD = 101
    MOVE = 102


class Draws:
    """The draws of one simulated run."""

    def __init__(self, seed: int) -> None:
        self._key = seeds.derive(seed, "simulation")

    def uniform(self, agents: Ints, phases: Ints, use: int) -> Floats:
        """Numbers above 0 and below 1, one an agent and phase."""
        mixed = agents.astype(np.uint64) * np.uint64(_AGENT)
        mixed += phases.astype(np.uint64) * np.uint64(_PHASE)
        mixed += np.uint64((use * _USE + self._key) % (1 << 64))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        mixed ^= mixed >> np.uint64(31)
        found: Floats = ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        return found
