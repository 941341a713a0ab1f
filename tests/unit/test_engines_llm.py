"""The LLM client against a stub of the service, over real sockets."""

import asyncio
import heapq
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.engines.contract import Surroundings
from harness.engines.llm import (
    TOOLS,
    Answer,
    Limited,
    Llm,
    LlmError,
    ToolCall,
    limited_wait_s,
    patiently,
    polite_wait_s,
)
from harness.errors import EngineError
from mock_llm.limiter import NS_PER_S, Limiter, Limits

T = TypeVar("T")
SAID = {"role": "assistant", "content": "Hello <<00.1>>"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "record", "arguments": '{"agent":"a1","path":"2","value":"v"}'},
        }
    ],
}


def ask(
    respond: Callable[[dict[str, Any]], web.Response],
    act: Callable[[Llm], Awaitable[T]],
    *,
    calls_at_once: int = 10,
) -> T:
    """Run one conversation with a stub service that answers as ``respond`` says."""

    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer sk-not-a-key"
        return respond({"path": request.path} | await request.json())

    async def scene() -> T:
        application = web.Application()
        application.router.add_post("/{path:.*}", handle)
        async with TestServer(application) as server:
            llm = Llm(surroundings(str(server.make_url("/"))), calls_at_once=calls_at_once)
            try:
                return await act(llm)
            finally:
                await llm.close()

    return asyncio.run(scene())


def surroundings(url: str) -> Surroundings:
    return Surroundings(
        port=1,
        pod="agents-1",
        incarnation=1,
        state_dir=Path(),
        effects_url=f"{url}effects",
        llm_base_url=f"{url}v1/",
        llm_api_key="sk-not-a-key",
        variant="",
    )


def completion(message: dict[str, Any]) -> web.Response:
    return web.json_response({"id": "x", "choices": [{"index": 0, "message": message}]})


async def chat(llm: Llm) -> Answer:
    return await llm.chat([{"role": "user", "content": "Hi"}], tools=TOOLS)


def limited(text: str = "slow down", **headers: str) -> web.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"error": {"message": text}}, status=429, headers=names)


def test_an_answer_has_text_calls_and_its_message() -> None:
    """Words come as text, and the message can be appended as it is."""
    assert ask(lambda _: completion(SAID), chat) == Answer(
        text="Hello <<00.1>>", tool_calls=(), message=SAID
    )


def test_tool_calls_are_read() -> None:
    """Arguments come as strings by name."""
    call = ToolCall(
        id="call_1", name="record", arguments={"agent": "a1", "path": "2", "value": "v"}
    )

    answer = ask(lambda _: completion(CALLED), chat)

    assert (answer.text, answer.tool_calls) == ("", (call,))
    with pytest.raises(LlmError, match="without argument 'colour'"):
        call.argument("colour")


def test_the_request_carries_messages_and_tools() -> None:
    """The service sees what the engine gave, at the place that OpenAI's has."""
    seen: list[dict[str, Any]] = []

    def respond(body: dict[str, Any]) -> web.Response:
        seen.append(body)
        return completion(SAID)

    ask(respond, chat)

    (body,) = seen
    assert body["path"] == "/v1/chat/completions"
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert body["tools"] == list(TOOLS)


@pytest.mark.parametrize("key", [None, "a1/2"])
def test_an_effect_returns_its_receipt(key: str | None) -> None:
    """The key goes out only when there is one."""
    seen: list[dict[str, Any]] = []

    def respond(body: dict[str, Any]) -> web.Response:
        seen.append(body)
        return web.json_response({"receipt": "<<er.a>>", "applied": True})

    assert ask(respond, lambda llm: llm.effect("a1", "2", "v", key)) == "<<er.a>>"
    expected = {"path": "2", "agent": "a1", "value": "v"} | ({"key": key} if key else {})
    assert seen == [expected]


@pytest.mark.parametrize(
    ("response", "retry_after_s", "is_retryable"),
    [
        (lambda: limited(retry_after_ms="250", Retry_After="9"), 0.25, True),
        (lambda: limited(Retry_After="3"), 3.0, True),
        (lambda: limited(Retry_After="soon"), 1.0, True),
        (lambda: limited(Retry_After="nan"), 1.0, True),
        (limited, 1.0, True),
        (lambda: limited("insufficient_quota", Retry_After="3"), 3.0, False),
        (lambda: limited("Request too large for mock-1", Retry_After="3"), 3.0, False),
    ],
)
def test_a_limited_call_says_how_long_to_wait(
    response: Callable[[], web.Response], retry_after_s: float, is_retryable: bool
) -> None:
    """Milliseconds go before seconds, and a quota that will not come back is told apart."""
    with pytest.raises(Limited) as raised:
        ask(lambda _: response(), chat)

    assert raised.value.retry_after_s == retry_after_s
    assert raised.value.is_retryable is is_retryable
    assert raised.value.is_definite


@pytest.mark.parametrize(
    "response",
    [
        lambda: web.Response(status=503, text="broken"),
        lambda: web.Response(status=200, text="no JSON"),
        lambda: web.json_response({"choices": []}),
        lambda: completion({"tool_calls": [{"id": "x", "function": {"name": "f"}}]}),
    ],
)
def test_everything_else_is_an_error(response: Callable[[], web.Response]) -> None:
    """A failed or unreadable answer is never taken for one."""
    with pytest.raises(LlmError):
        ask(lambda _: response(), chat)


def test_a_failure_comes_back_from_a_store_as_it_was() -> None:
    """DBOS keeps the error of a step, pickled, and raises it again at a recovery."""
    found = pickle.loads(pickle.dumps(LlmError(0, "cut off")))

    assert (type(found), found.status, found.text, found.is_definite) == (
        *(LlmError, 0, "cut off"),
        False,
    )
    assert str(found) == str(LlmError(0, "cut off"))


def test_no_service_is_no_definite_failure() -> None:
    """A refused or cut connection has status 0, and may have been executed."""

    async def scene() -> None:
        llm = Llm(surroundings("http://127.0.0.1:1/"))
        try:
            await chat(llm)
        finally:
            await llm.close()

    with pytest.raises(LlmError) as raised:
        asyncio.run(scene())
    assert (raised.value.status, raised.value.is_definite) == (0, False)


@pytest.mark.parametrize(
    ("error", "tries", "seconds"),
    [
        (Limited(2.0, is_retryable=True), 1, 2.002),
        (Limited(2.0, is_retryable=True), 3, 2.102),
        (Limited(2.0, is_retryable=True), 900, 22.002),
        (Limited(2.0, is_retryable=False), 1, None),
        (LlmError(503, ""), 1, 0.1),
        (LlmError(0, ""), 3, 0.4),
        (LlmError(0, ""), 900, 5.0),
        (LlmError(500, ""), 11, 5.0),
        (LlmError(500, ""), 12, None),
        (LlmError(400, ""), 1, None),
    ],
)
def test_a_polite_client_waits_as_long_as_asked(
    error: EngineError, tries: int, seconds: float | None
) -> None:
    """Never before Retry-After, never at all where it cannot help, and never for ever longer."""
    assert polite_wait_s(error, tries) == (seconds and pytest.approx(seconds))


def test_callers_that_wait_longer_each_time_all_come_through() -> None:
    """48 agents of six calls, five new ones a second, 500 requests a minute, refused ones among
    them. With 2 s as the longest wait all 48 were still refusing each other after two minutes.
    """
    limiter = Limiter(Limits(requests_per_minute=500, burst=1 / 60))
    due = [(0.2 * agent, agent, 6, 1) for agent in range(48)]
    while due:
        at_s, agent, left, tries = heapq.heappop(due)
        assert at_s < 120, f"{len(due) + 1} agents still ask"
        said = limiter.admit("pod", 0, int(at_s * NS_PER_S), model="any")
        if said.refusal is None:
            left, tries, wait_s = left - 1, 1, 0.5 + agent / 200
        else:
            wait_s, tries = limited_wait_s(said.retry_after_ms / 1000, tries), tries + 1
        if left:
            heapq.heappush(due, (at_s + wait_s, agent, left, tries))


def test_patience_ends_in_an_answer_or_the_last_error() -> None:
    """Calls go on until one succeeds, and no further; giving up raises what went wrong."""
    outcomes: list[str | LlmError] = [LlmError(503, "x"), LlmError(503, "y"), "z", "never"]

    async def call() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, LlmError):
            raise outcome
        return outcome

    async def refuse() -> str:
        raise LlmError(400, "bad")

    assert asyncio.run(patiently(call, lambda _error, _tries: 0.0)) == "z"
    assert outcomes == ["never"]
    with pytest.raises(LlmError, match="bad"):
        asyncio.run(patiently(refuse))
