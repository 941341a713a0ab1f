"""Chance as a parameter: named random streams that all descend from one seed.

Two streams with different names never share draws: a new draw in one place changes no other.
"""

import hashlib
from random import Random

import numpy as np

Chance = Random
"""A named stream of draws, for signatures."""


def derive(seed: int, *names: str | int) -> int:
    """Derive a 64-bit seed for the stream ``names`` of ``seed``."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def stream(seed: int, *names: str | int) -> Chance:
    """Open the stream ``names`` of ``seed`` for single draws."""
    return Random(derive(seed, *names))


def array_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Open the stream ``names`` of ``seed`` for whole arrays of draws."""
    return np.random.default_rng(derive(seed, *names))
