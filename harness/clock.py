"""Time as a parameter: nothing else in onceproof imports `time` to learn what time it is."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where durations and dates come from."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC: one scale for all processes of this machine."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC; an anchor for people, never a duration."""

    async def sleep_s(self, seconds: float) -> None:
        """Wait; only pollers with a deadline and fault plans may."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """See Clock."""
        return time.time_ns()

    async def sleep_s(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class ManualClock:
    """A clock for tests: it moves when it is told to, and a sleep moves it at once."""

    now_ns: int = 0
    anchor_ns: int = 1_700_000_000 * NS_PER_S

    def monotonic_ns(self) -> int:
        """See Clock."""
        return self.now_ns

    def wall_ns(self) -> int:
        """See Clock."""
        return self.anchor_ns + self.now_ns

    async def sleep_s(self, seconds: float) -> None:
        """See Clock; other tasks get one turn."""
        self.now_ns += int(seconds * NS_PER_S)
        await asyncio.sleep(0)
