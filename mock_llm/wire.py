"""The chat completions protocol as far as it is spoken here: requests in, answers and errors out.

Pure: bytes to records and back. Unknown fields of a request are let through, as the real service's
clients add new ones all the time; wrong types of known ones are an error of the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

BODY_BYTES_MAX = 32 * 1024 * 1024
"""A longer body is refused unread."""

BAD_REQUEST = "invalid_request_error"
"""The error type of everything that is the caller's fault."""


class WireError(Exception):
    """A request that the real service would refuse, or that is not spoken here."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part of a message's content; parts that are no text have no `text`."""

    type: str = "text"
    text: str | None = None


class FunctionCall(msgspec.Struct, frozen=True, gc=False):
    """The function that a tool call names."""

    name: str = ""
    arguments: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """A call that an earlier answer asked for."""

    id: str = ""
    function: FunctionCall = FunctionCall()


class Message(msgspec.Struct, frozen=True):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def texts(self) -> Iterator[str]:
        """The texts of the content, in order."""
        if isinstance(self.content, str):
            yield self.content
        elif self.content is not None:
            for part in self.content:
                if part.text:
                    yield part.text


class Function(msgspec.Struct, frozen=True):
    """A function on offer. Its parameters stay unread until one is called: see `schemas`."""

    name: str
    parameters: msgspec.Raw = msgspec.Raw()


class Tool(msgspec.Struct, frozen=True):
    """A tool on offer; others than functions are passed over."""

    type: str = "function"
    function: Function | None = None


class NamedSchema(msgspec.Struct, frozen=True):
    """The schema that a structured answer has to satisfy."""

    name: str = ""
    schema: msgspec.Raw = msgspec.Raw()


class ResponseFormat(msgspec.Struct, frozen=True):
    """The form asked of an answer: text, json_object or json_schema."""

    type: str = "text"
    json_schema: NamedSchema | None = None


class ChatRequest(msgspec.Struct, frozen=True):
    """A request for a chat completion."""

    messages: list[Message]
    model: str = "unnamed"
    tools: list[Tool] | None = None
    tool_choice: msgspec.Raw = msgspec.Raw()
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream: bool | None = None
    n: int | None = None

    def output_limit(self) -> int:
        """Tokens that the answer may have at most; 0 when the caller sets no limit."""
        return self.max_completion_tokens or self.max_tokens or 0

    def functions(self) -> list[Function]:
        """The functions on offer, in order."""
        return [tool.function for tool in self.tools or () if tool.function is not None]

    def forced_function(self) -> Function | None:
        """The function that the answer has to call; None when a text will do."""
        choice = bytes(self.tool_choice).strip()
        offered = self.functions()
        if not offered or not (choice == b'"required"' or choice.startswith(b"{")):
            return None
        named = (function for function in offered if f'"{function.name}"'.encode() in choice)
        return next(named, offered[0])

    def may_call(self) -> bool:
        """Whether the answer may call a function."""
        return bool(self.functions()) and bytes(self.tool_choice).strip() != b'"none"'

    def is_structured(self) -> bool:
        """Whether the answer has to be JSON."""
        return self.response_format is not None and self.response_format.type != "text"

    def characters(self) -> int:
        """Characters of all texts and calls in the conversation; tools on offer are left out."""
        count = 0
        for message in self.messages:
            count += sum(map(len, message.texts()))
            for call in message.tool_calls or ():
                count += len(call.function.name) + len(call.function.arguments)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call in an answer."""

    id: str
    """Unique over all turns and attempts."""
    name: str
    """The function, as it was offered."""
    arguments: str
    """JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer says."""

    id: str
    """The completion's id."""
    text: str
    """The content; empty beside calls."""
    calls: tuple[Call, ...] = ()
    """Tool calls; empty for a text."""

    def characters(self) -> int:
        """Characters that are priced as output."""
        return len(self.text) + sum(len(call.name) + len(call.arguments) for call in self.calls)


_REQUEST = msgspec.json.Decoder(ChatRequest)
_JSON = msgspec.json.Encoder()


def parse_chat(body: bytes) -> ChatRequest:
    """The request in a body.

    Raises:
        WireError: no JSON, or no chat request; the message says where.
    """
    try:
        return _REQUEST.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"We could not parse the JSON body of your request: {error}") from error


def completion(
    answer: Answer, *, model: str, created_s: int, prompt_tokens: int, completion_tokens: int
) -> bytes:
    """The body of an answered request."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": answer.text or None,
        "refusal": None,
    }
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in answer.calls
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if answer.calls else "stop",
    }
    return _JSON.encode(
        {
            "id": answer.id,
            "object": "chat.completion",
            "created": created_s,
            "model": model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
            "system_fingerprint": "fp_onceproof",
        }
    )


def error_body(message: str, *, kind: str = BAD_REQUEST, code: str | None = None) -> bytes:
    """The body of a refusal, as the clients of the real service expect it."""
    return _JSON.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def models_body(names: Sequence[str], *, created_s: int) -> bytes:
    """The list of models."""
    rows = [
        {"id": name, "object": "model", "created": created_s, "owned_by": "onceproof"}
        for name in names
    ]
    return _JSON.encode({"object": "list", "data": rows})


def account_of(api_key: bytes, project: bytes) -> str:
    """The name under which the limiter counts: a digest, so that no key reaches the ledger."""
    return blake2b(api_key + b"\0" + project, digest_size=6).hexdigest()
