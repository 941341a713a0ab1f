"""Message brokers behind one protocol; each started for one run on loopback."""

from harness.brokers.kafka import Kafka
from harness.brokers.nats import Nats
from harness.brokers.none import InMemory, NoBroker
from harness.brokers.place import BrokerPlace
from harness.brokers.rabbitmq import RabbitMq
from harness.brokers.redis import Redis, SecondRedis
from harness.brokers.served import ServedBroker
from harness.protocols import Broker

BROKERS: dict[str, type[NoBroker] | type[ServedBroker]] = {
    "none": NoBroker,
    "in-memory": InMemory,
    "redis": Redis,
    "redis-2": SecondRedis,
    "kafka": Kafka,
    "rabbitmq": RabbitMq,
    "nats": Nats,
}
FLIPS = {"redis": "redis-2", "redis-2": "redis"}
"""Broker -> the one that a relay can flip to under running sidecars: it speaks the same."""


def make_broker(name: str, place: BrokerPlace) -> Broker:
    """Make the broker ``name``, not yet started; the name was checked before."""
    return BROKERS[name](place)
