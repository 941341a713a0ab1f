"""The ASGI application of the witness: which path leads where, and whose request it is.

    POST [/pods/<caller>]/v1/chat/completions    GET [/pods/<caller>]/v1/models
    POST [/pods/<caller>]/effects                POST [/pods/<caller>]/messages

and the endpoints of `admin`.

A broken ledger ends the witness: it would rather answer nobody than answer without evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from mock_llm import admin
from mock_llm.chat import answer_chat, refuse_unread
from mock_llm.effect import answer_effect
from mock_llm.exchange import (
    BodyTooLargeError,
    ClientGoneError,
    Receive,
    Response,
    Scope,
    Send,
    read_body,
    refusal,
    send_response,
)
from mock_llm.ledger import LedgerError
from mock_llm.messages import answer_messages
from mock_llm.wire import BODY_BYTES_MAX, account_of, models_body
from mock_llm.witness import Origin, Witness

MODELS = ("onceproof-mock", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini")
"""Named by GET /v1/models; any other model is answered as well."""

_PODS = "/pods/"
_CALLER_MAX = 200
_RETRY_MAX = 1000
_TOO_LARGE = f"The body is longer than {BODY_BYTES_MAX} bytes."
_account = lru_cache(maxsize=4096)(account_of)


class App:
    """The application; `stop` is called once when the ledger cannot be written any more."""

    def __init__(self, witness: Witness, *, stop: Callable[[str], None]) -> None:
        self._witness = witness
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            return
        try:
            response = await self._respond(scope, receive)
        except ClientGoneError:
            return
        except LedgerError as error:
            self._stop(str(error))
            response = refusal(500, f"the witness cannot go on: {error}")
        if response is not None:
            await send_response(send, response)

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        method = str(scope["method"])
        caller, path = _split(str(scope["path"]))
        if path == "/v1/chat/completions" and method == "POST":
            return await self._chat(_origin(caller, scope), receive)
        if path == "/effects" and method == "POST":
            return await answer_effect(self._witness, _origin(caller, scope), receive)
        if path == "/messages" and method == "POST":
            return await answer_messages(self._witness, caller, receive)
        if path == "/v1/models" and method == "GET":
            body = models_body(MODELS, created_s=self._witness.created_s)
            return Response(status=200, body=body)
        endpoint = admin.ENDPOINTS.get((method, path)) if caller == "-" else None
        if endpoint is None:
            return refusal(404, f"Invalid URL ({method} {scope['path']})", code="unknown_url")
        return await self._admin(endpoint, scope, receive)

    async def _chat(self, origin: Origin, receive: Receive) -> Response | None:
        try:
            body = await read_body(receive)
        except BodyTooLargeError:
            return refuse_unread(self._witness, origin, 413, _TOO_LARGE)
        return await answer_chat(self._witness, origin, body, receive)

    async def _admin(self, endpoint: admin.Endpoint, scope: Scope, receive: Receive) -> Response:
        try:
            body = await read_body(receive) if scope["method"] == "POST" else b""
            return await endpoint(self._witness, body, bytes(scope["query_string"]).decode())
        except BodyTooLargeError:
            return refusal(413, _TOO_LARGE)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return refusal(400, f"{scope['path']}: {error}")


def _split(path: str) -> tuple[str, str]:
    """The caller and the rest of a path; `-` when it names none."""
    if not path.startswith(_PODS):
        return "-", path
    caller, _, rest = path.removeprefix(_PODS).partition("/")
    return caller[:_CALLER_MAX] or "-", f"/{rest}"


def _origin(caller: str, scope: Scope) -> Origin:
    api_key = project = b""
    retry = -1
    for name, value in scope["headers"]:
        if name == b"authorization":
            api_key = value
        elif name == b"openai-project":
            project = value
        elif name == b"x-stainless-retry-count" and value.isdigit():
            retry = min(int(value), _RETRY_MAX)
    return Origin(caller=caller, account=_account(api_key, project), retry=retry)
