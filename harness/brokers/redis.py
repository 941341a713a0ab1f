"""Redis Streams, on a server of its own: the store's Redis is another process."""

import asyncio

from harness.brokers.served import LoginRefused, NotYet, ServedBroker
from harness.protocols import Component
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
        self.url = f"redis://127.0.0.1:{port}"
        command = (
            *server.argv,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._place.folder)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        )
        self._running.append(self._place.processes.start("broker-redis", command))

    async def _ask(self, host: str, port: int, user: str, password: str) -> None:
        """See ServedBroker; inline commands, so that no client library is needed."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            if password:
                writer.write(" ".join(("AUTH", *([user] if user else ()), password)).encode())
                writer.write(b"\r\n")
                self._accept(await reader.readline(), b"+OK")
            writer.write(b"PING\r\n")
            self._accept(await reader.readline(), b"+PONG")
        finally:
            writer.close()

    def _accept(self, answer: bytes, expected: bytes) -> None:
        if answer.startswith(REFUSALS):
            raise LoginRefused(answer.decode(errors="replace").strip("-\r\n"))
        if not answer.startswith(expected):
            raise NotYet(answer.decode(errors="replace"))
