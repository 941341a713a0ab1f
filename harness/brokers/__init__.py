"""Message brokers behind one protocol; each started for one run on loopback."""

from harness.brokers.kafka import Kafka
from harness.brokers.nats import Nats
from harness.brokers.none import InMemory, NoBroker
from harness.brokers.place import BrokerPlace
from harness.brokers.rabbitmq import RabbitMq
from harness.brokers.redis import Redis
from harness.brokers.served import ServedBroker
from harness.protocols import Broker

BROKERS: dict[str, type[NoBroker] | type[ServedBroker]] = {
    "none": NoBroker,
    "in-memory": InMemory,
    "redis": Redis,
    "kafka": Kafka,
    "rabbitmq": RabbitMq,
    "nats": Nats,
}


def make_broker(name: str, place: BrokerPlace) -> Broker:
    """Make the broker ``name``, not yet started; the name was checked before."""
    return BROKERS[name](place)
