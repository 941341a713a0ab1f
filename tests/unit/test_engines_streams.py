"""What a worker answers to a message of a stream, and what a request for several is worth."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from dapr.clients.grpc._response import BulkPublishResponse, BulkPublishResponseFailedEntry

from harness.engines.messages import TASKS, Message
from harness.engines.streams import Streams, _handled
from harness.errors import EngineError

MESSAGE = Message(id="a1/start", topic=TASKS, agent="a1", content="x")


@dataclass
class Event:
    """What the SDK hands out."""

    body: Any

    def data(self) -> Any:
        return self.body


def answered(event: Event, reason: str | Exception) -> str:
    async def take(message: Message) -> str:
        assert message == MESSAGE
        if isinstance(reason, Exception):
            raise reason
        return reason

    answer = asyncio.run(_handled(take, event))  # type: ignore[arg-type]
    return str(answer.status.name)


@pytest.mark.parametrize(
    ("reason", "status"), [("", "success"), ("not now", "retry"), (EngineError("gone"), "retry")]
)
def test_what_is_not_taken_comes_again(reason: str | Exception, status: str) -> None:
    """An error that left the handler would end the SDK's stream for good."""
    assert answered(Event(msgspec.to_builtins(MESSAGE)), reason) == status


def test_what_is_no_message_comes_again_and_is_a_dead_letter_in_the_end() -> None:
    """As any message that cannot be handled."""
    assert answered(Event({"id": 3}), "") == "retry"


class Client:
    """The SDK's client; the broker refuses so many of what it is given."""

    def __init__(self, refused: int) -> None:
        self.refused = refused
        self.given: list[Any] = []

    async def publish_events(
        self, _pubsub: str, topic: str, data: list[bytes], **_: str
    ) -> BulkPublishResponse:
        self.given.append((topic, [msgspec.json.decode(one, type=Message) for one in data]))
        failed = BulkPublishResponseFailedEntry(entry_id="drawn by the SDK", error="no room")
        return BulkPublishResponse(failed_entries=[failed] * self.refused)


@pytest.mark.parametrize(("refused", "told"), [(0, ""), (1, "1 of 2 failed: no room")])
def test_a_request_for_several_is_one_and_fails_as_one(refused: int, told: str) -> None:
    """The SDK does not say which entry failed."""
    streams = Streams.__new__(Streams)
    streams._client = client = Client(refused)  # type: ignore[assignment]

    assert asyncio.run(streams.publish(TASKS, [MESSAGE, MESSAGE])) == told
    assert client.given == [(TASKS, [MESSAGE, MESSAGE])]
