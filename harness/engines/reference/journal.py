"""The reference engine's journal: an append-only file of a slot, one JSON line an entry.

An entry is handed to the kernel with one write() before anything follows from it: that survives
SIGKILL at any moment, not power loss (durability class D1).
"""

import asyncio
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import HarnessError, MachineError
from harness.scenario import Program

# durable
SCHEMA = 1
# durable
LOCK_S = 10.0
"""A killed incarnation holds the file until the kernel has taken it down; so long is waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
# durable
class Entry:
    """One line: something that is so from now on."""

    kind: str
    """opened | accepted | result | ended."""
    agent: str = ""
    name: str = ""
    """Of a result: ``<path>.t<turn>`` for an answer, ``<path>.t<turn>.c<call>`` for an effect; of
    an end: its status; of the opening: the schema."""
    value: str = ""
    """An answer's message as JSON, an effect's receipt, an end's output."""
    program: Program | None = None
    """Of an accepted agent."""


# durable
class Journal:
    """The file, open and locked; one writer at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._encoder = msgspec.json.Encoder()

    def append(self, entry: Entry) -> None:
        """Make an entry durable.

        Raises:
            HarnessError: the kernel did not take all of it; the process must not go on.
        """
        line = self._encoder.encode(entry) + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise HarnessError(
                f"journal: {written} of {len(line)} bytes written; is the disk full?"
            )

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._descriptor)


# durable
async def open_journal(path: Path) -> tuple[Journal, list[Entry]]:
    """Open or make the journal; returns it with all its entries, oldest first.

    A torn last line, which nothing ever followed from, is cut off.

    Raises:
        MachineError: another process still holds it after 10 s.
        HarnessError: a line that is none of ours, or another schema.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        await _lock(descriptor, path)
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        entries = _entries(data[:whole], path)
        journal = Journal(descriptor)
        if not entries:
            journal.append(Entry(kind="opened", name=str(SCHEMA)))
    except BaseException:
        os.close(descriptor)
        raise
    return journal, entries


# durable
def _entries(data: bytes, path: Path) -> list[Entry]:
    decoder = msgspec.json.Decoder(Entry)
    entries = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entries.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            raise HarnessError(f"{path}, line {number}: {error}; not a whole entry") from error
    if entries and (entries[0].kind, entries[0].name) != ("opened", str(SCHEMA)):
        raise HarnessError(
            f"{path}: begins with {entries[0].kind} {entries[0].name!r}, expected schema {SCHEMA}; "
            "use a state folder of this version"
        )
    return entries


# durable
async def _lock(descriptor: int, path: Path) -> None:
    try:
        async with asyncio.timeout(LOCK_S):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    await asyncio.sleep(0.005)
    except TimeoutError as error:
        raise MachineError(
            f"{path} is held by another process after {LOCK_S} s; is the old incarnation alive?"
        ) from error
