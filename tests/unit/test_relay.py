"""What a relay passes on, and to whom."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.cluster.relay import Relay
from harness.errors import HarnessError

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def named(name: bytes) -> AsyncIterator[str]:
    """A server that answers each line with its name and the line; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(name + line)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Clients:
    """Whoever connects, and goes in the end."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Streams:
        host, _, port = self._relay.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def said(streams: Streams, line: bytes) -> bytes:
    reader, writer = streams
    writer.write(line)
    return await reader.readline()


def perform(act: Callable[[Relay, Clients, str, str], Awaitable[None]]) -> None:
    """With a relay to the first of two servers."""

    async def run() -> None:
        relay = Relay(Ports(os.getpid()).take(), SystemClock())
        async with asyncio.timeout(10), named(b"one ") as one, named(b"two ") as two:
            await relay.start(one)
            clients = Clients(relay)
            await act(relay, clients, one, two)
            await clients.close()
            await relay.stop()

    asyncio.run(run())


def test_a_flip_cuts_what_is_open_and_sends_the_next_elsewhere() -> None:
    """Both ways work before and after; whoever was connected is told by the end of it."""

    async def act(relay: Relay, clients: Clients, one: str, two: str) -> None:
        first, second = await clients.connect(), await clients.connect()
        assert await said(first, b"hello\n") == b"one hello\n"
        assert await said(second, b"hello\n") == b"one hello\n"
        assert relay.flip(two) == 2
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await first[0].readexactly(1)
        await_open = asyncio.ensure_future(relay.until_open(1, deadline_s=5))
        await asyncio.sleep(0)
        assert not await_open.done()
        assert await said(await clients.connect(), b"again\n") == b"two again\n"
        await await_open
        assert relay.flip(one) == 1

    perform(act)


def test_an_end_of_one_side_reaches_the_other() -> None:
    """What was sent before it is passed on; then both are gone."""

    async def act(relay: Relay, clients: Clients, one: str, two: str) -> None:
        reader, writer = await clients.connect()
        writer.write(b"last\n")
        writer.write_eof()
        assert await reader.read() == b"one last\n"
        with pytest.raises(HarnessError, match=r"0 connections are open .* expected 1"):
            await relay.until_open(1, deadline_s=0.1)

    perform(act)


def test_nobody_behind_it_is_no_silence() -> None:
    """A client is cut at once, as it would be by a host that refuses it."""

    async def act(relay: Relay, clients: Clients, one: str, two: str) -> None:
        nobody = Ports(os.getpid() + 7).take()
        assert relay.flip(f"127.0.0.1:{nobody}") == 0
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await (await clients.connect())[0].readexactly(1)

    perform(act)
