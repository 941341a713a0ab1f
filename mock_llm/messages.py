"""What happens to messages, as workers and the harness tell it: parsed, and on file at once.

The witness carries no message. It is told, in its own order, that one is about to be published,
that the broker took it, and that a handler has it; the checkers make the rest of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mock_llm.exchange import BodyTooLargeError, Receive, Response, read_body, refusal
from mock_llm.records import Message, MessageWhat
from mock_llm.wire import BODY_BYTES_MAX
from mock_llm.witness import Witness

Name = Annotated[str, Meta(max_length=400)]
Id = Annotated[str, Meta(min_length=1, max_length=400)]


class FoundMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /admin/messages, one or a list; see mock_llm.records.Message."""

    what: MessageWhat
    id: Id
    topic: Id
    key: Name = ""
    number: Annotated[int, Meta(ge=-1, le=2**62)] = -1
    """-1 for a message without a place in an order."""
    broker: Name = ""
    """Empty where the worker cannot know it; see the note `broker`."""
    is_poison: bool = False


class ToldMessage(FoundMessage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /messages: a worker cannot look into a broker."""

    what: Literal["publishing", "acknowledged", "refused", "delivered", "dead_letter"]


def tell(witness: Witness, caller: str, told: Sequence[FoundMessage]) -> list[int]:
    """Put them on file; their sequence numbers."""
    return [witness.message(_record(caller, one)) for one in told]


async def answer_messages(witness: Witness, caller: str, receive: Receive) -> Response:
    """204 when all that a worker told is on file.

    Raises:
        ClientGoneError: the caller left before its request was there.
        LedgerError: nothing may be answered any more.
    """
    try:
        posted = msgspec.json.decode(await read_body(receive), type=ToldMessage | list[ToldMessage])
    except BodyTooLargeError:
        return refusal(413, f"The body is longer than {BODY_BYTES_MAX} bytes.")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return refusal(400, f"send {{what, id, topic, key?, number?, broker?}}: {error}")
    tell(witness, caller, posted if isinstance(posted, list) else [posted])
    return Response(status=204, body=b"")


def _record(caller: str, told: FoundMessage) -> Message:
    """The record that is to be; the witness gives it its place."""
    return Message(
        seq=0,
        t_ns=0,
        caller=caller,
        what=told.what,
        id=told.id,
        topic=told.topic,
        key=told.key,
        number=told.number,
        broker=told.broker,
        is_poison=told.is_poison,
    )
