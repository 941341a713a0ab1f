"""A worker's messages against a sidecar and a witness that do what a test tells them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from harness.engines import messages
from harness.engines.contract import Surroundings
from harness.engines.messages import GATE, STARTS, Message, Publisher, Subscriptions
from harness.errors import EngineError
from mock_llm.marker import Directive, Marker, prompt_with

MESSAGE = Message(id="a1/start", topic=STARTS, agent="a1", content={"steps": []})


@dataclass
class World:
    """A sidecar and a witness on one port; ``heard`` has what came, in order."""

    heard: list[str] = field(default_factory=list)
    refusals: int = 0
    """So many publishes are refused."""
    reason: str = ""
    """What is said of it."""
    port: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)

    async def publish(self, request: web.Request) -> web.Response:
        message = msgspec.json.decode(await request.read(), type=Message)
        self.heard.append(f"sidecar {message.id} {request.match_info['topic']}")
        self.queries.append(dict(request.query))
        self.refusals -= 1
        if self.refusals >= 0:
            return web.Response(status=500, text=self.reason)
        return web.Response(status=204)

    async def publish_many(self, request: web.Request) -> web.Response:
        entries = msgspec.json.decode(await request.read())
        ids = [entry["event"]["id"] for entry in entries]
        assert ids == [entry["entryId"] for entry in entries]
        self.heard.append(f"sidecar {' '.join(ids)} {request.match_info['topic']}")
        self.queries += [entry["metadata"] for entry in entries]
        self.refusals -= 1
        return web.Response(status=500 if self.refusals >= 0 else 204)

    async def tell(self, request: web.Request) -> web.Response:
        posted = msgspec.json.decode(await request.read())
        for told in posted if isinstance(posted, list) else [posted]:
            self.told.append(told)
            self.heard.append(f"{told['what']} {told['id']} {told['topic']}")
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[int]:
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def perform(world: World, act: Callable[[Publisher], Awaitable[Any]]) -> Any:
    """Act with a Publisher that speaks to the world."""

    async def run() -> Any:
        routes = (
            web.post("/v1.0/publish/agent-messages/{topic}", world.publish),
            web.post("/v1.0/publish/bulk/agent-messages/{topic}", world.publish_many),
            web.post("/pods/agents-1.1/messages", world.tell),
        )
        async with asyncio.timeout(10), serving(*routes) as port:
            surroundings = Surroundings(
                port=1,
                pod="agents-1",
                incarnation=1,
                state_dir=Path(),
                effects_url=f"http://127.0.0.1:{port}/pods/agents-1.1/effects",
                llm_base_url="",
                llm_api_key="",
                variant="",
            )
            publisher = Publisher(surroundings, {"DAPR_HTTP_PORT": str(port)})
            try:
                return await act(publisher)
            finally:
                await publisher.close()

    return asyncio.run(run())


def test_a_publish_is_told_before_and_after() -> None:
    """About to publish, published, acknowledged: in this order, under the message's topic."""
    world = World()

    perform(world, lambda one: one.publish(MESSAGE))

    assert world.heard == [
        "publishing a1/start onceproof.starts",
        "sidecar a1/start onceproof.starts",
        "acknowledged a1/start onceproof.starts",
    ]


def test_a_refused_publish_is_told_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try is a publishing of its own; only the last is acknowledged."""
    monkeypatch.setattr(messages, "PAUSE_S", 0.01)
    world = World(refusals=2)

    perform(world, lambda one: one.publish(MESSAGE))

    whats = [line.split()[0] for line in world.heard]
    assert whats == ["publishing", "sidecar", "refused"] * 2 + [
        "publishing",
        "sidecar",
        "acknowledged",
    ]


def test_messages_in_one_request_fare_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are told before it, and all are refused or acknowledged by it."""
    monkeypatch.setattr(messages, "PAUSE_S", 0.01)
    world = World()
    both = [MESSAGE, replace(MESSAGE, id="a2/start")]
    reasons = ["1 of 2 failed", ""]

    async def attempt() -> str:
        return reasons.pop(0)

    perform(world, lambda one: one.publish_all(both, attempt))

    whats = ["publishing", "refused", "publishing", "acknowledged"]
    ids = ("a1/start", "a2/start")
    assert world.heard == [f"{what} {id} {STARTS}" for what in whats for id in ids]


def test_a_publish_that_is_never_acknowledged_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a deadline, and the broker's last word."""
    monkeypatch.setattr(messages, "PAUSE_S", 0.01)
    monkeypatch.setattr(messages, "PUBLISH_S", 0.1)

    with pytest.raises(EngineError, match=r"a1/start was not acknowledged in 0\.1 s: 500"):
        perform(World(refusals=10**6), lambda one: one.publish(MESSAGE))


def test_a_message_that_is_too_large_is_published_once() -> None:
    """No later try could be taken, so the agent is told at once, and the refusal is on file."""
    world = World(refusals=10**6, reason="nats: maximum payload exceeded")

    with pytest.raises(EngineError, match="a1/start is too large for its broker: 500 nats: max"):
        perform(world, lambda one: one.publish(MESSAGE))

    assert [line.split()[0] for line in world.heard] == ["publishing", "sidecar", "refused"]


def test_a_closed_gate_holds_what_would_be_published() -> None:
    """Nothing is told and nothing goes out until it is open again."""
    world = World()

    async def act(publisher: Publisher) -> list[str]:
        GATE.is_open = False
        try:
            publishing = asyncio.create_task(publisher.publish(MESSAGE))
            await asyncio.sleep(0.1)
            before = list(world.heard)
        finally:
            GATE.is_open = True
        await publishing
        return before

    assert perform(world, act) == []
    assert len(world.heard) == 3


async def started_wrongly(agent: str, program: Any) -> None:
    raise AssertionError("started")


def delivered(
    world: World,
    path: str,
    start: Callable[[str, Any], Awaitable[None]],
    *,
    message: Message = MESSAGE,
) -> int:
    """Deliver the message to a worker as a sidecar does; the status of its answer."""

    async def act(publisher: Publisher) -> int:
        subscriptions = Subscriptions(starts=start)
        subscriptions.publisher = publisher
        body = msgspec.json.encode({"id": "x", "specversion": "1.0", "data": message})
        async with serving(*subscriptions.routes()) as port, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.post(url, data=body) as answer:
                return answer.status

    return int(perform(world, act))


def test_a_delivery_is_told_before_the_agent_is_started() -> None:
    """And acknowledged after."""
    world = World()

    async def start(agent: str, program: Any) -> None:
        world.heard.append(f"started {agent} {program}")

    assert delivered(world, "/messages/starts", start) == 200
    assert world.heard == ["delivered a1/start onceproof.starts", "started a1 {'steps': []}"]


def test_a_start_that_fails_is_delivered_again() -> None:
    """Any answer but 200 has the sidecar repeat it."""

    async def start(agent: str, program: Any) -> None:
        raise EngineError("the sidecar is gone")

    assert delivered(World(), "/messages/starts", start) == 500


NOTE = Marker(agent="a1", path="n1", predecessors=(), directive=Directive(kind="say"))
POISON = replace(NOTE, directive=Directive(kind="fail", count=500))


@pytest.mark.parametrize(("marker", "status"), [(NOTE, 200), (POISON, 500)])
def test_a_note_that_cannot_be_handled_is_refused(marker: Marker, status: int) -> None:
    """Each delivery is told, and the sidecar has to bring it again."""
    world = World()
    note = replace(MESSAGE, id="a1/n1", content=prompt_with(marker, "Note it."))

    assert delivered(world, "/messages/notes", started_wrongly, message=note) == status
    assert world.heard == ["delivered a1/n1 onceproof.starts"]


def test_a_publisher_says_what_a_message_is() -> None:
    """Key, place in its order, and that it is poison; the broker gets the key as well."""
    world = World()
    note = replace(MESSAGE, content=prompt_with(POISON, "Note it."), key="a1", number=3)

    perform(world, lambda one: one.publish(note))

    assert world.told[0] == {
        "what": "publishing",
        "id": "a1/start",
        "topic": STARTS,
        "key": "a1",
        "number": 3,
        "is_poison": True,
    }
    assert world.queries == [{"metadata.partitionKey": "a1"}]


def test_several_go_in_one_call_and_all_go_again() -> None:
    """Each is told before and after: a refusal of one says nothing of the others."""
    world = World(refusals=1)
    notes = [replace(MESSAGE, id=f"a1/n1.{place}", key="a1") for place in range(2)]
    told = [f"a1/n1.{place} {STARTS}" for place in range(2)]

    perform(world, lambda one: one.publish(*notes))

    assert world.heard == [
        *(
            line
            for answer in ("refused", "acknowledged")
            for line in (
                *(f"publishing {one}" for one in told),
                f"sidecar a1/n1.0 a1/n1.1 {STARTS}",
                *(f"{answer} {one}" for one in told),
            )
        )
    ]
    assert world.queries == [{"partitionKey": "a1"}] * 4


@pytest.mark.parametrize(("path", "what"), [("results", "delivered"), ("dead", "dead_letter")])
def test_results_and_dead_letters_start_nothing(path: str, what: str) -> None:
    """They are told under the topic that they were published to."""
    world = World()

    assert delivered(world, f"/messages/{path}", started_wrongly) == 200
    assert world.heard == [f"{what} a1/start onceproof.starts"]


def test_a_desk_that_is_not_open_yet_takes_nothing() -> None:
    """The sidecar may deliver before the worker is ready."""

    async def act() -> int:
        body = msgspec.json.encode({"data": MESSAGE})
        async with (
            serving(*Subscriptions(starts=started_wrongly).routes()) as port,
            aiohttp.ClientSession() as session,
        ):
            url = f"http://127.0.0.1:{port}/messages/starts"
            async with session.post(url, data=body) as answer:
                return answer.status

    assert asyncio.run(act()) == 503
