"""A small client of OpenAI's chat completions and of the effects endpoint, for our own workers.

Frameworks bring their own client; those that have none call through this one. It never retries: who
waits, and for how long, is the engine's decision, and part of what is measured.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec
from yarl import URL

from harness.engines.contract import Surroundings
from harness.errors import EngineError

MODEL = "mock-1"
"""Model asked for; the mock prices by it."""

TIMEOUT_S = 120.0
"""Bound on one request, from the moment it is sent."""

CALLS_AT_ONCE = 1000
"""Bound on requests in flight of one worker; the others wait in line, without a connection."""

TRIES_MAX = 1000
"""Bound on `patiently`: with one second between tries, longer than any run."""

SERVER_ERRORS_MAX = 12
"""Answers 5xx to one call after which a well-behaved client gives up."""

Message = dict[str, Any]
"""A chat message in OpenAI's form; passed on, never looked into."""

TOOLS: tuple[Message, ...] = (
    {
        "type": "function",
        "function": {
            "name": "record",
            "description": "Write a value down and get a receipt for it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "agent": {"type": "string", "description": "Who records."},
                    "path": {"type": "string", "description": "Which call this is."},
                    "value": {"type": "string", "description": "What to write down."},
                },
                "required": ["agent", "path", "value"],
                "additionalProperties": False,
            },
        },
    },
)
"""The one tool that our workers offer: it posts an effect."""

_T = TypeVar("_T")
_NOT_RETRYABLE = ("insufficient_quota", "Request too large")


class LlmError(EngineError):
    """A call without an answer: refused, failed, cut off, too slow; status 0 for no response."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"LLM call failed, status {status}: {text}", is_definite=status != 0)
        self.status = status
        self.text = text

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by what it is made of: engines keep errors in their stores."""
        return type(self), (self.status, self.text)


class Limited(EngineError):  # noqa: N818 - named as in the vocabulary: a limited request.
    """A call answered 429; nothing was executed."""

    def __init__(self, retry_after_s: float, *, is_retryable: bool, text: str = "") -> None:
        super().__init__(f"limited, retry after {retry_after_s} s: {text}", is_definite=True)
        self.retry_after_s = retry_after_s
        self.is_retryable = is_retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that an answer asks for."""

    id: str
    name: str
    arguments: dict[str, str]

    def argument(self, name: str) -> str:
        """One of the arguments.

        Raises:
            LlmError: the model left it out.
        """
        try:
            return self.arguments[name]
        except KeyError as error:
            raise LlmError(200, f"call of {self.name!r} without argument {name!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model answered."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    """Empty when the answer is final."""
    message: Message
    """As it came, to be appended to the conversation."""


class _Choice(msgspec.Struct):
    message: dict[str, Any]


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _Receipt(msgspec.Struct):
    receipt: str


def answer_of(message: Message) -> Answer:
    """Read an assistant's message, fresh from the wire or from a journal.

    Raises:
        LlmError: a tool call whose arguments are not an object of strings.
    """
    try:
        calls = tuple(
            ToolCall(
                id=call["id"],
                name=call["function"]["name"],
                arguments=_arguments.decode(call["function"]["arguments"]),
            )
            for call in message.get("tool_calls") or ()
        )
    except (msgspec.MsgspecError, KeyError) as error:
        raise LlmError(200, f"unreadable tool call: {error!r}") from error
    return Answer(text=message.get("content") or "", tool_calls=calls, message=message)


class Llm:
    """The client; made inside the event loop that uses it, closed by who made it."""

    def __init__(self, surroundings: Surroundings, *, calls_at_once: int = CALLS_AT_ONCE) -> None:
        self._chat_url = URL(f"{surroundings.llm_base_url.rstrip('/')}/chat/completions")
        self._effects_url = URL(surroundings.effects_url)
        self._turnstile = asyncio.Semaphore(calls_at_once)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {surroundings.llm_api_key}",
                "Content-Type": "application/json",
            },
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    async def chat(
        self, messages: Sequence[Message], *, tools: Sequence[Message] | None = None
    ) -> Answer:
        """Ask once.

        Raises:
            Limited: answered 429.
            LlmError: any other failure, a timeout of 120 s included.
        """
        body: dict[str, object] = {"model": MODEL, "messages": messages}
        if tools:
            body["tools"] = tools
        data = await self._post(self._chat_url, body)
        try:
            message = _completion.decode(data).choices[0].message
        except (msgspec.MsgspecError, IndexError) as error:
            raise LlmError(200, f"no completion in the answer: {error!r}") from error
        return answer_of(message)

    async def effect(self, agent: str, path: str, value: str, key: str | None) -> str:
        """Post a tool's effect and return its receipt; with a key it is applied once.

        Raises:
            Limited: answered 429.
            LlmError: any other failure; whether the effect was applied is then not known.
        """
        body = {"agent": agent, "path": path, "value": value}
        if key is not None:
            body["key"] = key
        data = await self._post(self._effects_url, body)
        try:
            return _receipt.decode(data).receipt
        except msgspec.MsgspecError as error:
            raise LlmError(200, f"no receipt in the answer: {error}") from error

    async def close(self) -> None:
        """Cut all connections."""
        await self._http.close()

    async def _post(self, url: URL, body: object) -> bytes:
        data = _encoder.encode(body)
        async with self._turnstile:
            try:
                async with self._http.post(url, data=data) as response:
                    answered = await response.read()
                    status, headers = response.status, response.headers
            except TimeoutError as error:
                raise LlmError(0, f"no answer in {TIMEOUT_S} s") from error
            except aiohttp.ClientError as error:
                raise LlmError(0, repr(error)) from error
        if status == 200:
            return answered
        text = answered.decode(errors="replace")
        if status != 429:
            raise LlmError(status, text)
        raise Limited(
            _retry_after_s(headers),
            is_retryable=not any(sign in text for sign in _NOT_RETRYABLE),
            text=text,
        )


def limited_wait_s(retry_after_s: float, tries: int) -> float:
    """How long to wait after the ``tries``-th refusal in a row; the same in every replay.

    Never earlier than the server asked for, 2 ms of timer rounding included; from the second on
    0.05 s more, doubled each time, 20 s at most: refusals count as requests, and callers that come
    back too soon refuse each other for good, as forty do that come every 2 s to a quota of 8.3/s.
    """
    more_s = min(0.05 * 2.0 ** min(tries - 2, 10), 20.0) if tries > 1 else 0.0
    return retry_after_s + 0.002 + more_s


def polite_wait_s(error: EngineError, tries: int) -> float | None:
    """How long a well-behaved client waits after its ``tries``-th failure; None to give up.

    Limited: see limited_wait_s. Cut connections: 0.1 s doubled, at most 5 s. Server errors the
    same, and no more after 12 of them, about half a minute: what fails so often is broken.
    """
    if isinstance(error, Limited):
        return limited_wait_s(error.retry_after_s, tries) if error.is_retryable else None
    if not isinstance(error, LlmError):
        return None
    if error.status == 0 or (error.status >= 500 and tries < SERVER_ERRORS_MAX):
        return min(0.1 * 2.0 ** min(tries - 1, 10), 5.0)
    return None


async def patiently(
    call: Callable[[], Awaitable[_T]],
    wait_s: Callable[[EngineError, int], float | None] = polite_wait_s,
) -> _T:
    """Call until it succeeds or ``wait_s`` gives up; at most 1,000 tries.

    Raises:
        Limited, LlmError: that of the last try.
    """
    for tries in range(1, TRIES_MAX + 1):
        try:
            return await call()
        except (Limited, LlmError) as error:
            seconds = wait_s(error, tries)
            if seconds is None or tries == TRIES_MAX:
                raise
        await asyncio.sleep(seconds)
    raise AssertionError("unreachable: the last try returns or raises")


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds from retry-after-ms, else from Retry-After; 1 when neither is a number."""
    for name, per_second in (("retry-after-ms", 1000.0), ("Retry-After", 1.0)):
        try:
            seconds = float(headers[name]) / per_second
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return 1.0


_encoder = msgspec.json.Encoder()
_completion = msgspec.json.Decoder(_Completion)
_receipt = msgspec.json.Decoder(_Receipt)
_arguments = msgspec.json.Decoder(dict[str, str])
