"""What a worker is told, and how its tasks live and end."""

import asyncio
from pathlib import Path

import pytest

from harness.engines.contract import Background, Surroundings
from harness.errors import UsageError

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
