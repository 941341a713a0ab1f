"""Kafka in KRaft mode: one process that is broker and controller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from harness.brokers.kafka_wire import (
    Connection,
    CoordinatorError,
    cluster_of,
    committed_of,
    ends_of,
)
from harness.brokers.served import POLL_S, Login, NotYet, ServedBroker
from harness.errors import MachineError
from harness.protocols import Component, TopicCount
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
        clients = f"{self._place.host}:{port}"
        self.url = f"kafka://{clients}"
        settings = folder / "server.properties"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{clients},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{clients}",
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

    async def _ask(self, login: Login) -> None:
        """See ServedBroker; it is ready when it names itself and a controller."""
        async with _connected(login) as connection:
            cluster = await cluster_of(connection, has_topics=False)
        if cluster.brokers == 0 or cluster.controller < 0:
            raise NotYet(f"{cluster.brokers} brokers, controller {cluster.controller}")

    async def absent(self, topics: Sequence[str]) -> list[str]:
        """See ListingBroker; a sidecar's words of it are `circuit breaker is open`."""
        found = await self._told("its topics", self._topics(self._login()))
        return [topic for topic in topics if topic not in found]

    async def _topics(self, login: Login) -> frozenset[str]:
        async with _connected(login) as connection:
            return frozenset((await cluster_of(connection, has_topics=True)).partitions)

    async def _count(
        self, login: Login, topics: Sequence[str], app_id: str
    ) -> dict[str, TopicCount]:
        """See ServedBroker: end offsets, and those that the app's group has committed.

        Nothing is deleted in a run, so that offsets begin at 0; the group has the app's name.
        """
        async with _connected(login) as connection:
            found = (await cluster_of(connection, has_topics=True)).partitions
            partitions = {topic: found[topic] for topic in topics if topic in found}
            ends = await ends_of(connection, partitions)
            read = await read_by(app_id, connection, partitions)
        return {
            topic: TopicCount(
                given=sum(end for (name, _), end in ends.items() if name == topic),
                left=sum(end - read[key] for key, end in ends.items() if key[0] == topic),
            )
            for topic in topics
        }


async def read_by(
    group: str, connection: Connection, partitions: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], int]:
    """See committed_of; a coordinator may still load just after its first member joined."""
    while True:
        try:
            return await committed_of(connection, group, partitions)
        except CoordinatorError:
            await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def _connected(login: Login) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(login.host, login.port)
    try:
        yield reader, writer
    finally:
        writer.close()
