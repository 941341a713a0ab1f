"""What Dapr's pub/sub makes of a death, of a sidecar or of its broker: known facts, held."""

import asyncio
from pathlib import Path

from harness.brokers import make_broker
from harness.brokers.nats import Nats
from harness.protocols import Broker
from tests.contract.broker_stand import APP_ID, TOPIC, Corner, Subscriber, perform
from tests.contract.service_stand import NEEDS_RUNTIME, marks

pytestmark = NEEDS_RUNTIME
(NEEDS_REDIS,), (NEEDS_NATS,) = marks("redis"), marks("nats")
HELD, DEPTH = 7, 2
"""Messages that the dead sidecar held; how many of them one look may take."""
PENDING_S, WATCHED_S = 1.0, 3.0
"""processingTimeout of those that take over; so long are they watched, three intervals."""


@NEEDS_REDIS
def test_the_interval_of_redeliveries_is_read_in_milliseconds_alone(tmp_path: Path) -> None:
    """Finding 0016: as `1s` it stays at the default of 15 s, so only the first look comes."""

    async def act(corner: Corner) -> None:
        broker = make_broker("redis", corner.place())
        await broker.start()
        async with Subscriber(corner, broker) as dead:
            dead.is_willing = False
            for number in range(HELD):
                await dead.publish({"id": str(number)})
            await _come(dead, HELD)
            await dead.die()
        await asyncio.sleep(PENDING_S)
        assert await _taken_over(corner, broker, "1s") == DEPTH
        assert await _taken_over(corner, broker, "1000") == HELD - DEPTH
        await broker.stop()

    perform(tmp_path, act)


@NEEDS_NATS
def test_a_subscription_does_not_outlive_the_data_of_jetstream(tmp_path: Path) -> None:
    """Finding 0018: what is published then is acknowledged, and waits for another sidecar."""

    async def act(corner: Corner) -> None:
        broker = make_broker("nats", corner.place())
        assert isinstance(broker, Nats)
        await broker.start()
        async with Subscriber(corner, broker) as subscriber:
            await subscriber.publish({"id": "before"})
            assert await subscriber.arrived() == {"id": "before"}
            await broker.kill()
            broker.forget()
            await broker.start()
            await subscriber.publish({"id": "after"})
            await asyncio.sleep(WATCHED_S)
            assert subscriber.inbox.empty()
            assert (await broker.counts([TOPIC], APP_ID))[TOPIC].left == 1
        async with Subscriber(corner, broker) as another:
            assert await another.arrived() == {"id": "after"}
        await broker.stop()

    perform(tmp_path, act)


async def _taken_over(corner: Corner, broker: Broker, interval: str) -> int:
    """How many of the dead one's messages another sidecar takes in three of its intervals."""
    heir = Subscriber(corner, broker)
    heir.settings = {
        "processingTimeout": f"{PENDING_S:g}s",
        "redeliverInterval": interval,
        "queueDepth": str(DEPTH),
    }
    async with heir:
        await asyncio.sleep(WATCHED_S)
        return heir.inbox.qsize()


async def _come(subscriber: Subscriber, count: int) -> None:
    """So many different messages have come; a refused one comes again and again."""
    seen: set[str] = set()
    async with asyncio.timeout(10):
        while len(seen) < count:
            seen.add((await subscriber.inbox.get())["id"])
