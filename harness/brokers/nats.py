"""NATS JetStream. Dapr wants the stream to be there: it is made at the start.

Source: NATS client protocol (INFO, CONNECT, SUB, PUB, MSG); JetStream's API over subjects.
"""

import asyncio
import json

from harness.brokers.served import LoginRefused, NotYet, ServedBroker, Unfit
from harness.protocols import Component
from harness.provide.server import Server

STREAM = "onceproof"
SUBJECTS = ("onceproof.>",)
"""Topics of runs begin so: no stream may hold every subject, as its own API has some."""


class Nats(ServedBroker):
    """File storage, with the server's default of a sync every two minutes."""

    name = "nats"

    def component(self) -> Component | None:
        """See Broker."""
        return Component(file="pubsub-nats.yaml", metadata={"natsURL": self.url})

    async def _launch(self, server: Server) -> None:
        port = self._port("clients")
        self.url = f"nats://127.0.0.1:{port}"
        folder = str(self._place.folder)
        command = (*server.argv, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder)
        self._running.append(self._place.processes.start("broker-nats", command))

    async def _ask(self, host: str, port: int, user: str, password: str) -> None:
        """See ServedBroker; the stream is made unless it is there."""
        login = {"user": user, "pass": password} if user else {}
        stream = {"name": STREAM, "subjects": SUBJECTS, "storage": "file", "retention": "limits"}
        body = json.dumps(stream).encode()
        reader, writer = await asyncio.open_connection(host, port)
        try:
            greeting = await reader.readline()
            if greeting.startswith(b"INFO ") and not json.loads(greeting[5:]).get("jetstream"):
                raise Unfit("has no JetStream; start it with -js")
            # Nothing follows before the answer: what a server has not read when it closes takes
            # its last words with it.
            hello = {"verbose": True, "pedantic": False, "lang": "python", "version": "1"} | login
            writer.write(b"CONNECT %s\r\n" % json.dumps(hello).encode())
            await self._until(reader, b"+OK")
            writer.write(b"SUB answers 1\r\n")
            writer.write(b"PUB $JS.API.STREAM.CREATE.%s answers " % STREAM.encode())
            writer.write(b"%d\r\n%s\r\n" % (len(body), body))
            await self._until(reader, b"MSG ")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        if "error" in answer:
            raise NotYet(str(answer["error"]))

    async def _until(self, reader: asyncio.StreamReader, word: bytes) -> None:
        """Read lines up to one that begins with `word`."""
        while not (line := await reader.readline()).startswith(word):
            if line.startswith(b"-ERR"):
                raise LoginRefused(line.decode(errors="replace").strip("-\r\n"))
            if not line:
                raise EOFError("hung up")
