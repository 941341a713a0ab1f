"""Messages of a worker over Dapr pub/sub: published and taken in, and told to the witness.

Shared by the engines that run on Dapr. The sidecar posts what it delivers to the worker's own HTTP
server (components/subscription-*.yaml); a message is told before it is published, after the broker
took it, and before its handling is acknowledged.
"""

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import aiohttp
import msgspec
from aiohttp import web

from harness.engines.contract import Surroundings
from harness.errors import EngineError
from harness.scenario import Program
from mock_llm.marker import find_all

COMPONENT = "agent-messages"
STARTS, RESULTS, NOTES = "onceproof.starts", "onceproof.results", "onceproof.notes"
DEAD = "onceproof.dead"
TASKS, ANSWERS = "onceproof.tasks", "onceproof.answers"
"""Of a team: what a member is to do, and what came of it."""
PUBLISH_S, TRY_S, PAUSE_S = 60.0, 10.0, 0.25
"""A publish is tried again until it is acknowledged, at most so long; one try; between two."""
TOO_LARGE = (
    "stream too large",
    "Producer.MaxMessageBytes",
    "nats: maximum payload exceeded",
    "invalid bulk length",
)
"""Words of a sidecar (its own limit, Kafka, NATS, Redis) that say: this message, never."""
RELAYED = "relayed"
"""In place of a broker's name: this pod reaches it through a relay, and does not know it."""
What = Literal["publishing", "acknowledged", "refused", "delivered", "dead_letter"]
Json = dict[str, Any]
Handle = Callable[[str, Any], Awaitable[None]]
"""Takes the agent that a message is to, and its content.

Raises EngineError when it cannot, now or ever: then the message comes again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes over the broker."""

    id: str
    """`<agent>/start`, `<agent>/result`, `<agent>/<path>` of a step that publishes, and of a team
    `<agent>/<path>/task` and `<agent>/<path>/answer`."""
    topic: str
    """Where it was first published; a dead letter is found elsewhere."""
    agent: str
    content: Any
    """The program, the outcome, a note, a Task or an Answer."""
    key: str = ""
    """Messages of one key and topic keep their order, where the broker can; empty for no order."""
    number: int = -1
    """Place in that order."""
    task: str = ""
    """What Dapr Agents reads of a message, and nothing else: the prompt of the agent it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a member of a team is to do; the message is to the member."""

    lead: str
    """The agent that waits for the answer."""
    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a task; the message is to the lead."""

    path: str
    """Of the member's last step."""
    outcome: str


def is_poison(content: object) -> bool:
    """Whether nobody who gets it can ever handle it: the marker in it says so."""
    marks = find_all(content) if isinstance(content, str) else []
    return any(one.directive.kind == "fail" for one in marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """The part of what a sidecar delivers that is used here."""

    data: Message
    id: str = ""
    """Of one publishing: a message that is published again has another one."""


class Gate:
    """Whether this process may publish; closed while an old broker is drained."""

    def __init__(self) -> None:
        self.is_open = True

    async def passed(self) -> None:
        """Wait until it is open; polled, since its users are in different threads."""
        while not self.is_open:  # noqa: ASYNC110 - an asyncio.Event is of one loop.
            await asyncio.sleep(0.02)


GATE = Gate()
"""Of this process: its two loops, the server's and the SDK's, publish alike."""


class Publisher:
    """Publishes and tells; of one event loop, made in it."""

    def __init__(self, surroundings: Surroundings, environ: Mapping[str, str]) -> None:
        port = environ["DAPR_HTTP_PORT"]
        self._publish_url = f"http://127.0.0.1:{port}/v1.0/publish/{COMPONENT}/"
        self._bulk_url = f"http://127.0.0.1:{port}/v1.0/publish/bulk/{COMPONENT}/"
        self._tell_url = surroundings.effects_url.removesuffix("effects") + "messages"
        self._broker = environ.get("ONCEPROOF_BROKER", "")
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TRY_S))

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def tell(self, what: What, *messages: Message) -> None:
        """Have it on file at the witness.

        Raises:
            EngineError: the witness did not take it.
        """
        told = [self._told(what, message) for message in messages]
        try:
            body = msgspec.json.encode(told if len(told) > 1 else told[0])
            async with self._session.post(self._tell_url, data=body) as answer:
                if answer.status != 204:
                    raise EngineError(f"the witness answered {answer.status} to {what}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineError(f"the witness took no {what}: {error!r}") from error

    def _told(self, what: What, message: Message) -> Json:
        body: Json = {"what": what, "id": message.id, "topic": message.topic}
        if self._broker not in ("", RELAYED) and what in ("publishing", "acknowledged", "refused"):
            # The witness knows the broker in force; this pod may still be another one's.
            body["broker"] = self._broker
        if what == "publishing":
            body |= {"key": message.key, "number": message.number}
            body["is_poison"] = is_poison(message.content)
        return body

    async def publish(self, *messages: Message) -> None:
        """Publish until the broker has them; each try is told, and a refusal may still have come.

        Several, all of one topic, go in one call, and all go again when one was refused.

        Raises:
            EngineError: not acknowledged within a minute, or too large for ever.
        """
        await self.publish_all(messages, lambda: self._try(messages))

    async def publish_all(
        self, messages: Sequence[Message], attempt: Callable[[], Awaitable[str]]
    ) -> None:
        """As `publish`; ``attempt`` tries all at once, and says why it failed, or nothing."""
        reason = ""
        named = ", ".join(message.id for message in messages)
        deadline = asyncio.get_running_loop().time() + PUBLISH_S
        while asyncio.get_running_loop().time() < deadline:
            await GATE.passed()
            await self.tell("publishing", *messages)
            reason = await attempt()
            await self.tell("refused" if reason else "acknowledged", *messages)
            if not reason:
                return
            if any(words in reason for words in TOO_LARGE):
                raise EngineError(f"{named} is too large for its broker: {reason}")
            await asyncio.sleep(PAUSE_S)
        raise EngineError(f"{named} was not acknowledged in {PUBLISH_S:g} s: {reason}")

    async def _try(self, messages: tuple[Message, ...]) -> str:
        """Why they were not acknowledged; empty when they were."""
        topic, *others = {message.topic for message in messages}
        assert not others
        url, metadata = self._bulk_url, dict[str, str]()
        body: Message | list[Json] = [_entry(one) for one in messages]
        if len(messages) == 1:
            url, body, metadata = self._publish_url, messages[0], _metadata(messages[0])
        try:
            async with self._session.post(
                url + topic,
                # Of bytes alone aiohttp warns when they are many.
                data=io.BytesIO(msgspec.json.encode(body)),
                headers={"content-type": "application/json"},
                params={f"metadata.{name}": value for name, value in metadata.items()},
            ) as answer:
                return "" if answer.status == 204 else f"{answer.status} {await answer.text()}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return repr(error)


def _metadata(message: Message) -> dict[str, str]:
    """What the component gets with it."""
    return {"partitionKey": message.key} if message.key else {}


def _entry(message: Message) -> Json:
    """One of several that are published in one call."""
    return {
        "entryId": message.id,
        "event": message,
        "contentType": "application/json",
        "metadata": _metadata(message),
    }


class Subscriptions:
    """The routes that the sidecar delivers to, and the harness's way to close the gate."""

    def __init__(self, **handlers: Handle) -> None:
        """``starts`` starts an agent unless it exists, ``tasks`` a member of a team likewise;
        ``answers`` gives a lead what came of a task."""
        known: dict[str, Handle] = {"notes": _read, **handlers}
        self._takes = {
            "results": partial(self._take, "delivered", None),
            "dead": partial(self._take, "dead_letter", None),
            **{kind: partial(self._take, "delivered", handle) for kind, handle in known.items()},
        }
        self.publisher: Publisher | None = None
        """Set when the worker is open."""

    def routes(self) -> list[web.RouteDef]:
        """See Handling."""
        return [
            web.put("/messages/gate", self.gate),
            *(
                web.post(f"/messages/{kind}", partial(self._post, take))
                for kind, take in self._takes.items()
            ),
        ]

    def topics(self) -> dict[str, Callable[[Message], Awaitable[str]]]:
        """For a worker that subscribes by itself: by topic, what takes a message of it."""
        return {f"onceproof.{kind}": take for kind, take in self._takes.items()}

    async def gate(self, request: web.Request) -> web.Response:
        """Body {"is_open": bool}: whether this worker may publish."""
        GATE.is_open = bool(msgspec.json.decode(await request.read())["is_open"])
        return web.json_response({"is_open": GATE.is_open})

    async def _post(
        self, take: Callable[[Message], Awaitable[str]], request: web.Request
    ) -> web.Response:
        """SUCCESS acknowledges; any other status has the sidecar deliver it again."""
        message = msgspec.json.decode(await request.read(), type=CloudEvent).data
        if reason := await take(message):
            status = 500 if self.publisher else 503
            return web.json_response({"status": "RETRY", "reason": reason}, status=status)
        return web.json_response({"status": "SUCCESS"})

    async def _take(self, what: What, handle: Handle | None, message: Message) -> str:
        """Tell of it and handle it; why it was not taken, or nothing."""
        if self.publisher is None:
            return "the worker is not open yet"
        try:
            await self.publisher.tell(what, message)
            if handle is not None:
                await handle(message.agent, message.content)
        except EngineError as error:
            return str(error)
        return ""


async def _read(_agent: str, note: object) -> None:
    if not isinstance(note, str) or is_poison(note):
        raise EngineError("this note cannot be handled, now or later")


def has_broker() -> bool:
    """Whether this run has messages; the same in every pod, and so at every replay."""
    return bool(os.environ.get("ONCEPROOF_BROKER"))
