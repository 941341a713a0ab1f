"""The ledger: nothing that was answered is missing, and damage is never taken for order."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_llm import frames
from mock_llm.ledger import (
    SCHEMA,
    Begin,
    End,
    LedgerError,
    LedgerWriter,
    Message,
    Note,
    Opened,
    Outcome,
    Record,
    iter_records,
    next_segment,
    read_ledger,
    segments,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    def monotonic_ns(self) -> int:
        return 11

    def wall_ns(self) -> int:
        return 22


def _ledger(path: Path, notes: int = 5) -> list[int]:
    """A segment of so many notes; the offsets at which its frames end."""
    ends = []
    writer = LedgerWriter(path, run="r", seed=7, clock=_Clock())
    for _ in range(notes):
        writer.append(
            lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind="k", subject=f"s{seq}", detail="")
        )
        ends.append(path.stat().st_size)
    writer.close()
    return ends


def _seqs(records: list[Record]) -> list[int]:
    return [record.seq for record in records if not isinstance(record, Opened)]


def test_roundtrip_of_every_record(tmp_path: Path) -> None:
    """What is written is read back, numbered without a gap."""
    path = tmp_path / "ledger-0001.bin"
    writer = LedgerWriter(path, run="r", seed=2**63, clock=_Clock())
    begin = writer.append(
        lambda seq, t_ns: Begin(
            seq=seq,
            t_ns=t_ns,
            caller="p.0",
            agent="a1",
            path="1",
            turn=0,
            kind="step",
            retry=-1,
            model="m",
            prompt_tokens=3,
            max_tokens=0,
            is_last=True,
            account="k",
            key="",
            context=[("u", "m", 5, -1), ("t", "c", 2**64 - 1, 9)],
        )
    )
    end = writer.append(
        lambda seq, t_ns: End(
            seq=seq,
            t_ns=t_ns,
            begin=begin.seq,
            outcome="answered",
            status=200,
            receipt=2**64 - 1,
            mark=begin.seq,
            completion_tokens=4,
            retry_after_ms=-1,
            is_applied=False,
            is_final=True,
            engine_ms=12,
        )
    )
    rest = [
        writer.append(make)
        for make in (
            lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind="fired", subject="f", detail="{}"),
            lambda seq, t_ns: Outcome(
                seq=seq, t_ns=t_ns, agent="a1", status="completed", receipt=1, mark=2
            ),
            lambda seq, t_ns: Message(
                seq=seq,
                t_ns=t_ns,
                caller="p.0",
                what="publishing",
                id="a1/start",
                topic="starts",
                key="a1",
                number=0,
                broker="redis",
                is_poison=True,
            ),
        )
    ]
    writer.close()

    read = read_ledger(path)

    assert read.records[1:] == [begin, end, *rest]
    assert isinstance(read.records[0], Opened)
    assert (read.records[0].seed, read.records[0].wall_ns) == (2**63, 22)
    assert _seqs(read.records) == [1, 2, 3, 4, 5]
    assert (read.is_torn_tail, read.problems) == (False, [])


def test_torn_tail_at_every_byte(tmp_path: Path) -> None:
    """A frame cut anywhere is a torn tail and no problem; all frames before it are there."""
    path = tmp_path / "ledger-0001.bin"
    ends = _ledger(path)
    whole = path.read_bytes()

    for size in range(ends[-2] + 1, ends[-1]):
        path.write_bytes(whole[:size])
        read = read_ledger(path)
        assert (_seqs(read.records), read.is_torn_tail) == ([1, 2, 3, 4], True)
        assert read.problems == []


def test_flipped_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    """No single changed byte is read as a good ledger, nor as a torn tail alone."""
    path = tmp_path / "ledger-0001.bin"
    _ledger(path)
    whole = path.read_bytes()

    for place in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            assert read_ledger(path).problems, f"byte {place} ^ {flip:#x}"


def test_reading_goes_on_behind_damage(tmp_path: Path) -> None:
    """One bad frame costs its own records, not the ones behind it."""
    path = tmp_path / "ledger-0001.bin"
    ends = _ledger(path)
    data = bytearray(path.read_bytes())
    data[ends[1] + 9] ^= 0xFF
    path.write_bytes(data)

    read = read_ledger(path)

    assert _seqs(read.records) == [1, 2, 4, 5]
    assert len(read.problems) == 2
    assert "no whole frame" in read.problems[0]
    assert "sequence number 4 after 2: records are missing" in read.problems[1]


def test_dropped_frame(tmp_path: Path) -> None:
    """A frame that is not there leaves a hole in the numbers."""
    path = tmp_path / "ledger-0001.bin"
    ends = _ledger(path)
    data = path.read_bytes()
    path.write_bytes(data[: ends[1]] + data[ends[2] :])

    assert "records are missing" in read_ledger(path).problems[0]


def test_doubled_frame(tmp_path: Path) -> None:
    """A frame that is there twice repeats its numbers."""
    path = tmp_path / "ledger-0001.bin"
    ends = _ledger(path)
    data = path.read_bytes()
    path.write_bytes(data[: ends[2]] + data[ends[1] :])

    problems = read_ledger(path).problems

    assert len(problems) == 1
    assert "doubled or out of order" in problems[0]


def test_a_restart_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    """Numbers go on behind a torn tail, and the two segments are one ledger."""
    path = tmp_path / "ledger-0001.bin"
    ends = _ledger(path)
    path.write_bytes(path.read_bytes()[: ends[-1] - 3])

    writer = next_segment(tmp_path, run="r", seed=7, clock=_Clock())
    writer.append(lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind="k", subject="", detail=""))
    writer.close()
    read = read_ledger(tmp_path)

    assert [one.name for one in segments(tmp_path)] == ["ledger-0001.bin", "ledger-0002.bin"]
    assert _seqs(read.records) == [1, 2, 3, 4, 5]
    assert (read.is_torn_tail, read.problems) == (True, [])


def test_lost_segment(tmp_path: Path) -> None:
    """A later segment alone is a ledger with a hole."""
    _ledger(tmp_path / "ledger-0001.bin")
    next_segment(tmp_path, run="r", seed=7, clock=_Clock()).close()
    other = next_segment(tmp_path, run="r", seed=7, clock=_Clock())
    other.append(lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind="k", subject="", detail=""))
    other.close()
    (tmp_path / "ledger-0001.bin").unlink()

    assert "records are missing" in read_ledger(tmp_path).problems[0]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second writer is refused while the first lives, on the segment and on the ledger."""
    writer = next_segment(tmp_path, run="r", seed=7, clock=_Clock())

    with pytest.raises(LedgerError, match="held by another writer"):
        next_segment(tmp_path, run="r", seed=7, clock=_Clock())
    with pytest.raises(LedgerError, match="held by another writer"):
        LedgerWriter(writer.path, run="r", seed=7, clock=_Clock())
    writer.close()


def test_a_segment_is_never_written_twice(tmp_path: Path) -> None:
    """A file with content is left alone."""
    path = tmp_path / "ledger-0001.bin"
    _ledger(path)

    with pytest.raises(LedgerError, match="has content already"):
        LedgerWriter(path, run="r", seed=7, clock=_Clock())


def test_closed_writer_refuses(tmp_path: Path) -> None:
    """Nothing is lost in silence after close."""
    writer = LedgerWriter(tmp_path / "ledger-0001.bin", run="r", seed=7, clock=_Clock())
    writer.close()

    with pytest.raises(LedgerError, match="is closed"):
        writer.append(lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind="", subject="", detail=""))
    assert writer.next_seq == 1


def test_another_run_in_the_same_directory(tmp_path: Path) -> None:
    """Segments of two runs are not one ledger."""
    _ledger(tmp_path / "ledger-0001.bin")
    next_segment(tmp_path, run="other", seed=7, clock=_Clock()).close()

    assert "run 'other', seed 7 after 'r', 7" in read_ledger(tmp_path).problems[0]


def test_no_ledger_at_all(tmp_path: Path) -> None:
    """An empty directory is a problem; an empty segment is a writer killed at once."""
    assert "holds no segment" in read_ledger(tmp_path).problems[0]
    (tmp_path / "ledger-0001.bin").touch()
    read = read_ledger(tmp_path)
    assert (read.is_torn_tail, read.problems) == (True, [])


def test_streaming_is_the_same(tmp_path: Path) -> None:
    """Records one by one are the records at once, as often as they are asked for."""
    _ledger(tmp_path / "ledger-0001.bin")
    reader = iter_records(tmp_path)

    assert list(reader) == list(reader) == read_ledger(tmp_path).records


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.integers(0, 40))
def test_frames_roundtrip(payloads: list[bytes], cut: int) -> None:
    """Whole frames are found; a cut end costs frames at the end only, and is no damage."""
    data = frames.MAGIC + b"".join(map(frames.encode, payloads))
    pieces = list(frames.scan(data[: len(data) - cut]))

    found = [piece.payload for piece in pieces if isinstance(piece, frames.Frame)]
    assert found == payloads[: len(found)]
    assert all(not piece.text for piece in pieces if isinstance(piece, frames.Damage))
    assert len(found) == len(payloads) or cut > 0


def test_the_schema_before_is_read_and_none_beyond(tmp_path: Path) -> None:
    """A ledger of before there were messages is evidence still; one of the future is damage."""
    path = tmp_path / "ledger-0001.bin"
    opened = Opened(schema=1, run="r", seed=7, wall_ns=0, mono_ns=0, pid=1)

    for schema, problems in ((SCHEMA - 1, 0), (SCHEMA, 0), (SCHEMA + 1, 1), (SCHEMA - 2, 1)):
        record = msgspec.structs.replace(opened, schema=schema)
        path.write_bytes(frames.MAGIC + frames.encode(msgspec.msgpack.encode([record])))
        assert len(read_ledger(path).problems) == problems
