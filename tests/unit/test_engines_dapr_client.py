"""What a worker on Dapr says of agents that Dapr does not know."""

import asyncio
from typing import Any

import grpc
import msgspec
import pytest
from grpc.aio import AioRpcError, Metadata

from harness.engines.contract import About
from harness.engines.dapr_client import MessagedWorker, WorkflowWorker
from harness.engines.messages import Answer, Task
from harness.errors import EngineError
from harness.scenario import Program

ABOUT = About(
    engine="dapr_workflow",
    variant="default",
    versions={},
    recovery="native",
    intake="durable",
    any_pod_answers=True,
    kinds=("say",),
)


class NobodyKnown:
    """Dapr's client, of a store without workflows: waiting for one runs into its time."""

    async def wait_for_workflow_completion(self, agent: str, **_: Any) -> None:
        raise TimeoutError

    async def get_workflow_state(self, agent: str, **_: Any) -> None:
        return None


def test_an_agent_that_dapr_does_not_know_is_not_running() -> None:
    """Else a start that was lost would be taken for accepted."""
    worker = WorkflowWorker(ABOUT, workflow="agent", connect=lambda: None)  # type: ignore[arg-type,return-value]
    worker._client = NobodyKnown()  # type: ignore[assignment]

    assert asyncio.run(worker.view_at_end("a1", 1)) is None


class Refusing(NobodyKnown):
    """Dapr's client that has read nothing, and then is told why a start was refused."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.error = AioRpcError(code, Metadata(), Metadata(), details="as told")

    async def schedule_new_workflow(self, *_: Any, **__: Any) -> None:
        raise self.error


def started(code: grpc.StatusCode) -> None:
    worker = WorkflowWorker(ABOUT, workflow="agent", connect=lambda: None)  # type: ignore[arg-type,return-value]
    worker._client = Refusing(code)  # type: ignore[assignment]
    asyncio.run(worker.start("a1", Program(agent="a1", steps=())))


def test_a_start_that_another_one_was_ahead_of_is_accepted() -> None:
    """Two at once both find nothing; the agent exists, which is all that a start asks for."""
    started(grpc.StatusCode.ALREADY_EXISTS)


def test_a_start_that_dapr_refuses_is_an_error() -> None:
    """Nothing exists then: the driver must know."""
    with pytest.raises(EngineError, match="UNAVAILABLE"):
        started(grpc.StatusCode.UNAVAILABLE)


class Remembering(NobodyKnown):
    """Dapr's client that knows what it was asked to run."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)
        self.heard: list[tuple[str, str, Any]] = []

    async def get_workflow_state(self, agent: str, **_: Any) -> Any:
        return object() if agent in self.known else None

    async def schedule_new_workflow(self, workflow: str, *, input: Any, instance_id: str) -> None:
        self.known.append(instance_id)
        self.heard.append((workflow, instance_id, input["lead"]))

    async def raise_workflow_event(self, agent: str, name: str, *, data: Any) -> None:
        self.heard.append((agent, name, data))


def of_a_team(client: Remembering) -> MessagedWorker:
    worker = MessagedWorker(
        ABOUT,
        workflow="agent",
        member="member",
        connect=lambda: None,  # type: ignore[arg-type,return-value]
        surroundings=None,  # type: ignore[arg-type]
    )
    worker._client = client  # type: ignore[assignment]
    return worker


def test_a_task_that_comes_twice_starts_one_member() -> None:
    """Under the id that the message carries, which is no other agent's."""
    client = Remembering("a1")
    task = msgspec.to_builtins(Task(lead="a1", program=Program(agent="a1-2.b0", steps=())))

    for _ in range(2):
        asyncio.run(of_a_team(client)._start_member("a1-2.b0", task))

    assert client.heard == [("member", "a1-2.b0", "a1")]


def test_an_answer_is_an_event_of_the_lead() -> None:
    """Of one that Dapr does not know it is refused, so that the message comes again."""
    client = Remembering("a1")
    answer = msgspec.to_builtins(Answer(path="2.b0", outcome="done"))

    asyncio.run(of_a_team(client)._answer("a1", answer))

    assert client.heard == [("a1", "2.b0", "done")]
    with pytest.raises(EngineError, match=r"no agent a2 that waits for 2\.b0"):
        asyncio.run(of_a_team(client)._answer("a2", answer))
