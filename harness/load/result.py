"""What the driver hands back: counts and percentiles at the end, progress while it runs. Pure."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.load.histograms import Histogram

SCHEMA = 1
FILE = "live/driver-result.json"
PROGRESS_FILE = "live/progress.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of one kind of duration, in milliseconds; None without any."""

    count: int
    ms_p50: float | None
    ms_p90: float | None
    ms_p99: float | None
    ms_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocustRow:
    """Locust's own statistics of one name, times from the intended start."""

    name: str
    requests: int
    failures: int
    ms_p50: float
    ms_p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the load is."""

    schema: int = SCHEMA
    planned: int
    started: int
    """Agents with at least one POST."""
    accepted: int
    ended: int
    """Completed and failed."""
    failed: int
    """Ended as failed."""
    rejected: int
    """The pod said no to the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverResult:
    """The driver's last word."""

    schema: int = SCHEMA
    reason: str
    """Why it ended: all ended | deadline | stopped."""
    t0_ns: int
    """The first intended start, CLOCK_MONOTONIC."""
    planned: int
    started: int
    accepted: int
    rejected: int
    completed: int
    failed: int
    unfinished: int
    """Planned, and neither ended nor rejected."""
    late_count: int
    """Arrivals that the driver came to more than 1 s after their intended start."""
    held_count: int
    """Looks at a due arrival that found no pod to speak to."""
    lateness: Latency
    """From the intended start until the driver came to it."""
    start_latency: Latency
    """From the intended start until the start was known to have happened."""
    agent_latency: Latency
    """From the intended start until a terminal status was read."""
    locust: tuple[LocustRow, ...]
    cpu_s: float
    """User and system time of the driver's process, start-up included."""
    cpu_start_up_s: float
    """The part of it before the first intended start."""


def latency_of(histogram: Histogram) -> Latency:
    """Read the percentiles of a histogram."""
    return Latency(
        count=histogram.count,
        ms_p50=histogram.percentile_ms(50),
        ms_p90=histogram.percentile_ms(90),
        ms_p99=histogram.percentile_ms(99),
        ms_max=histogram.max_ms(),
    )


def decode(data: bytes) -> DriverResult:
    """Read driver-result.json."""
    return msgspec.json.decode(data, type=DriverResult)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that readers see whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.replace(path)
