"""Redis Streams, on a server of its own: the store's Redis is another process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from harness.brokers.served import Login, LoginRefused, NotYet, ServedBroker
from harness.cluster.means import LOOPBACK
from harness.cluster.resp import Answer, ask
from harness.protocols import Component, TopicCount
from harness.provide.server import Server

REFUSALS = (b"-NOAUTH", b"-WRONGPASS", b"-ERR AUTH", b"-ERR invalid password")


class Redis(ServedBroker):
    """appendfsync everysec."""

    name = "redis"

    def component(self) -> Component | None:
        """See Broker."""
        secret, _, address = self.url.removeprefix("redis://").rpartition("@")
        user, _, password = secret.partition(":")
        metadata = {"redisHost": address, "redisUsername": user, "redisPassword": password}
        return Component(file="pubsub-redis.yaml", metadata=metadata)

    async def _launch(self, server: Server) -> None:
        port = self._port("clients")
        host = self._place.host
        self.url = f"redis://{host}:{port}"
        command = (
            *server.argv,
            *("--port", str(port), "--bind", host, "--dir", str(self._place.folder)),
            *(() if host == LOOPBACK else ("--protected-mode", "no")),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        )
        self._running.append(self._place.processes.start(f"broker-{self.name}", command))

    async def _ask(self, login: Login) -> None:
        """See ServedBroker; inline commands, as of a server that is starting."""
        async with self._logged_in(login) as (reader, writer):
            writer.write(b"PING\r\n")
            self._accept(await reader.readline(), b"+PONG")

    async def _count(
        self, login: Login, topics: Sequence[str], app_id: str
    ) -> dict[str, TopicCount]:
        """See ServedBroker: XLEN, since nothing is trimmed, and the consumer group of the app."""
        found: dict[str, TopicCount] = {}
        async with self._logged_in(login) as (reader, writer):
            for topic in topics:
                key = topic.encode()
                (length,) = await ask(reader, writer, [(b"XLEN", key)])
                assert isinstance(length, int)
                left = length
                if length:
                    (groups,) = await ask(reader, writer, [(b"XINFO", b"GROUPS", key)])
                    for group in map(_fields, groups if isinstance(groups, list) else []):
                        if group[b"name"] == app_id.encode():
                            left = await _left(reader, writer, key, group)
                found[topic] = TopicCount(given=length, left=left)
        return found

    @contextlib.asynccontextmanager
    async def _logged_in(
        self, login: Login
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(login.host, login.port, limit=1 << 24)
        try:
            if login.password:
                words = ("AUTH", *([login.user] if login.user else ()), login.password)
                writer.write(" ".join(words).encode())
                writer.write(b"\r\n")
                self._accept(await reader.readline(), b"+OK")
            yield reader, writer
        finally:
            writer.close()

    def _accept(self, answer: bytes, expected: bytes) -> None:
        if answer.startswith(REFUSALS):
            raise LoginRefused(answer.decode(errors="replace").strip("-\r\n"))
        if not answer.startswith(expected):
            raise NotYet(answer.decode(errors="replace"))


class SecondRedis(Redis):
    """One more server of the same kind, for a relay to flip to."""

    name = "redis-2"


def _fields(pairs: Answer) -> dict[bytes, Answer]:
    """Names and values in turn, as XINFO tells them."""
    if not isinstance(pairs, list):
        raise ValueError(f"expected names and values, got {pairs!r}")
    names = [name for name in pairs[::2] if isinstance(name, bytes)]
    return dict(zip(names, pairs[1::2], strict=True))


async def _left(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    key: bytes,
    group: dict[bytes, Answer],
) -> int:
    """Handed out and not acknowledged, and never handed out: before 7.0 no group says its lag."""
    pending, lag, last = group[b"pending"], group.get(b"lag"), group[b"last-delivered-id"]
    assert isinstance(pending, int) and isinstance(last, bytes)
    if not isinstance(lag, int):
        (behind,) = await ask(reader, writer, [(b"XRANGE", key, b"(" + last, b"+")])
        lag = len(behind) if isinstance(behind, list) else 0
    return pending + lag
