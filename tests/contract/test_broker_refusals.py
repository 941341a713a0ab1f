"""What Dapr makes of messages that RabbitMQ, or their reader, refuses: known facts, held."""

import asyncio
import time
from pathlib import Path

from harness.brokers import make_broker
from harness.brokers.rabbitmq import RabbitMq
from tests.contract.broker_stand import APP_ID, TOPIC, Corner, Subscriber, perform
from tests.contract.service_stand import NEEDS_RUNTIME, marks

pytestmark = [NEEDS_RUNTIME, *marks("rabbitmq")]
LIMIT_BYTES = 65_536
PREFETCH = 10
"""prefetchCount of components/pubsub-rabbitmq.yaml."""
WATCHED_S = 1.5


def test_what_rabbitmq_refuses_is_acknowledged_all_the_same(tmp_path: Path) -> None:
    """Finding 0015: over RabbitMQ's own limit, published with 204, and in no queue; lost."""

    async def act(corner: Corner) -> None:
        broker = make_broker("rabbitmq", corner.place())
        assert isinstance(broker, RabbitMq)
        folder = tmp_path / "broker"
        folder.mkdir()
        limit = f"[{{rabbit, [{{max_message_size, {LIMIT_BYTES}}}]}}].\n"
        (folder / "no-advanced.config").write_text(limit)
        await broker.start()
        async with Subscriber(corner, broker) as subscriber:
            await subscriber.publish({"id": "x" * 2 * LIMIT_BYTES})
            await subscriber.publish({"id": "after"})
            assert await subscriber.arrived() == {"id": "after"}
            await asyncio.sleep(0.3)
            assert subscriber.inbox.empty()
        assert (await broker.counts([TOPIC], APP_ID))[TOPIC].left == 0
        await broker.stop()

    perform(tmp_path, act)


def test_poison_without_dead_letters_comes_for_ever_and_ten_stop_a_topic(tmp_path: Path) -> None:
    """Nine leave room for the others; a tenth holds all that a sidecar is handed ahead.

    Nothing hangs: the broker keeps them all, and hands them out when somebody takes them.
    """

    async def act(corner: Corner) -> None:
        broker = make_broker("rabbitmq", corner.place())
        await broker.start()
        subscriber = Subscriber(corner, broker)
        subscriber.deliver = {"duration": "50ms", "maxRetries": 2}
        subscriber.poison = {f"poison-{number}" for number in range(PREFETCH)}
        async with subscriber:
            *most, last = sorted(subscriber.poison)
            for id in most:
                await subscriber.publish({"id": id})
            seen = await _watched(subscriber)
            assert min(seen.count(id) for id in most) > 2 * 3
            await subscriber.publish({"id": "first"})
            assert "first" in await _watched(subscriber)
            await subscriber.publish({"id": last})
            await _watched(subscriber)
            await subscriber.publish({"id": "second"})
            assert "second" not in await _watched(subscriber)
            subscriber.poison.clear()
            assert {*most, last, "second"} <= set(await _watched(subscriber))
        await broker.stop()

    perform(tmp_path, act)


async def _watched(subscriber: Subscriber) -> list[str]:
    """Ids that come for some seconds."""
    found = []
    until = time.monotonic() + WATCHED_S
    while (left_s := until - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left_s):
                found.append((await subscriber.inbox.get())["id"])
        except TimeoutError:
            break
    return found
