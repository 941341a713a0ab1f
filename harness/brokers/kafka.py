"""Kafka in KRaft mode: one process that is broker and controller.

Source: Kafka protocol, Metadata version 1 (request and response).
"""

import asyncio
import struct

from harness.brokers.served import NotYet, ServedBroker
from harness.errors import MachineError
from harness.protocols import Component
from harness.provide.server import Server

CLUSTER = "b25jZXByb29mLWthZmthMQ"
"""A cluster's id is 16 bytes in base64; any will do."""
PARTITIONS = 6
"""Of each topic: messages of one key keep their order, and up to six pods share the work."""
JAVA = ("-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""A small heap and a quick start; a broker of a run lives for minutes."""


class Kafka(ServedBroker):
    """No flush of its own: what is in the page cache survives a SIGKILL. No login is spoken."""

    name = "kafka"

    def component(self) -> Component | None:
        """See Broker."""
        address = self.url.removeprefix("kafka://")
        return Component(file="pubsub-kafka.yaml", metadata={"brokers": address})

    async def _launch(self, server: Server) -> None:
        folder = self._place.folder
        port, controller = self._port("clients"), self._port("controller")
        self.url = f"kafka://127.0.0.1:{port}"
        settings = folder / "server.properties"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "log.dirs": str(folder / "log"),
            "num.partitions": str(PARTITIONS),
            "offsets.topic.num.partitions": "6",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        java = (server.argv[0], *JAVA, *server.argv[1:])
        if not (folder / "log" / "meta.properties").exists():
            words = ("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings))
            made = self._place.processes.start("broker-kafka-format", (*java, *words))
            self._running.append(made)
            await made.exited.wait()
            if made.exit is None or made.exit.status != "exit 0":
                raise MachineError(
                    f"kafka's format failed; its log ends with:\n{made.last_lines()}"
                )
            self._running.remove(made)
        process = self._place.processes.start(
            "broker-kafka", (*java, "kafka.Kafka", str(settings)), folder=folder
        )
        self._running.append(process)

    async def _ask(self, host: str, port: int, user: str, password: str) -> None:
        """See ServedBroker; it is ready when it names itself and a controller."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(_metadata_request())
            (size,) = struct.unpack("!i", await reader.readexactly(4))
            answer = await reader.readexactly(size)
        finally:
            writer.close()
        brokers, controller = _brokers_and_controller(answer)
        if brokers == 0 or controller < 0:
            raise NotYet(f"{brokers} brokers, controller {controller}")


def _metadata_request() -> bytes:
    """Metadata, version 1, about no topic."""
    client = b"onceproof"
    header = struct.pack("!hhih", 3, 1, 1, len(client)) + client
    body = header + struct.pack("!i", 0)
    return struct.pack("!i", len(body)) + body


def _brokers_and_controller(answer: bytes) -> tuple[int, int]:
    """How many brokers an answer names, and the controller's id; -1 while there is none."""
    (_, count), at = struct.unpack_from("!ii", answer), 8
    for _ in range(count):
        (length,) = struct.unpack_from("!h", answer, at + 4)
        at += 4 + 2 + length + 4
        (rack,) = struct.unpack_from("!h", answer, at)
        at += 2 + max(rack, 0)
    return count, int(struct.unpack_from("!i", answer, at)[0])
