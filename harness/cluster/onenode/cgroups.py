"""The control groups of a cluster's pods: made before it, removed after it, in every hierarchy.

Where version 2 is mounted alone, the kubelet and runc enable controllers themselves; that was not
tried.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from harness.clock import NS_PER_S, SystemClock

REMOVAL_S = 10.0
KINDS = ("cgroup", "cgroup2")
CLOCK = SystemClock()


def hierarchies(mounts: Path = Path("/proc/self/mounts")) -> list[Path]:
    """Where control groups are mounted."""
    rows = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    return [Path(row[1]) for row in rows if row[2] in KINDS]


def make(name: str) -> None:
    """Make the group in every hierarchy; one that is there is taken."""
    for root in hierarchies():
        (root / name).mkdir(exist_ok=True)


def left(name: str) -> list[Path]:
    """The groups of this name that exist."""
    return [root / name for root in hierarchies() if (root / name).exists()]


def remove(name: str) -> list[Path]:
    """Remove the groups and all below, within 10 s; returns what stayed, which has processes."""
    began_ns = CLOCK.monotonic_ns()
    while True:
        for top in left(name):
            for group in _deepest_first(top):
                try:
                    group.rmdir()
                except OSError:
                    continue
        stayed = left(name)
        if not stayed or (CLOCK.monotonic_ns() - began_ns) / NS_PER_S > REMOVAL_S:
            return stayed
        Event().wait(0.05)


def _deepest_first(top: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)
