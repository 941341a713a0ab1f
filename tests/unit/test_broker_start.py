"""What is shipped for brokers: complete components, and the wire formats that are spoken here."""

import asyncio
import struct
from pathlib import Path

import pytest
import yaml

from harness.brokers import BROKERS, FLIPS, make_broker
from harness.brokers.kafka import read_by
from harness.brokers.kafka_wire import Fields, cluster_in
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.components import write_component
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.provide.server import Server

SHIPPED = Path(__file__).resolve().parents[2] / "components"
URLS = {
    "redis": "redis://me:secret@127.0.0.1:7000",
    "kafka": "kafka://127.0.0.1:7001",
    "rabbitmq": "amqp://me:secret@127.0.0.1:7002",
    "nats": "nats://me:secret@127.0.0.1:7003",
}
EXPECTED = {
    "in-memory": {},
    "redis": {
        "redisHost": "127.0.0.1:7000",
        "redisUsername": "me",
        "redisPassword": "secret",
    },
    "kafka": {"brokers": "127.0.0.1:7001"},
    "rabbitmq": {"connectionString": "amqp://me:secret@127.0.0.1:7002"},
    "nats": {"natsURL": "nats://me:secret@127.0.0.1:7003"},
}


def place(folder: Path) -> BrokerPlace:
    """A corner where every broker is the user's."""
    servers = {name: Server(url=url, version="", origin="") for name, url in URLS.items()}
    processes = Processes(run=folder, logs=folder, clock=SystemClock())
    return BrokerPlace(folder=folder, processes=processes, ports=Ports(1), servers=servers)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_broker_has_a_component_of_the_same_name(tmp_path: Path, name: str) -> None:
    """Agents name one component; which broker is behind it is in the file alone."""
    component = make_broker(name, place(tmp_path)).component()
    assert component is not None

    written = yaml.safe_load(
        write_component(component, source=SHIPPED, target=tmp_path / "out").read_text()
    )

    values = {entry["name"]: entry["value"] for entry in written["spec"]["metadata"]}
    assert component.metadata == EXPECTED[name]
    assert values.items() >= EXPECTED[name].items()
    assert written["metadata"]["name"] == "agent-messages"
    assert written["spec"]["type"].startswith("pubsub.")


def test_without_a_broker_there_is_no_component(tmp_path: Path) -> None:
    """A run without messages writes no file for them."""
    assert make_broker("none", place(tmp_path)).component() is None
    assert set(BROKERS) == {"none", *EXPECTED, *FLIPS}


def test_the_policies_are_about_the_components_that_are_shipped() -> None:
    """A target that no file defines would protect nothing, silently; `Default` is Dapr's word."""
    policies = yaml.safe_load((SHIPPED / "resiliency.yaml").read_text())["spec"]
    names = {
        yaml.safe_load(path.read_text())["metadata"]["name"] for path in SHIPPED.glob("*-*.yaml")
    }
    targets = policies["targets"]["components"]
    known = set(policies["policies"]["retries"]) | set(policies["policies"]["timeouts"])
    used = {word for way in targets.values() for rule in way.values() for word in rule.values()}

    assert set(targets) <= names
    assert used == {name for name in known if not name.startswith("Default")}


def metadata_answer(*ids: int, controller: int, rack: bytes | None = None) -> bytes:
    """A response of Kafka to Metadata, version 1."""
    answer = struct.pack("!ii", 1, len(ids))
    for number in ids:
        answer += struct.pack("!ih", number, 9) + b"127.0.0.1" + struct.pack("!i", 9092)
        answer += struct.pack("!h", -1) if rack is None else struct.pack("!h", len(rack)) + rack
    return answer + struct.pack("!ii", controller, 0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (metadata_answer(controller=-1), (0, -1)),
        (metadata_answer(1, controller=1), (1, 1)),
        (metadata_answer(1, 2, controller=2, rack=b"a"), (2, 2)),
    ],
)
def test_kafka_is_ready_when_it_names_itself(answer: bytes, expected: tuple[int, int]) -> None:
    """Its answer before that names nobody; racks may be there or not."""
    cluster = cluster_in(Fields(answer))

    assert (cluster.brokers, cluster.controller) == expected
    assert cluster.partitions == {}


def offsets_answer(error: int, offset: int) -> bytes:
    """A response of Kafka to OffsetFetch, version 1, about partition 0 of one topic."""
    topic = struct.pack("!h", 6) + b"topic0"
    return struct.pack("!ii", 1, 1) + topic + struct.pack("!iiqhh", 1, 0, offset, -1, error)


@pytest.mark.parametrize("error", [14, 15, 16])
def test_a_group_whose_coordinator_still_loads_is_asked_again(error: int) -> None:
    """Kafka answers so in the second in which a group's first member joins."""
    answers = [offsets_answer(error, -1), offsets_answer(error, -1), offsets_answer(0, 7)]

    assert asyncio.run(asked_of(answers)) == {("topic0", 0): 7}


def test_any_other_error_of_kafka_is_told() -> None:
    """A topic that it does not know (3) will not come by waiting."""
    with pytest.raises(ValueError, match="error 3 about topic0"):
        asyncio.run(asked_of([offsets_answer(3, -1)]))


async def asked_of(answers: list[bytes]) -> dict[tuple[str, int], int]:
    """What is read from a Kafka that gives these answers, one a request."""

    async def kafka(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            (size,) = struct.unpack("!i", await reader.readexactly(4))
            await reader.readexactly(size)
            writer.write(struct.pack("!i", len(answer)) + answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(kafka, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            read = await read_by("app", (reader, writer), {"topic0": (0,)})
            assert await reader.read() == b"", "fewer questions than answers"
        finally:
            writer.close()
            await writer.wait_closed()
    return read
