"""The reference engine's journal and memory, without a process."""

import asyncio
import os
from pathlib import Path

import pytest

from harness.engines.contract import AgentView
from harness.engines.reference.adapter import Reference
from harness.engines.reference.journal import Entry, open_journal
from harness.engines.reference.memory import Memory
from harness.engines.reference.mutants import MUTANTS
from harness.errors import HarnessError
from harness.scenario import Program, Step

PROGRAM = Program(agent="a1", steps=(Step(path="1", kind="say", prompt="Hello"),))


def written(path: Path) -> Memory:
    memory = asyncio.run(Memory.open(path))
    memory.accept(PROGRAM)
    memory.keep("a1", "1.t0", "an answer\nof two lines")
    return memory


def test_what_was_written_is_known_again(tmp_path: Path) -> None:
    """A new incarnation knows each program, result and end of the one before."""
    path = tmp_path / "journal"
    written(path).close()

    memory = asyncio.run(Memory.open(path))

    assert memory.unfinished() == [PROGRAM]
    assert memory.result("a1", "1.t0") == "an answer\nof two lines"
    assert memory.result("a1", "2.t0") is None
    memory.end("a1", AgentView(status="completed", output="done"))
    memory.close()
    memory = asyncio.run(Memory.open(path))
    assert memory.unfinished() == []
    assert memory.view("a1") == AgentView(status="completed", output="done")
    assert memory.view("a2") is None
    memory.close()


@pytest.mark.parametrize("kept", [1, 20, 60])
def test_a_torn_tail_is_cut_off(tmp_path: Path, kept: int) -> None:
    """A line cut by a kill never happened, and the next one starts on a line of its own."""
    path = tmp_path / "journal"
    written(path).close()
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    os.truncate(path, last + kept)

    memory = asyncio.run(Memory.open(path))

    assert memory.result("a1", "1.t0") is None
    memory.keep("a1", "1.t0", "again")
    memory.close()
    memory = asyncio.run(Memory.open(path))
    assert memory.result("a1", "1.t0") == "again"
    memory.close()


def test_damage_inside_is_an_error(tmp_path: Path) -> None:
    """What is broken before the tail is never skipped in silence."""
    path = tmp_path / "journal"
    written(path).close()
    path.write_bytes(path.read_bytes().replace(b'"accepted"', b'"accep', 1))

    with pytest.raises(HarnessError, match="line 2"):
        asyncio.run(Memory.open(path))


def test_another_schema_is_an_error(tmp_path: Path) -> None:
    """A journal of another version is refused by name."""
    path = tmp_path / "journal"
    path.write_bytes(b'{"kind":"opened","name":"99"}\n')

    with pytest.raises(HarnessError, match="'99'"):
        asyncio.run(open_journal(path))


def test_an_entry_is_on_file_when_append_returns(tmp_path: Path) -> None:
    """Nothing is held back in this process: a kill after append loses nothing."""
    path = tmp_path / "journal"

    async def scene() -> bytes:
        journal, _ = await open_journal(path)
        journal.append(Entry(kind="result", agent="a1", name="1.t0", value="x"))
        data = path.read_bytes()
        journal.close()
        return data

    assert asyncio.run(scene()).count(b"\n") == 2


def test_each_variant_has_a_policy() -> None:
    """What the adapter offers is what the worker can be."""
    assert Reference().variants == ("default", "slow", *MUTANTS)
