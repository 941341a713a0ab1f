"""What an engine keeps: counted over the load, and never at the price of the run."""

import asyncio
from pathlib import Path

from harness.errors import MachineError
from harness.protocols import Component
from harness.runner.kept import Kept, folder_bytes
from harness.stores.counting import operations_in

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

    def __init__(self, *said: dict[str, float] | None) -> None:
        self._said = list(said)

    async def figures(self) -> dict[str, float]:
        """The next word."""
        found = self._said.pop(0)
        if found is None:
            raise MachineError("redis gave no figures")
        return dict(found)


def kept_of(store: StoreOfTests, slots: Path) -> Kept:
    kept = Kept(store=store, slots=slots)

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

    assert kept.figures == {"operations": 50.0, "bytes": 43.0}
    assert kept.reason == ""


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


def test_our_own_questions_and_health_checks_are_no_operations() -> None:
    """Ten and four; not the pings, not what we ask."""
    assert operations_in(STATS) == 14


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """Engines without a state of their own have none."""
    assert folder_bytes(tmp_path / "none") == 0
