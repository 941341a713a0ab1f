"""What the driver did and saw, a JSON line an event, in the order it happened.

Each line is one write() on a file opened for appending, done before the function returns: an
`invoke` is on file before its request leaves, and a SIGKILL of the driver loses nothing. (A power
loss may; see docs/design.md, "Evidence".)
"""

import enum
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.clock import Clock
from harness.errors import HarnessError

SCHEMA = 1


class EventKind(enum.StrEnum):
    """What happened to an agent."""

    INVOKE = "invoke"
    """A start request is about to leave."""
    OK = "ok"
    """The start is known to have happened: status 202, or 200 when a later GET found the agent."""
    FAIL = "fail"
    """The start request did certainly not start the agent."""
    INFO = "info"
    """Undecided: timeout, reset, or left over at the end."""
    ENDED = "ended"
    """A terminal status was read, and the witness has the outcome mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of driver.jsonl."""

    schema: int = SCHEMA
    t_ns: int
    """CLOCK_MONOTONIC."""
    kind: EventKind
    agent: str
    intended_ns: int
    """When the agent was meant to start, CLOCK_MONOTONIC."""
    caller: str
    """The incarnation that was spoken to; empty when none was."""
    status: str
    """HTTP status and text, the error, or for `ended` completed | failed."""
    origin: str = "driver"


_EVENTS = msgspec.json.Decoder(Event)


def decode_line(line: bytes) -> Event:
    """Read one line; a torn last line raises msgspec.DecodeError."""
    return _EVENTS.decode(line)


class EventLog:
    """Appends events to driver.jsonl."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._encoder = msgspec.json.Encoder()

    def write(
        self, kind: EventKind, *, agent: str, intended_ns: int, caller: str, status: str
    ) -> int:
        """Write one event, dated now; returns its ``t_ns``.

        Raises:
            HarnessError: the disk took less than the whole line.
        """
        t_ns = self._clock.monotonic_ns()
        event = Event(
            t_ns=t_ns,
            kind=kind,
            agent=agent,
            intended_ns=intended_ns,
            caller=caller,
            status=status,
        )
        line = self._encoder.encode(event) + b"\n"
        written = os.write(self._file, line)
        if written != len(line):
            raise HarnessError(f"{self._path} took {written} of {len(line)} bytes; is it full?")
        return t_ns

    def close(self) -> None:
        """Close the file; nothing is left to flush."""
        os.close(self._file)
