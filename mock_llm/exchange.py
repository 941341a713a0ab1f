"""One HTTP exchange in ASGI terms: read a body, watch for a caller that leaves, send an answer.

No web framework: the witness answers thousands of requests a second on a part of one core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from typing import Any

from mock_llm.wire import BODY_BYTES_MAX, error_body

Scope = MutableMapping[str, Any]
AsgiEvent = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiEvent]]
Send = Callable[[AsgiEvent], Awaitable[None]]

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; version=0.0.4"


class BodyTooLargeError(Exception):
    """The body is longer than BODY_BYTES_MAX."""


class ClientGoneError(Exception):
    """The caller left before the request was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer."""

    status: int
    """HTTP status."""
    body: bytes
    """Content."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers beside type and length."""
    content_type: str = JSON_TYPE
    """Media type."""
    is_cut: bool = False
    """Only the head leaves, then the connection is closed: the answer is lost on its way."""
    on_sent: Callable[[], None] | None = None
    """Called when the last byte was handed over, or the caller was gone."""


def refusal(status: int, message: str, *, code: str | None = None) -> Response:
    """An error of the caller, in the form that clients of the real service read."""
    return Response(status=status, body=error_body(message, code=code))


async def read_body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        BodyTooLargeError: too long; the rest is unread.
        ClientGoneError: the caller left first.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise BodyTooLargeError
        chunks.append(chunk)
        if not event.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def is_gone_within(receive: Receive, seconds: float) -> bool:
    """Wait so long; True as soon as the caller leaves, False when it stayed."""
    if seconds <= 0:
        return False
    try:
        async with asyncio.timeout(seconds):
            await _until_gone(receive)
    except TimeoutError:
        return False
    return True


async def is_gone_before(receive: Receive, work: Coroutine[None, None, None]) -> bool:
    """Do some work; True, and the work is given up, as soon as the caller leaves."""
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(_until_gone(receive))
        working = group.create_task(work)
        await asyncio.wait({leaving, working}, return_when=asyncio.FIRST_COMPLETED)
        is_gone = not working.done()
        leaving.cancel()
        working.cancel()
    return is_gone


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_response(send: Send, response: Response) -> None:
    """Send an answer; to a caller that left it goes nowhere, without an error.

    Of one that is cut the body never comes, upon which the server closes the connection.
    """
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *((name.encode(), value.encode()) for name, value in response.headers),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if not response.is_cut:
        await send({"type": "http.response.body", "body": response.body})
    if response.on_sent is not None:
        response.on_sent()
