"""When each agent shall start: the plan's unit-rate times, scaled to the offered rate.

Pure, apart from the iterator of lines that it is given. The plan draws times at one agent per
second and shapes them (a ramp is in the times already), so that the same plan serves every rate.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from harness.errors import UsageError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One agent of programs.jsonl, without its program: that is read when it is sent."""

    agent: str
    slot: str
    at_ns: int
    """Nanoseconds after the first intended start, at one agent per second."""
    offset: int
    """Where the line begins in the file, in bytes."""
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    agent: str
    pod: str
    at_ns: int


_LINES = msgspec.json.Decoder(_Line)


def arrivals_of(lines: Iterable[bytes], *, prefix: str, source: str) -> tuple[Arrival, ...]:
    """Index the agents whose id starts with ``prefix``, in file order.

    Raises:
        UsageError: a line that is no arrival, an agent that stands twice, times that go back.
    """
    arrivals: list[Arrival] = []
    seen: set[str] = set()
    offset = 0
    for number, line in enumerate(lines, start=1):
        found = _decode(line, f"{source}:{number}") if line.strip() else None
        if found is not None and found.agent.startswith(prefix):
            if found.agent in seen:
                raise UsageError(f"{source}:{number}: agent {found.agent} stands twice")
            if arrivals and found.at_ns < arrivals[-1].at_ns:
                raise UsageError(
                    f"{source}:{number}: at_ns {found.at_ns} is before {arrivals[-1].at_ns}; "
                    "lines must be in arrival order"
                )
            seen.add(found.agent)
            arrivals.append(
                Arrival(
                    agent=found.agent,
                    slot=found.pod,
                    at_ns=found.at_ns,
                    offset=offset,
                    length=len(line),
                )
            )
        offset += len(line)
    return tuple(arrivals)


def _decode(line: bytes, source: str) -> _Line:
    try:
        found = _LINES.decode(line)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{source}: no arrival: {error}") from error
    if found.at_ns < 0:
        raise UsageError(f"{source}: at_ns is {found.at_ns}; it must be 0 or more")
    return found


def intended_ns(at_ns: int, *, t0_ns: int, rate_per_s: float | None, shape: str) -> int:
    """Scale a unit-rate time to the offered rate; all are ``t0_ns`` when all start at once."""
    if rate_per_s is None or shape == "at_once":
        return t0_ns
    return t0_ns + round(at_ns / rate_per_s)


class Timetable(Generic[Item]):
    """Items by due time; those due at the same time come in the order they were put in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Item]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due_ns(self) -> int | None:
        """When the earliest item is due; None when there is none."""
        return self._heap[0][0] if self._heap else None

    def push(self, due_ns: int, item: Item) -> None:
        """Put an item in."""
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, item))

    def pop_due(self, now_ns: int) -> Item | None:
        """Take out the earliest item that is due; None when none is."""
        if not self._heap or self._heap[0][0] > now_ns:
            return None
        return heapq.heappop(self._heap)[2]
