"""NATS JetStream. Dapr wants the stream to be there: it is made at the start.

Source: NATS client protocol (INFO, CONNECT, SUB, PUB, MSG); JetStream's API over subjects.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from harness.brokers.served import Login, LoginRefused, NotYet, ServedBroker, Unfit
from harness.protocols import Component, TopicCount
from harness.provide.server import Server

STREAM = "onceproof"
SUBJECTS = ("onceproof.>",)
"""Topics of runs begin so: no stream may hold every subject, as its own API has some."""
Json = dict[str, Any]


class Nats(ServedBroker):
    """File storage, with the server's default of a sync every two minutes."""

    name = "nats"

    def component(self) -> Component | None:
        """See Broker."""
        return Component(
            file="pubsub-nats.yaml", metadata={"natsURL": self.url}, reader_entry="durableName"
        )

    async def _launch(self, server: Server) -> None:
        port = self._port("clients")
        host = self._place.host
        self.url = f"nats://{host}:{port}"
        folder = str(self._place.folder)
        command = (*server.argv, "-a", host, "-p", str(port), "-js", "-sd", folder)
        self._running.append(self._place.processes.start("broker-nats", command))

    async def _ask(self, login: Login) -> None:
        """See ServedBroker; the stream is made unless it is there."""
        stream = {"name": STREAM, "subjects": SUBJECTS, "storage": "file", "retention": "limits"}
        async with _connected(login) as connection:
            answer = await _api(connection, f"STREAM.CREATE.{STREAM}", stream)
        if "error" in answer:
            raise NotYet(str(answer["error"]))

    async def _count(
        self, login: Login, topics: Sequence[str], app_id: str
    ) -> dict[str, TopicCount]:
        """See ServedBroker: messages by subject; none is deleted; and the durable consumers."""
        async with _connected(login) as connection:
            told = await _api(connection, f"STREAM.INFO.{STREAM}", {"subjects_filter": ">"})
            consumers = await _api(connection, f"CONSUMER.LIST.{STREAM}", {"offset": 0})
        given = {topic: int(told["state"].get("subjects", {}).get(topic, 0)) for topic in topics}
        left = given | {
            one["config"].get("filter_subject", ""): one["num_pending"] + one["num_ack_pending"]
            for one in consumers["consumers"] or ()
            if one["config"].get("durable_name")
        }
        return {topic: TopicCount(given=given[topic], left=left[topic]) for topic in topics}


@contextlib.asynccontextmanager
async def _connected(
    login: Login,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that hears answers; raises as `ServedBroker._ask`."""
    secret = {"user": login.user, "pass": login.password} if login.user else {}
    reader, writer = await asyncio.open_connection(login.host, login.port, limit=1 << 24)
    try:
        greeting = await reader.readline()
        if greeting.startswith(b"INFO ") and not json.loads(greeting[5:]).get("jetstream"):
            raise Unfit("has no JetStream; start it with -js")
        # Nothing follows before the answer: what a server has not read when it closes takes its
        # last words with it.
        hello = {"verbose": True, "pedantic": False, "lang": "python", "version": "1"}
        writer.write(b"CONNECT %s\r\n" % json.dumps(hello | secret).encode())
        await _until(reader, b"+OK")
        writer.write(b"SUB answers 1\r\n")
        yield reader, writer
    finally:
        writer.close()


async def _api(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], what: str, asked: object
) -> Json:
    """Ask JetStream's API; an ``error`` is in the answer."""
    reader, writer = connection
    body = json.dumps(asked).encode()
    writer.write(b"PUB $JS.API.%s answers %d\r\n%s\r\n" % (what.encode(), len(body), body))
    head = await _until(reader, b"MSG ")
    answer: Json = json.loads(await reader.readexactly(int(head.split()[-1])))
    return answer


async def _until(reader: asyncio.StreamReader, word: bytes) -> bytes:
    """Read lines up to one that begins with `word`; that line."""
    while not (line := await reader.readline()).startswith(word):
        if line.startswith(b"-ERR"):
            raise LoginRefused(line.decode(errors="replace").strip("-\r\n"))
        if not line:
            raise EOFError("hung up")
    return line
