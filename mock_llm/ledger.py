"""The ledger: the witness's evidence, on disk before any answer leaves.

A ledger is a directory of segments `ledger-0001.bin`, one for each life of the witness. A segment
is the magic `OP1L` and then frames (see `frames`), whose payload is a msgpack array of records.
Every frame is one write(): that survives SIGKILL, and power loss only with `is_synced`.

The reader never raises on what it finds: a gap is evidence too. A frame cut off at the end was
never answered, so a torn tail is no gap; everything else that is wrong is a problem, in words, with
its offset.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from mock_llm import frames
from mock_llm.clock import Clock
from mock_llm.records import (
    SCHEMA,
    Begin,
    CallKind,
    ContextEntry,
    End,
    EndOutcome,
    Message,
    MessageWhat,
    Note,
    Opened,
    Outcome,
    Record,
    Sequenced,
)

__all__ = [
    "SCHEMA",
    "Begin",
    "CallKind",
    "ContextEntry",
    "End",
    "EndOutcome",
    "LedgerError",
    "LedgerRead",
    "LedgerReader",
    "LedgerWriter",
    "Message",
    "MessageWhat",
    "Note",
    "Opened",
    "Outcome",
    "Record",
    "Sequenced",
    "iter_records",
    "next_segment",
    "read_ledger",
    "segments",
]

_SEGMENT = "ledger-{:04d}.bin"
_READABLE = frozenset({SCHEMA, SCHEMA - 1})

SequencedT = TypeVar("SequencedT", Begin, End, Note, Outcome, Message)


class LedgerError(Exception):
    """The ledger cannot be written: held by another writer, no space, or closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRead:
    """A ledger in memory."""

    records: list[Record]
    """All whole records, in order."""
    is_torn_tail: bool
    """A segment ends inside a frame: its writer was killed there, and nobody was answered."""
    problems: list[str]
    """What is wrong with the evidence; empty when nothing is missing, doubled or changed."""


class LedgerWriter:
    """Appends records to one new segment, as its only writer."""

    def __init__(
        self,
        path: Path,
        *,
        run: str,
        seed: int,
        clock: Clock,
        next_seq: int = 1,
        is_synced: bool = False,
    ) -> None:
        """Create the segment, take its lock and write its `Opened`.

        Raises:
            LedgerError: the file exists and has content, another process holds it, or no space.
        """
        self.path = path
        self.next_seq = next_seq
        self._clock = clock
        self._is_synced = is_synced
        self._encoder = msgspec.msgpack.Encoder()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = os.fstat(self._descriptor).st_size
            if self._size:
                raise LedgerError(f"{path} has content already; start a new segment beside it")
            self._write(frames.MAGIC)
            opened = Opened(
                schema=SCHEMA,
                run=run,
                seed=seed,
                wall_ns=clock.wall_ns(),
                mono_ns=clock.monotonic_ns(),
                pid=os.getpid(),
            )
            self._write_frame([opened])
        except BlockingIOError as error:
            self.close()
            raise LedgerError(f"{path} is held by another writer; end it first") from error
        except LedgerError:
            self.close()
            raise

    def append(self, make: Callable[[int, int], SequencedT]) -> SequencedT:
        """Write the record that `make(seq, t_ns)` gives; it is on file when this returns.

        Raises:
            LedgerError: nothing of the record is on file and its number is free again.
        """
        record = make(self.next_seq, self._clock.monotonic_ns())
        self._write_frame([record])
        self.next_seq += 1
        return record

    def close(self) -> None:
        """Release the file. A second call does nothing; an append after it raises LedgerError."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write_frame(self, records: Sequence[Record]) -> None:
        payload = self._encoder.encode(records)
        most = frames.PAYLOAD_BYTES_MAX
        if len(payload) > most:
            raise LedgerError(f"a frame of {len(payload)} bytes; {most} is the most")
        self._write(frames.encode(payload))

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            raise LedgerError(f"{self.path} is closed")
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            if self._is_synced:
                os.fdatasync(self._descriptor)
        except OSError as error:
            # A rest that cannot be cut off stays visible: the reader calls it damage.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise LedgerError(f"{self.path} cannot be written: {error}; free some space") from error
        self._size += len(data)


def segments(directory: Path) -> list[Path]:
    """The segments of a ledger, oldest first."""
    return sorted(directory.glob("ledger-*.bin"))


def next_segment(
    directory: Path, *, run: str, seed: int, clock: Clock, is_synced: bool = False
) -> LedgerWriter:
    """A writer on a new segment of the ledger in `directory`, going on with its sequence numbers.

    Raises:
        LedgerError: a writer of an earlier segment still lives, or the segment cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    earlier = segments(directory)
    for path in earlier:
        _assert_free(path)
    numbers = (record.seq for record in LedgerReader(directory) if not isinstance(record, Opened))
    last_seq = max(numbers, default=0) if earlier else 0
    number = int(earlier[-1].stem.rpartition("-")[2]) + 1 if earlier else 1
    return LedgerWriter(
        directory / _SEGMENT.format(number),
        run=run,
        seed=seed,
        clock=clock,
        next_seq=last_seq + 1,
        is_synced=is_synced,
    )


class LedgerReader:
    """Iterates the records of a segment or of a whole directory, in constant memory.

    `problems` and `is_torn_tail` are complete when the iteration is. Each iteration starts anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.is_torn_tail = False
        self._last_seq = 0
        self._opened: Opened | None = None
        self._decoder = msgspec.msgpack.Decoder(list[Record])

    def __iter__(self) -> Iterator[Record]:
        self.problems = []
        self.is_torn_tail = False
        self._last_seq = 0
        self._opened = None
        paths = segments(self.path) if self.path.is_dir() else [self.path]
        if not paths:
            self.problems.append(f"{self.path} holds no segment of a ledger")
        for path in paths:
            yield from self._segment(path)

    def _segment(self, path: Path) -> Iterator[Record]:
        is_first = True
        if path.is_symlink() or not path.is_file():
            self.problems.append(f"{path.name} is no plain file of its own, and is not read")
            return
        for piece in _scan_file(path):
            where = f"{path.name} at byte {piece.offset}"
            if isinstance(piece, frames.Damage):
                self._note_damage(where, piece)
                continue
            try:
                records = self._decoder.decode(piece.payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self.problems.append(f"{where}: the records cannot be read: {error}")
                continue
            for record in records:
                trouble = self._trouble(record, is_first=is_first)
                if trouble:
                    self.problems.append(f"{where}: {trouble}")
                is_first = False
                yield record

    def _note_damage(self, where: str, damage: frames.Damage) -> None:
        if damage.text:
            self.problems.append(f"{where}: {damage.text}")
        else:
            self.is_torn_tail = True

    def _trouble(self, record: Record, *, is_first: bool) -> str:
        """What is wrong with a whole record in this place; empty for nothing."""
        if isinstance(record, Opened):
            return self._trouble_of_opened(record, is_first=is_first)
        expected, self._last_seq = self._last_seq + 1, max(self._last_seq, record.seq)
        if is_first:
            return "the segment does not start with its opening record"
        if record.seq < expected:
            return f"sequence number {record.seq} after {expected - 1}: doubled or out of order"
        if record.seq > expected:
            return f"sequence number {record.seq} after {expected - 1}: records are missing"
        return ""

    def _trouble_of_opened(self, record: Opened, *, is_first: bool) -> str:
        earlier, self._opened = self._opened, record
        if not is_first:
            return "an opening record inside a segment"
        if record.schema not in _READABLE:
            return f"schema {record.schema} is unknown; this reader knows {sorted(_READABLE)}"
        if earlier and (earlier.run, earlier.seed) != (record.run, record.seed):
            return f"run {record.run!r}, seed {record.seed} after {earlier.run!r}, {earlier.seed}"
        return ""


def iter_records(path: Path) -> LedgerReader:
    """The records of a segment or a directory, one by one; problems collect on the reader."""
    return LedgerReader(path)


def read_ledger(path: Path) -> LedgerRead:
    """A whole segment or ledger in memory; for tests and small runs.

    Raises:
        OSError: there is no such file.
    """
    reader = LedgerReader(path)
    records = list(reader)
    return LedgerRead(records=records, is_torn_tail=reader.is_torn_tail, problems=reader.problems)


def _assert_free(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LedgerError(f"{path} is held by another writer; end it first") from error
    finally:
        os.close(descriptor)


def _scan_file(path: Path) -> Iterator[frames.Frame | frames.Damage]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield from frames.scan(b"")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from frames.scan(data)
