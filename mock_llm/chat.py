"""A call to the model from body to answer: parsed, begun, checked, limited, awaited, ended,
answered.

The steps of `answer_chat` are the points at which a fault can act.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mock_llm import wire
from mock_llm.exchange import Receive, Response, is_gone_within, refusal
from mock_llm.holds import Call, answer_held, is_gone_at
from mock_llm.limiter import Decision
from mock_llm.readings import Reading, read
from mock_llm.records import Begin
from mock_llm.replies import check
from mock_llm.witness import UNREAD, Origin, Priced, Witness


async def answer_chat(
    witness: Witness, origin: Origin, body: bytes, receive: Receive
) -> Response | None:
    """The answer to one request; None when the caller left before it was ready.

    Raises:
        LedgerError: nothing may be answered any more.
    """
    try:
        request = wire.parse_chat(body)
    except wire.WireError as error:
        return refuse_unread(witness, origin, 400, str(error))
    reading = read(request)
    call = Call(caller=origin.caller, agent=reading.agent, path=reading.path, turn=reading.turn)
    if await is_gone_at(witness.holds, call, "arrival", receive):
        return None
    begin = witness.begin(origin, reading, request)
    try:
        check(request, reading)
    except wire.WireError as error:
        witness.refuse(begin, 400)
        return refusal(400, str(error))
    decision = witness.decide(begin)
    if decision.refusal is not None:
        return _limited(begin, decision)
    failing = _failing_status(reading)
    if failing:
        witness.fault(begin, failing)
        return Response(
            status=failing,
            body=wire.error_body("The server had an error, as planned.", kind="server_error"),
            headers=(("x-request-id", _request_id(begin)),),
        )
    priced = witness.price(begin, request, reading)
    is_final = reading.is_final
    # A request may be long, and thousands wait at a time: only what is to be said is kept.
    del request, reading, body
    try:
        is_gone = await is_gone_at(witness.holds, call, "begun", receive)
        is_gone = is_gone or await is_gone_within(receive, priced.latency_s)
    except asyncio.CancelledError:
        witness.lose(priced, "dropped", is_final=is_final)
        raise
    if is_gone:
        witness.lose(priced, "client_gone", is_final=is_final)
        return None
    answer = _answered(priced, decision, witness.created_s)
    if witness.drops.take(origin.caller, begin.seq):
        witness.lose(priced, "dropped", is_final=is_final)
        return replace(answer, is_cut=True)
    witness.answer(priced, is_final=is_final)
    return await answer_held(witness.holds, call, answer, receive)


def refuse_unread(witness: Witness, origin: Origin, status: int, message: str) -> Response:
    """Refuse a body that is no request; it is on file as an auxiliary call."""
    begin = witness.begin(origin, UNREAD, None)
    witness.refuse(begin, status)
    return refusal(status, message)


def _failing_status(reading: Reading) -> int:
    """The status that a poison step is answered with; 0 for any other call."""
    if reading.kind == "aux" or reading.marker is None:
        return 0
    directive = reading.marker.directive
    return directive.count if directive.kind == "fail" else 0


def _limited(begin: Begin, decision: Decision) -> Response:
    refused = decision.refusal
    assert refused is not None
    return Response(
        status=429,
        body=wire.error_body(refused.message, kind=refused.type, code=refused.code),
        headers=(("x-request-id", _request_id(begin)), *decision.headers),
    )


def _answered(priced: Priced, decision: Decision, created_s: int) -> Response:
    begin = priced.begin
    return Response(
        status=200,
        body=wire.completion(
            priced.reply.answer,
            model=begin.model,
            created_s=created_s,
            prompt_tokens=begin.prompt_tokens,
            completion_tokens=priced.completion_tokens,
        ),
        headers=(
            ("x-request-id", _request_id(begin)),
            ("openai-processing-ms", str(round(priced.latency_s * 1000))),
            *decision.headers,
        ),
    )


def _request_id(begin: Begin) -> str:
    return f"req_{begin.seq:x}"
