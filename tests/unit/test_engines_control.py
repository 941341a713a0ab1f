"""The guarded control's ledger, without a process."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from harness.engines.control.ledger import SqliteLedger


def test_a_kept_result_is_there_at_once_and_after_a_new_start(tmp_path: Path) -> None:
    """What keep has returned is found, by this incarnation and by the next."""

    async def first() -> None:
        ledger = SqliteLedger(tmp_path / "ledger")
        assert ledger.find("a1", "1.t0") is None
        assert await ledger.keep("a1", "1.t0", "x") == "x"
        assert ledger.find("a1", "1.t0") == "x"
        await ledger.close()

    async def second() -> str | None:
        ledger = SqliteLedger(tmp_path / "ledger")
        found = ledger.find("a1", "1.t0")
        await ledger.close()
        return found

    asyncio.run(first())
    assert asyncio.run(second()) == "x"


def test_the_first_result_of_a_name_stands(tmp_path: Path) -> None:
    """Of two attempts of one step, both get the result that was kept first."""

    async def scene() -> list[str]:
        ledger = SqliteLedger(tmp_path / "ledger")
        kept = await asyncio.gather(*(ledger.keep("a1", "1.t0", value) for value in "xyz"))
        kept.append(await ledger.keep("a1", "1.t0", "w"))
        await ledger.close()
        return kept

    assert asyncio.run(scene()) == ["x"] * 4


def test_many_results_share_commits(tmp_path: Path) -> None:
    """A thousand at once are all kept, each under its own name."""

    async def scene() -> list[str | None]:
        ledger = SqliteLedger(tmp_path / "ledger")
        names = [f"{number}.t0" for number in range(1000)]
        await asyncio.gather(*(ledger.keep("a1", name, f"v{name}") for name in names))
        found = [ledger.find("a1", name) for name in names]
        await ledger.close()
        return found

    assert asyncio.run(scene()) == [f"v{number}.t0" for number in range(1000)]


def test_a_write_that_fails_is_told_to_who_waits(tmp_path: Path) -> None:
    """A result that was not committed is never used."""

    async def scene() -> None:
        ledger = SqliteLedger(tmp_path / "ledger")
        with sqlite3.connect(tmp_path / "ledger") as other:
            other.execute("drop table results")
        try:
            await ledger.keep("a1", "1.t0", "x")
        finally:
            await ledger.close()

    with pytest.raises(sqlite3.OperationalError, match="results"):
        asyncio.run(scene())
