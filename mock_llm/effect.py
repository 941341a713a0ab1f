"""A tool's effect from body to receipt: parsed, executed, awaited, ended, answered.

A tool acts at once; what may take a while, or get lost, is its answer.
"""

from __future__ import annotations

import asyncio

import msgspec

from mock_llm.exchange import (
    BodyTooLargeError,
    Receive,
    Response,
    is_gone_within,
    read_body,
    refusal,
)
from mock_llm.holds import Call, answer_held, is_gone_at
from mock_llm.receipts import render
from mock_llm.wire import BODY_BYTES_MAX
from mock_llm.witness import Origin, Witness


class PostedEffect(msgspec.Struct, frozen=True):
    """The body of POST /effects."""

    agent: str
    path: str
    value: str
    key: str | None = None


async def answer_effect(witness: Witness, origin: Origin, receive: Receive) -> Response | None:
    """The answer to one call of a tool; None when the caller left before it was ready.

    Raises:
        ClientGoneError: the caller left before its request was there.
        LedgerError: nothing may be answered any more.
    """
    try:
        posted = msgspec.json.decode(await read_body(receive), type=PostedEffect)
    except BodyTooLargeError:
        return refusal(413, f"The body is longer than {BODY_BYTES_MAX} bytes.")
    except msgspec.MsgspecError as error:
        return refusal(400, f"send {{agent, path, value, key?}}: {error}")
    call = Call(caller=origin.caller, agent=posted.agent, path=posted.path, turn=0)
    if await is_gone_at(witness.holds, call, "arrival", receive):
        return None
    executed = witness.execute(
        origin,
        agent=posted.agent,
        path=posted.path,
        key=posted.key or "",
        value=posted.value,
    )
    try:
        is_gone = await is_gone_at(witness.holds, call, "begun", receive)
        is_gone = is_gone or await is_gone_within(receive, executed.latency_s)
    except asyncio.CancelledError:
        witness.end_effect(executed, "dropped")
        raise
    if is_gone:
        witness.end_effect(executed, "client_gone")
        return None
    given = render(executed.receipt, executed.mark)
    body = msgspec.json.encode({"receipt": given, "applied": executed.is_applied})
    if witness.drops.take(origin.caller, executed.begin.seq):
        witness.end_effect(executed, "dropped")
        return Response(status=200, body=body, is_cut=True)
    witness.end_effect(executed, "answered")
    return await answer_held(witness.holds, call, Response(status=200, body=body), receive)
