"""What an engine keeps: counted over the load, and never at the price of the run."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from harness.errors import MachineError
from harness.protocols import Component
from harness.runner.kept import Kept, folder_bytes, lines_with
from harness.stores.counting import calls_in

STATS = (
    "# Commandstats\r\ncmdstat_hset:calls=10,usec=5,usec_per_call=0.5\r\n"
    "cmdstat_ping:calls=99,usec=1,usec_per_call=0.01\r\n"
    "cmdstat_memory|usage:calls=7,usec=1,usec_per_call=0.1\r\ncmdstat_eval:calls=4,usec=1\r\n"
)


class StoreOfTests:
    """Starts nothing, counts nothing."""

    name = "fake"
    durability = "none"

    async def start(self) -> None:
        """Nothing."""

    async def stop(self) -> None:
        """Nothing."""

    def component(self) -> Component | None:
        """None."""
        return None


class Counter(StoreOfTests):
    """Says what it is told to say, or that it does not answer."""

    sources: Mapping[str, str] = {"bytes": "its own word"}
    trouble = ""

    def __init__(self, *said: dict[str, float] | None) -> None:
        self._said = list(said)

    async def figures(self) -> dict[str, float]:
        """The next word."""
        found = self._said.pop(0)
        if found is None:
            raise MachineError("redis gave no figures")
        return dict(found)


def kept_of(store: StoreOfTests, slots: Path) -> Kept:
    kept = Kept(store=store, slots=slots, logs=slots)

    async def load() -> None:
        await kept.begin()
        (slots / "agents-1").mkdir(parents=True)
        (slots / "agents-1" / "journal").write_bytes(b"x" * 40)
        await kept.end()

    asyncio.run(load())
    return kept


def test_operations_and_bytes_are_those_of_the_load(tmp_path: Path) -> None:
    """What a warm-up left is taken off; files of the slots are kept durably too."""
    store = Counter({"operations": 100.0, "bytes": 7.0}, {"operations": 150.0, "bytes": 10.0})
    kept = kept_of(store, tmp_path / "slots")

    assert kept.facts() == {
        "store": {"operations": 50.0, "bytes": 43.0},
        "store_reason": "",
        "store_sources": {"bytes": "its own word"},
        "store_trouble": "",
        "store_troubles_count": 0,
    }


def test_a_store_that_does_not_count_says_so(tmp_path: Path) -> None:
    """No figure, and the reason by name."""
    kept = kept_of(StoreOfTests(), tmp_path / "slots")

    assert (kept.figures, kept.reason) == ({}, "the store fake counts nothing")


def test_a_store_that_is_gone_at_the_end_costs_its_figures_only(tmp_path: Path) -> None:
    """The run goes on to be judged."""
    kept = kept_of(Counter({"operations": 1.0, "bytes": 1.0}, None), tmp_path / "slots")

    assert (kept.figures, kept.reason) == ({}, "redis gave no figures")


def test_a_figure_that_a_store_lacks_is_named(tmp_path: Path) -> None:
    """The others stand."""
    kept = kept_of(Counter({"bytes": 1.0}, {"bytes": 2.0}), tmp_path / "slots")

    assert kept.figures == {"bytes": 41.0}
    assert kept.reason == "the store fake says nothing of operations"


def test_every_command_has_its_calls() -> None:
    """As INFO has them, sub-commands among them."""
    assert calls_in(STATS) == {"hset": 10, "ping": 99, "memory|usage": 7, "eval": 4}


def test_what_a_store_refused_is_counted_in_the_sidecars_logs(tmp_path: Path) -> None:
    """By its own word; a worker's log may quote it and does not count."""
    (tmp_path / "agents-1.1-sidecar.log").write_text("ok\nlocked (SQLITE_BUSY)\nSQLITE_BUSY too\n")
    (tmp_path / "agents-2.1-sidecar.log").write_text("locked (SQLITE_BUSY)\n")
    (tmp_path / "agents-2.1-worker.log").write_text("SQLITE_BUSY\n")

    assert lines_with("SQLITE_BUSY", tmp_path) == 3


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """Engines without a state of their own have none."""
    assert folder_bytes(tmp_path / "none") == 0
