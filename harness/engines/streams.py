"""Messages over the SDK's own calls: streaming subscriptions, and several published in one request.

For workers on Dapr whose sidecars have no declared subscriptions. The SDK handles the messages of a
topic one after another, and never says which entry of a bulk request failed: it draws the entries'
ids and keeps them (dapr 1.18.3), so that after a failure all are published again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
from dapr.aio.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._response import TopicEventResponse
from dapr.common.pubsub.subscription import SubscriptionMessage

from harness.engines.messages import COMPONENT, DEAD, Message
from harness.errors import EngineError

Take = Callable[[Message], Awaitable[str]]
"""Takes a message; says why not, or nothing."""


class Streams:
    """A stream a topic, from `open` to `close`; of one event loop, made in it."""

    def __init__(self) -> None:
        self._client = DaprClient()
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def open(self, topics: Mapping[str, Take]) -> None:
        """Subscribe to each topic; what is not taken comes again, and then is a dead letter."""
        for topic, take in topics.items():
            closer = await self._client.subscribe_with_handler(
                COMPONENT,
                topic,
                partial(_handled, take),
                dead_letter_topic=None if topic == DEAD else DEAD,
            )
            self._closers.append(closer)

    async def publish(self, topic: str, messages: Sequence[Message]) -> str:
        """Publish all in one request; why they are not all in the broker, or nothing."""
        try:
            answer = await self._client.publish_events(
                COMPONENT,
                topic,
                [msgspec.json.encode(one) for one in messages],
                data_content_type="application/json",
            )
        except DaprGrpcError as error:
            return f"{error.code().name}: {error.details()}"
        failed = answer.failed_entries
        return f"{len(failed)} of {len(messages)} failed: {failed[0].error}" if failed else ""

    async def close(self) -> None:
        """End the streams."""
        for closer in self._closers:
            await closer()
        await self._client.close()


async def _handled(take: Take, event: SubscriptionMessage) -> TopicEventResponse:
    """One message; the SDK's loop would end for good with an error that leaves this."""
    try:
        reason = await take(msgspec.convert(event.data(), Message))
    except (EngineError, msgspec.ValidationError) as error:
        reason = str(error)
    return TopicEventResponse("retry" if reason else "success")
