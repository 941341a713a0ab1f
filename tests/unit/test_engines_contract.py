"""What a worker is told, and how its tasks live and end."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import aiohttp
import msgspec
import pytest

from harness.cluster.ports import Ports
from harness.engines.contract import About, AgentView, Background, Surroundings, _serve
from harness.errors import EngineError, UsageError
from harness.scenario import Program, Step

ENVIRON = {
    "ONCEPROOF_PORT": "20001",
    "ONCEPROOF_POD": "agents-1",
    "ONCEPROOF_INCARNATION": "2",
    "ONCEPROOF_STATE_DIR": "/state",
    "ONCEPROOF_EFFECTS_URL": "http://127.0.0.1:1/pods/agents-1.2/effects",
    "ONCEPROOF_VARIANT": "",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/pods/agents-1.2/v1",
    "OPENAI_API_KEY": "sk-not-a-key",
}


def test_surroundings_come_from_the_environment() -> None:
    """Every variable lands in its field; others are passed over."""
    assert Surroundings.from_environ({**ENVIRON, "HOME": "/"}) == Surroundings(
        port=20001,
        pod="agents-1",
        incarnation=2,
        state_dir=Path("/state"),
        effects_url="http://127.0.0.1:1/pods/agents-1.2/effects",
        llm_base_url="http://127.0.0.1:1/pods/agents-1.2/v1",
        llm_api_key="sk-not-a-key",
        variant="",
    )


def test_everything_missing_is_said_at_once() -> None:
    """One message names all that is not set or no number."""
    with pytest.raises(UsageError) as raised:
        Surroundings.from_environ({"ONCEPROOF_PORT": "http", "ONCEPROOF_POD": "agents-1"})

    text = str(raised.value)
    assert "ONCEPROOF_PORT is 'http'" in text
    missing = ENVIRON.keys() - {"ONCEPROOF_PORT", "ONCEPROOF_POD", "ONCEPROOF_VARIANT"}
    assert all(f"{name} is not set" in text for name in missing)


def test_closing_cancels_what_runs() -> None:
    """A worker's tasks do not outlive it."""
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def scene() -> None:
        background = Background()
        await background.open()
        background.spawn(forever())
        await asyncio.sleep(0)
        await background.close()

    asyncio.run(scene())
    assert ended == ["forever"]


def test_a_task_that_raises_takes_the_worker_with_it() -> None:
    """A bug in an engine is a crash with its reason, never an agent that hangs."""

    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    async def scene() -> None:
        background = Background()
        await background.open()
        background.spawn(broken())
        try:
            await asyncio.Event().wait()
        finally:
            await background.close()

    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(scene())
    assert raised.group_contains(ZeroDivisionError)


class Publishing:
    """A worker whose starts need what ``close`` lets go of: "slow" for 50 ms, "stuck" for ever."""

    about = About(
        engine="publishing",
        variant="",
        versions={},
        recovery="native",
        intake="durable",
        any_pod_answers=True,
        kinds=("say",),
    )

    def __init__(self) -> None:
        self.in_hand = asyncio.Semaphore(0)
        self.opened, self.closed = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        self.opened.set()

    async def start(self, agent: str, program: Program) -> None:
        self.in_hand.release()
        try:
            async with asyncio.timeout(0.05 if agent == "slow" else None):
                await self.closed.wait()
        except TimeoutError:
            return
        raise EngineError("the session is closed")

    async def view(self, agent: str) -> AgentView | None:
        return None

    async def close(self) -> None:
        self.closed.set()


async def posted(url: str, agent: str) -> int | str:
    program = Program(agent=agent, steps=(Step(path="1", kind="say"),))
    body = msgspec.json.encode({"agent": agent, "program": program})
    try:
        async with aiohttp.request("POST", f"{url}/agents", data=body) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return "cut"


async def answers_at_the_end(*agents: str) -> list[int | str]:
    """Serve, start the agents, and end the server while all of them are in hand."""
    port = Ports(os.getpid()).take()
    worker = Publishing()
    surroundings = replace(Surroundings.from_environ(ENVIRON), port=port)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        serving = group.create_task(_serve(worker, surroundings))
        await worker.opened.wait()
        await asyncio.sleep(0)
        starts = [group.create_task(posted(f"http://127.0.0.1:{port}", one)) for one in agents]
        for _ in agents:
            await worker.in_hand.acquire()
        serving.cancel()
    assert worker.closed.is_set()
    return [start.result() for start in starts]


def test_a_start_in_hand_ends_before_its_worker_is_closed() -> None:
    """It is answered as ever. One that takes too long is cut, which is no clear no."""
    assert asyncio.run(answers_at_the_end("slow", "stuck")) == [202, "cut"]
