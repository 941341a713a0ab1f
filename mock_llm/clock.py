"""The witness's clock: the only module of this package that reads the time.

Everything else takes a `Clock` or plain nanoseconds, so that tests own the time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Both readings are integer nanoseconds and never fail."""

    def monotonic_ns(self) -> int:
        """Time for durations; the same source in every process of one machine, never set back."""

    def wall_ns(self) -> int:
        """Time since 1970 for one anchor per segment; may be set back, so never subtract two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemClock:
    """The machine's own clocks: CLOCK_MONOTONIC and the wall clock."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        return time.time_ns()
