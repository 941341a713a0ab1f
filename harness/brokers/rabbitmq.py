"""RabbitMQ, with an epmd of the run's own: Erlang's daemon would outlive it, on every address.

Source: AMQP 0-9-1, connection.start to connection.open-ok, channel.open, queue.declare; RabbitMQ,
configuration by environment.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from harness.brokers.served import Login, LoginRefused, ServedBroker
from harness.cluster.means import LOOPBACK
from harness.protocols import Component, TopicCount
from harness.provide.server import Server

SETTINGS = "disk_free_limit.absolute = 50MB\nlog.console = true\nloopback_users.guest = "
"""The default limit, 50 MB, said aloud; then whether guest may come from this machine alone."""
METHOD, END = 1, b"\xce"
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK, CLOSE = 10, 11, 30, 31, 40, 41, 50
"""Methods of class 10, connection."""
CONNECTION, CHANNEL, QUEUE = 10, 20, 50
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = 10, 11, 40
DECLARE, DECLARE_OK, PASSIVE = 10, 11, b"\x01"
NO_SUCH_QUEUE = 404
WANTS_REASON = b"\x0ccapabilitiesF\0\0\0\x1f\x1cauthentication_failure_closet\x01"
"""A client's properties as a table: that it can be told why it is not let in."""


class RabbitMq(ServedBroker):
    """Durable queues, persistent messages, publisher confirms."""

    name = "rabbitmq"

    def component(self) -> Component | None:
        """See Broker."""
        return Component(file="pubsub-rabbitmq.yaml", metadata={"connectionString": self.url})

    async def _launch(self, server: Server) -> None:
        processes = self._place.processes
        port, distribution = self._port("clients"), self._port("distribution")
        names = self._port("names")
        host = self._place.host
        self.url = f"amqp://guest:guest@{host}:{port}"
        folder = self._place.folder
        (folder / "rabbitmq.conf").write_text(f"{SETTINGS}{str(host == LOOPBACK).lower()}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        epmd = ("epmd", "-address", "127.0.0.1", "-port", str(names))
        self._running.append(processes.start("broker-rabbitmq-epmd", epmd))
        await self._until_listening(names)
        environ = _environ(folder, host=host, port=port, distribution=distribution, names=names)
        self._running.append(
            processes.start("broker-rabbitmq", server.argv, environ=environ, folder=folder)
        )

    async def _until_listening(self, port: int) -> None:
        """The server would start a daemon of its own where no epmd answers."""
        while self._running[0].exit is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return

    async def _ask(self, login: Login) -> None:
        """See ServedBroker; ready when a connection to the virtual host / is open."""
        async with _opened(login):
            return

    async def _count(
        self, login: Login, topics: Sequence[str], app_id: str
    ) -> dict[str, TopicCount]:
        """See ServedBroker: the depth of the app's queues, which is what waits in them.

        Handed out and not acknowledged is not in it, so ask when no reader is connected. What a
        queue was given in all it does not tell over AMQP.
        """
        found = {}
        async with _opened(login) as (reader, writer):
            for channel, topic in enumerate(topics, start=1):
                writer.write(_frame(CHANNEL_OPEN, _short(b""), group=CHANNEL, channel=channel))
                await _answer(reader, (CHANNEL, CHANNEL_OPEN_OK))
                name = _short(f"{app_id}-{topic}".encode())
                arguments = b"\0\0" + name + PASSIVE + _long(b"")
                writer.write(_frame(DECLARE, arguments, group=QUEUE, channel=channel))
                method, body = await _answer(reader, (QUEUE, DECLARE_OK), (CHANNEL, CHANNEL_CLOSE))
                if method == (QUEUE, DECLARE_OK):
                    (waiting,) = struct.unpack_from("!I", body, 1 + body[0])
                elif struct.unpack_from("!H", body) == (NO_SUCH_QUEUE,):
                    waiting = 0
                else:
                    raise ValueError(f"rabbitmq closed the channel: {body!r}")
                found[topic] = TopicCount(given=-1, left=waiting)
        return found


@contextlib.asynccontextmanager
async def _opened(
    login: Login,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the virtual host /; raises as `ServedBroker._ask`."""
    reader, writer = await asyncio.open_connection(login.host, login.port)
    try:
        writer.write(b"AMQP\x00\x00\x09\x01")
        await _method(reader, START)
        secret = b"\0%s\0%s" % (login.user.encode(), login.password.encode())
        mechanism = _short(b"PLAIN") + _long(secret) + _short(b"en_US")
        writer.write(_frame(START_OK, _long(WANTS_REASON) + mechanism))
        limits = await _method(reader, TUNE)
        writer.write(_frame(TUNE_OK, limits[:8]))
        writer.write(_frame(OPEN, _short(b"/") + _short(b"") + b"\0"))
        await _method(reader, OPEN_OK)
        yield reader, writer
    finally:
        writer.close()


def _environ(
    folder: Path, *, host: str, port: int, distribution: int, names: int
) -> dict[str, str]:
    """Everything below `folder`; clients come to ``host``, the rest is on loopback."""
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"onceproof{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": host,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "no-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }


async def _method(reader: asyncio.StreamReader, expected: int) -> bytes:
    """The arguments of the next method, which must be the expected one of class connection."""
    try:
        method, arguments = await _answer(reader, (CONNECTION, expected), (CONNECTION, CLOSE))
    except asyncio.IncompleteReadError as error:
        if expected == TUNE:
            raise LoginRefused(
                "it hung up at the login, as it does for a wrong password"
            ) from error
        raise
    if method == (CONNECTION, CLOSE):
        length = arguments[2]
        raise LoginRefused(arguments[3 : 3 + length].decode(errors="replace"))
    return arguments


async def _answer(
    reader: asyncio.StreamReader, *expected: tuple[int, int]
) -> tuple[tuple[int, int], bytes]:
    """Class and number of the next method, which must be an expected one, and its arguments."""
    kind, _, size = struct.unpack("!BHI", await reader.readexactly(7))
    body = await reader.readexactly(size + 1)
    group, method = struct.unpack_from("!HH", body)
    if kind != METHOD or (group, method) not in expected:
        raise ConnectionError(f"expected a method of {expected}, got {group}.{method}")
    return (group, method), body[4:-1]


def _frame(method: int, arguments: bytes, *, group: int = CONNECTION, channel: int = 0) -> bytes:
    body = struct.pack("!HH", group, method) + arguments
    return struct.pack("!BHI", METHOD, channel, len(body)) + body + END


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _long(text: bytes) -> bytes:
    return struct.pack("!I", len(text)) + text
