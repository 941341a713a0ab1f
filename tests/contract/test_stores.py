"""Every store keeps the same contract: it starts, has a component, stops and leaves nothing."""

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from harness.clock import SystemClock
from harness.cluster.components import write_component
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError
from harness.protocols import CountingStore, Store
from harness.provide.postgres import find_postgres
from harness.stores import STORES, make_store
from harness.stores.place import StorePlace
from tests.contract.service_stand import (
    NEEDS_POSTGRES,
    NEEDS_REDIS,
    SHIPPED,
    STORE_MARKS,
    perform,
    store_place,
)

EVERY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=STORE_MARKS.get(name, ())) for name in STORES]
)
EVERY_SERVED = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=mark) for name, mark in STORE_MARKS.items()]
)
LOCAL = ("127.0.0.1:", "redis://127.0.0.1:", "postgresql://onceproof@127.0.0.1:")


async def ask(address: str, *words: str) -> bytes:
    """One inline command to a Redis."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write((" ".join(words) + "\r\n").encode())
    answer = await reader.readline()
    if answer.startswith(b"$") and answer != b"$-1\r\n":
        answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.strip()


@EVERY
def test_a_store_starts_and_stops_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    """Stopping twice is safe."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        await store.stop()
        await store.stop()

    perform(tmp_path, act)


@EVERY
def test_stopping_what_never_started_is_safe(tmp_path: Path, name: str) -> None:
    """Teardown does not know how far the start came."""

    async def act(processes: Processes) -> None:
        await make_store(name, store_place(tmp_path, processes)).stop()

    assert perform(tmp_path, act).all == []


@EVERY
def test_the_component_of_a_store_can_be_written(tmp_path: Path, name: str) -> None:
    """A state component for actors, that points into the run or at loopback."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        component = store.component()
        await store.stop()
        if component is None:
            assert name == "none"
            return
        path = write_component(component, source=SHIPPED, target=tmp_path / "components")
        content = yaml.safe_load(path.read_text())
        values = {entry["name"]: str(entry["value"]) for entry in content["spec"]["metadata"]}
        assert content["spec"]["type"].startswith("state.")
        assert values["actorStateStore"] == "true"
        assert all(
            value.startswith((*LOCAL, str(tmp_path))) for value in component.metadata.values()
        )
        assert store.url() == "" or store.url().startswith(LOCAL)

    perform(tmp_path, act)


@EVERY
def test_a_store_says_what_it_holds(tmp_path: Path, name: str) -> None:
    """Bytes grow by what is stored; asking changes nothing. What cannot be seen is absent."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        assert isinstance(store, CountingStore)
        before = await store.figures()
        again = await store.figures()
        assert before == again
        assert set(before) == {
            "redis": {"operations", "bytes", "writes", "written_bytes"},
            "in-memory": set(),
            "none": {"bytes"},
            "sqlite": {"bytes"},
            "sqlite-shared": {"bytes"},
            "postgres": {"bytes", "writes", "written_bytes"},
        }.get(name, set(before))
        if name == "redis":
            component = store.component()
            assert component is not None
            for number in range(1200):
                await ask(component.metadata["redisHost"], "SET", f"step-{number}", "x" * 100)
            after = await store.figures()
            assert after["operations"] - before["operations"] == 1200
            assert after["bytes"] - before["bytes"] > 1200 * 100
        await store.stop()

    perform(tmp_path, act)


@NEEDS_REDIS
def test_redis_counts_what_changes_something_apart(tmp_path: Path) -> None:
    """Two sets, one of them within a script, of four commands; its file grows by them."""
    script = "return+redis.call('SET','inner','1')".replace("+", " ")

    async def act(processes: Processes) -> None:
        store = make_store("redis", store_place(tmp_path, processes))
        await store.start()
        assert isinstance(store, CountingStore)
        component = store.component()
        assert component is not None
        address = component.metadata["redisHost"]
        before = await store.figures()
        await ask(address, "SET", "step", "x" * 100)
        await ask(address, "GET", "step")
        await ask(address, "EVAL", f'"{script}"', "0")
        after = await store.figures()
        grown = {name: after[name] - before[name] for name in after}
        await store.stop()
        assert (grown["operations"], grown["writes"]) == (4, 2)
        assert 100 < grown["written_bytes"] < 1000
        assert set(store.sources) == set(after)

    perform(tmp_path, act)


@NEEDS_POSTGRES
def test_postgres_counts_the_transactions_that_write(tmp_path: Path) -> None:
    """Three of four; what is only read takes no number, nor what onceproof asks."""

    async def act(processes: Processes) -> None:
        store = make_store("postgres", store_place(tmp_path, processes))
        await store.start()
        assert isinstance(store, CountingStore)
        before = await store.figures()
        await said(store.url(), "create table steps (state text)")
        await said(store.url(), "insert into steps values ('done')")
        await said(store.url(), "insert into steps values ('done')")
        await said(store.url(), "select count(*) from steps")
        after = await store.figures()
        await store.stop()
        assert after["writes"] - before["writes"] == 3
        assert after["written_bytes"] > before["written_bytes"]
        assert set(store.sources) == set(after)

    perform(tmp_path, act)


@pytest.mark.parametrize("name", ["sqlite", "sqlite-shared"])
def test_sqlite_counts_the_transactions_that_write(tmp_path: Path, name: str) -> None:
    """Three, by its own header; a read and one that was taken back count nothing."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        assert isinstance(store, CountingStore)
        component = store.component()
        assert component is not None
        with contextlib.closing(
            sqlite3.connect(component.metadata["connectionString"], isolation_level=None)
        ) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("create table steps (state text)")
            before = await store.figures()
            for _ in range(3):
                database.execute("insert into steps values ('done')")
            database.execute("begin")
            database.execute("insert into steps values ('never')")
            database.execute("rollback")
            database.execute("select * from steps").fetchall()
            after = await store.figures()
        assert after["writes"] - before["writes"] == 3
        assert set(store.sources) == set(after)
        await store.stop()

    perform(tmp_path, act)


@EVERY_SERVED
def test_a_store_that_is_gone_has_no_figures(tmp_path: Path, name: str) -> None:
    """An error of ours, not a hang and not a zero."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        await processes.kill(processes.all)
        assert isinstance(store, CountingStore)
        with pytest.raises(MachineError, match="gave no figures"):
            await store.figures()

    perform(tmp_path, act)


@EVERY
def test_a_store_says_what_it_survives(name: str) -> None:
    """Runs of different classes are never compared."""
    assert STORES[name].durability in ("D1", "D2", "none")
    assert STORES[name].name == name


@NEEDS_REDIS
def test_redis_keeps_what_it_answered_for_through_a_sigkill(tmp_path: Path) -> None:
    """D1: survives SIGKILL of the server."""

    async def act(processes: Processes) -> None:
        first = make_store("redis", store_place(tmp_path, processes))
        await first.start()
        component = first.component()
        assert component is not None
        assert await ask(component.metadata["redisHost"], "SET", "step", "done") == b"+OK"
        await processes.kill(processes.all)
        second = make_store("redis", store_place(tmp_path, processes))
        await second.start()
        component = second.component()
        assert component is not None
        assert await ask(component.metadata["redisHost"], "GET", "step") == b"done"
        await second.stop()

    perform(tmp_path, act)


@EVERY_SERVED
def test_a_server_listens_on_loopback_alone(tmp_path: Path, name: str) -> None:
    """Nobody outside this machine reaches a store of ours."""

    async def act(processes: Processes) -> None:
        store = make_store(name, store_place(tmp_path, processes))
        await store.start()
        port = urlsplit(store.url()).port
        tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
        lines = [
            row for table in tables if table.exists() for row in table.read_text().splitlines()
        ]
        listening = [
            line.split()[1]
            for line in lines
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        ]
        await store.stop()
        assert listening == [f"0100007F:{port:04X}"]

    perform(tmp_path, act)


@NEEDS_REDIS
def test_a_redis_of_the_users_is_used_and_left_alone(tmp_path: Path) -> None:
    """With an address nothing is started, and nothing is stopped."""

    async def act(processes: Processes) -> None:
        theirs = make_store("redis", store_place(tmp_path, processes))
        await theirs.start()
        component = theirs.component()
        assert component is not None
        address = component.metadata["redisHost"]
        ours = make_store("redis", store_place(tmp_path, processes, redis_address=address))
        await ours.start()
        await ours.stop()
        assert ours.component() == component
        assert await ask(address, "PING") == b"+PONG"
        assert len(processes.all) == 1
        await theirs.stop()

    perform(tmp_path, act)


@pytest.mark.parametrize("name", list(STORE_MARKS))
def test_a_machine_without_the_server_says_so(tmp_path: Path, name: str) -> None:
    """Before anything is started, with the next move."""

    async def act(processes: Processes) -> None:
        nowhere = StorePlace(
            folder=tmp_path, processes=processes, ports=Ports(1), clock=SystemClock()
        )
        with pytest.raises(MachineError, match="onceproof doctor"):
            await make_store(name, nowhere).start()

    assert perform(tmp_path, act).all == []


def test_a_redis_that_dies_at_its_start_shows_its_last_lines(tmp_path: Path) -> None:
    """Found at once, not at the deadline."""
    stand_in = ("/bin/sh", "-c", "echo cannot go on; exit 3", "redis")

    async def act(processes: Processes) -> None:
        broken = StorePlace(
            folder=tmp_path / "store",
            processes=processes,
            ports=Ports(2),
            clock=SystemClock(),
            redis=stand_in,
        )
        with pytest.raises(MachineError, match=r"exit 3(?s:.*)cannot go on"):
            await make_store("redis", broken).start()

    perform(tmp_path, act)


@NEEDS_POSTGRES
def test_postgres_keeps_what_it_answered_for_through_a_sigkill(
    tmp_path: Path, open_folder: Path
) -> None:
    """A client's death loses nothing; the server's own not what is older than 30 ms."""

    async def act(processes: Processes) -> None:
        first = make_store("postgres", store_place(open_folder, processes))
        await first.start()
        assert await said(first.url(), "show fsync") == "on"
        await said(
            first.url(), "create table steps (state text); insert into steps values ('done')"
        )
        await asyncio.sleep(0.2)
        await processes.kill(processes.all)
        second = make_store("postgres", store_place(open_folder, processes))
        # The dead one's children hold its memory until they see that it is gone.
        async with asyncio.timeout(20):
            while not await has_started(second):
                await asyncio.sleep(0.2)
        assert await said(second.url(), "select state from steps") == "done"
        await second.stop()

    perform(tmp_path, act)


@NEEDS_POSTGRES
def test_a_postgres_of_the_users_is_used_and_left_alone(tmp_path: Path) -> None:
    """With an address nothing is started, and nothing is stopped."""

    async def act(processes: Processes) -> None:
        theirs = make_store("postgres", store_place(tmp_path, processes))
        await theirs.start()
        given = find_postgres(theirs.url(), lambda _: None)
        ours = make_store("postgres", store_place(tmp_path, processes, postgres=given))
        await ours.start()
        await ours.stop()
        assert ours.component() == theirs.component()
        assert await said(theirs.url(), "select 'alive'") == "alive"
        await theirs.stop()

    perform(tmp_path, act)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def has_started(store: Store) -> bool:
    """Whether it comes up now."""
    try:
        await store.start()
    except MachineError as error:
        assert "still in use" in str(error)
        return False
    return True


async def said(url: str, statement: str) -> str:
    """The first value that a statement gives."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        row = await cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""
