"""Every broker keeps the same contract, and a real sidecar takes a message through each.

Each broker that this machine has is started; what it lacks is skipped with the remedy.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.brokers import BROKERS, make_broker
from harness.brokers.place import BrokerPlace
from harness.brokers.served import ServedBroker
from harness.cluster.dapr import APP_ID
from harness.engines.messages import Message
from harness.errors import EngineError, MachineError
from harness.protocols import Broker, CountingBroker, ListingBroker, TopicCount
from harness.provide.server import Server
from tests.contract.broker_stand import (
    EVERY,
    EVERY_SERVED,
    TOPIC,
    Corner,
    Subscriber,
    perform,
)
from tests.contract.service_stand import HERE, NEEDS_RUNTIME, SERVED, marks

TOO_LARGE_BYTES = {"redis": 5_000_000, "rabbitmq": 5_000_000, "kafka": 1_500_000, "nats": 1_500_000}
"""Redis takes 512 MB and RabbitMQ 128 MiB: the sidecar's own limit, 4 MiB, comes first."""
LOOPBACK = {
    "0100007F",
    "0000000000000000FFFF00000100007F",
    "00000000000000000000000001000000",
}
"""127.0.0.1, the same as an address of version 6, and ::1, as the kernel's tables have them."""


@EVERY
def test_a_broker_says_what_it_survives(name: str) -> None:
    """Runs of different classes are never compared."""
    assert BROKERS[name].name == name
    assert BROKERS[name].durability in ("D1", "D2", "none")


@EVERY
def test_stopping_what_never_started_is_safe(tmp_path: Path, name: str) -> None:
    """Teardown does not know how far the start came."""

    async def act(corner: Corner) -> None:
        await make_broker(name, corner.place()).stop()

    assert perform(tmp_path, act) == []


@NEEDS_RUNTIME
@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in ("in-memory", *SERVED)])
def test_a_message_goes_through_a_real_sidecar(tmp_path: Path, name: str) -> None:
    """Delivered to the subscriber once; and one over the limit is refused, clearly."""

    async def act(corner: Corner) -> None:
        broker = make_broker(name, corner.place())
        await broker.start()
        async with Subscriber(corner, broker) as subscriber:
            await subscriber.publish({"id": "agent-1/start"})
            assert await subscriber.arrived() == {"id": "agent-1/start"}
            await asyncio.sleep(0.3)
            assert subscriber.inbox.empty()
            if name != "in-memory":
                await too_large(subscriber, TOO_LARGE_BYTES[name])
            if isinstance(broker, ListingBroker):
                assert await broker.absent([TOPIC, "onceproof.none"]) == ["onceproof.none"]
        await broker.stop()

    perform(tmp_path, act)


async def too_large(subscriber: Subscriber, count: int) -> None:
    """An error of the worker's that says so, at once and on file; the next message arrives."""
    message = Message(id="large", topic=TOPIC, agent="a1", content="x" * count)
    with pytest.raises(EngineError, match="large is too large for its broker: "):
        await subscriber.worker.publish(message)
    assert subscriber.told == [("publishing", "large"), ("refused", "large")]
    await subscriber.publish({"id": "small"})
    assert await subscriber.arrived() == {"id": "small"}


@NEEDS_RUNTIME
@EVERY_SERVED
def test_a_broker_counts_what_it_was_given_and_has_left(tmp_path: Path, name: str) -> None:
    """Two published, one of them acknowledged by its reader; a topic nobody used has nothing."""
    given = -1 if name == "rabbitmq" else 2

    async def act(corner: Corner) -> None:
        broker = make_broker(name, corner.place())
        assert isinstance(broker, CountingBroker)
        await broker.start()
        async with Subscriber(corner, broker) as subscriber:
            await subscriber.publish({"id": "taken"})
            await subscriber.arrived()
            # A client commits, or acknowledges, behind the reader's back.
            async with asyncio.timeout(10):
                while (await broker.counts([TOPIC], APP_ID))[TOPIC].left:
                    await asyncio.sleep(0.1)
            subscriber.is_willing = False
            await subscriber.publish({"id": "left"})
            await subscriber.arrived()
        told = await _until_twice_the_same(lambda: broker.counts([TOPIC, "onceproof.none"], APP_ID))
        await broker.stop()

        assert told[TOPIC] == TopicCount(given=given, left=1)
        assert told["onceproof.none"] == TopicCount(given=min(given, 0), left=0)

    perform(tmp_path, act)


async def _until_twice_the_same(
    ask: Callable[[], Awaitable[dict[str, TopicCount]]],
) -> dict[str, TopicCount]:
    """A broker takes a moment to notice that its readers are gone."""
    before = await ask()
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.3)
            if (now := await ask()) == before:
                return now
            before = now


@EVERY_SERVED
def test_a_broker_that_is_gone_tells_no_counters(tmp_path: Path, name: str) -> None:
    """No counter is not a counter of zero."""

    async def act(corner: Corner) -> None:
        port = corner.ports.take()
        given = {name: Server(url=f"x://u:secret@127.0.0.1:{port}", version="", origin="")}
        broker = make_broker(name, corner.place(servers=given))
        assert isinstance(broker, CountingBroker)
        with pytest.raises(MachineError, match="does not tell its counters"):
            await broker.counts([TOPIC], APP_ID)

    perform(tmp_path, act)


@EVERY_SERVED
def test_a_broker_is_on_loopback_alone_and_comes_back_at_its_address(
    tmp_path: Path, name: str
) -> None:
    """Nobody outside reaches it; after a kill sidecars find it again; stopping twice is safe."""

    async def act(corner: Corner) -> None:
        broker = make_broker(name, corner.place())
        await broker.start()
        before = broker.component()
        hosts = listening(corner)
        assert "signal SIGKILL" in await broker.kill()
        await broker.start()
        assert broker.component() == before
        assert "reaped" in await broker.end()
        broker.forget()
        assert not (tmp_path / "broker").exists()
        await broker.start()
        assert broker.component() == before
        await used_as_the_users(corner, broker)
        await broker.stop()
        await broker.stop()
        assert hosts
        assert hosts <= LOOPBACK

    perform(tmp_path, act)


def listening(corner: Corner) -> set[str]:
    """The addresses that anybody listens on at the corner's ports, as the kernel writes them."""
    rows = [
        row.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
    ]
    places = [row[1].rpartition(":") for row in rows if row[3] == "0A"]
    return {host for host, _, port in places if int(port, 16) in corner.ports.taken}


async def used_as_the_users(corner: Corner, theirs: Broker) -> None:
    """With an address nothing is started, and nothing is stopped."""
    assert isinstance(theirs, ServedBroker)
    started = len(corner.processes.all)
    given = {theirs.name: Server(url=theirs.url, version="", origin="the address given")}
    for _ in range(2):
        ours = make_broker(theirs.name, corner.place(servers=given))
        await ours.start()
        assert ours.component() == theirs.component()
        await ours.stop()
    assert len(corner.processes.all) == started


@pytest.mark.parametrize("name", SERVED)
def test_a_machine_without_the_server_says_so(tmp_path: Path, name: str) -> None:
    """Before anything is started, with the next move."""

    async def act(corner: Corner) -> None:
        with pytest.raises(MachineError, match=f"no {name} found; see `onceproof doctor`"):
            await make_broker(name, corner.place(servers={})).start()

    assert perform(tmp_path, act) == []


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in ("redis", "nats")])
def test_a_server_that_dies_at_its_start_shows_its_last_lines(tmp_path: Path, name: str) -> None:
    """Found at once, not at the deadline."""
    server = Server(argv=("/bin/sh", "-c", "echo cannot go on; exit 3"), version="", origin="")

    async def act(corner: Corner) -> None:
        with pytest.raises(MachineError, match=r"exit 3(?s:.*)cannot go on"):
            await make_broker(name, corner.place(servers={name: server})).start()

    perform(tmp_path, act)


@EVERY_SERVED
def test_a_server_that_never_answers_is_given_up(tmp_path: Path, name: str) -> None:
    """A listener that says nothing: the deadline, whose address it was, and nothing left."""

    async def act(corner: Corner) -> None:
        port = corner.ports.take()
        silent = socket.create_server(("127.0.0.1", port))
        given = {name: Server(url=f"x://u:secret@127.0.0.1:{port}", version="", origin="")}
        with pytest.raises(MachineError, match=rf"{name} at x://u@.* not ready in 0.3 s") as told:
            await make_broker(name, corner.place(servers=given, ready_s=0.3)).start()
        assert "secret" not in str(told.value)
        silent.close()

    perform(tmp_path, act)


@EVERY_SERVED
def test_a_start_that_is_late_leaves_nothing(tmp_path: Path, name: str) -> None:
    """The deadline ends a server that was just starting."""

    async def act(corner: Corner) -> None:
        with pytest.raises(MachineError, match=r"not ready in 0\.01 s"):
            await make_broker(name, corner.place(ready_s=0.01)).start()

    assert perform(tmp_path, act)


LOGINS = {
    "redis": ("--requirepass", "right"),
    "nats": ("--user", "u", "--pass", "right"),
    "rabbitmq": (),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in LOGINS])
def test_a_wrong_password_is_told_at_once(tmp_path: Path, name: str) -> None:
    """The server's own words and the next move, no waiting, and no password in the message."""

    async def act(corner: Corner) -> None:
        server = HERE[name]
        theirs = make_broker(
            name,
            corner.place(
                servers={name: Server(argv=(*server.argv, *LOGINS[name]), version="", origin="")},
            ),
        )
        if LOGINS[name]:
            with pytest.raises(MachineError, match="give user and password"):
                await theirs.start()
            corner.folder = tmp_path / "second"
            port = corner.ports.take()
            words = {
                "redis": ("--port", str(port), "--bind", "127.0.0.1", "--save", ""),
                "nats": (
                    "-p",
                    str(port),
                    "-a",
                    "127.0.0.1",
                    "-js",
                    "-sd",
                    str(tmp_path / "theirs"),
                ),
            }
            process = corner.processes.start("theirs", (*server.argv, *words[name], *LOGINS[name]))
        else:
            await theirs.start()
            port = int(theirs.url.rpartition(":")[2])  # type: ignore[attr-defined]
        user = {"redis": "", "nats": "u", "rabbitmq": "guest"}[name]
        scheme = {"redis": "redis", "nats": "nats", "rabbitmq": "amqp"}[name]

        def given(password: str) -> BrokerPlace:
            url = f"{scheme}://{user}:{password}@127.0.0.1:{port}"
            return corner.place(servers={name: Server(url=url, version="", origin="")})

        await make_broker(name, given("guest" if name == "rabbitmq" else "right")).start()
        with pytest.raises(MachineError, match=r" in not: .*give user and password") as told:
            await make_broker(name, given("wrong")).start()
        assert "wrong@" not in str(told.value)
        await theirs.stop()
        if LOGINS[name]:
            await corner.processes.stop([process])

    perform(tmp_path, act)


@pytest.mark.skipif("nats" not in HERE, reason="no nats here: `make services`")
def test_a_nats_without_jetstream_is_told_at_once(tmp_path: Path) -> None:
    """It would let us in and never keep a message."""

    async def act(corner: Corner) -> None:
        port = corner.ports.take()
        words = ("-p", str(port), "-a", "127.0.0.1")
        process = corner.processes.start("theirs", (*HERE["nats"].argv, *words))
        given = {"nats": Server(url=f"nats://127.0.0.1:{port}", version="", origin="")}
        with pytest.raises(MachineError, match="has no JetStream; start it with -js"):
            await make_broker("nats", corner.place(servers=given)).start()
        await corner.processes.stop([process])

    perform(tmp_path, act)


def test_all_brokers_of_this_machine_start_side_by_side(tmp_path: Path) -> None:
    """No two of them get in each other's way, and one deadline holds for all."""
    names = [name for name in SERVED if name in HERE]
    if not names:
        pytest.skip("no broker's server here: `make services`")

    async def act(corner: Corner) -> None:
        brokers = [make_broker(name, corner.place(folder=tmp_path / name)) for name in names]
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for broker in brokers:
                group.create_task(broker.start())
        await asyncio.gather(*(broker.stop() for broker in brokers))

    perform(tmp_path, act)
