"""A worker whose agents are Dapr workflows: the contract's HTTP side over Dapr's workflow client.

Shared by the engines that run on Dapr; what the workflow does is theirs. Starting is by gRPC:
Dapr's HTTP start with the id of a running workflow blocks, and then runs the whole agent again
(1.18.2).
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

import grpc
import httpx
import msgspec
from aiohttp import web
from dapr.ext.workflow import WorkflowRuntime, WorkflowState, WorkflowStatus
from dapr.ext.workflow.aio import DaprWorkflowClient

from harness.commits import Commit
from harness.engines.contract import About, AgentView, Surroundings
from harness.engines.dapr_history import history_of
from harness.engines.messages import STARTS, Answer, Message, Publisher, Subscriptions, Task
from harness.engines.streams import Streams
from harness.errors import EngineError
from harness.scenario import Program

SIDECAR_READY_S = 60.0
ENDED = {
    WorkflowStatus.COMPLETED: "completed",
    WorkflowStatus.FAILED: "failed",
    WorkflowStatus.TERMINATED: "failed",
}


class WorkflowWorker:
    """See Worker."""

    def __init__(
        self,
        about: About,
        *,
        workflow: str,
        connect: Callable[[], WorkflowRuntime],
    ) -> None:
        """``connect`` makes the SDK's worker and starts it; called in a thread, with a sidecar up.

        The sidecar's ports come from DAPR_HTTP_PORT and DAPR_GRPC_PORT, as for any Dapr app.
        """
        self.about = about
        self._workflow = workflow
        self._connect = connect
        self._runtime: WorkflowRuntime | None = None
        self._client: DaprWorkflowClient | None = None

    async def open(self) -> None:
        """Wait for the sidecar, connect the workflow worker to it."""
        # durable
        await _sidecar_outbound(int(os.environ["DAPR_HTTP_PORT"]))
        # durable
        self._runtime = await asyncio.to_thread(self._connect)
        # durable
        self._client = DaprWorkflowClient()

    async def start(self, agent: str, program: Program) -> None:
        """Start the agent, unless it exists in whatever state."""
        # durable: [!s]*, streaming
        await self._schedule(self._workflow, agent, program)

    # durable: [!s]*, streaming
    async def _schedule(self, workflow: str, instance: str, given: object) -> None:
        """Schedule a workflow under an id of ours, unless that exists.

        Reading first matters: Dapr accepts the id of an *ended* workflow again and runs it anew.
        Two starts at once both read nothing; Dapr then refuses the second, which is as good.
        """
        assert self._client is not None
        with _rpc_errors():
            if await self._client.get_workflow_state(instance, fetch_payloads=False) is not None:
                return
            try:
                await self._client.schedule_new_workflow(
                    workflow, input=msgspec.to_builtins(given), instance_id=instance
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                    raise

    async def view(self, agent: str) -> AgentView | None:
        """Ask the engine."""
        assert self._client is not None
        with _rpc_errors():
            return _view(agent, await self._client.get_workflow_state(agent))

    async def view_at_end(self, agent: str, wait_s: float) -> AgentView | None:
        """Have the engine tell the end; see Waiter."""
        assert self._client is not None
        try:
            with _rpc_errors():
                state = await self._client.wait_for_workflow_completion(
                    agent, timeout_in_seconds=int(wait_s)
                )
        except TimeoutError:
            # Dapr waits for a workflow that it does not know as for one that runs.
            return await self.view(agent)
        return _view(agent, state)

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Raise the event; Dapr keeps one that comes before the workflow waits for it."""
        assert self._client is not None
        with _rpc_errors():
            if await self._client.get_workflow_state(agent, fetch_payloads=False) is None:
                return False
            await self._client.raise_workflow_event(agent, name, data=payload)
        return True

    async def history(self, agent: str) -> list[Commit] | None:
        """The results in the workflow's history, its child workflows' included."""
        assert self._client is not None
        with _rpc_errors():
            if await self._client.get_workflow_state(agent, fetch_payloads=False) is None:
                return None
            return await history_of(agent)

    async def close(self) -> None:
        """Disconnect; what runs goes on elsewhere or later."""
        if self._runtime is not None:
            await asyncio.to_thread(self._runtime.shutdown)


class MessagedWorker(WorkflowWorker):
    """A worker whose agents are started by a message, which it publishes itself.

    A POST is answered when the broker has the start message. Whoever gets it starts the agent under
    the agent's id, so that a message that comes twice starts one agent. The same is true of members
    of a team.
    """

    def __init__(
        self,
        about: About,
        *,
        workflow: str,
        member: str,
        connect: Callable[[], WorkflowRuntime],
        surroundings: Surroundings,
        is_subscribing: bool = False,
    ) -> None:
        """``member`` is the workflow of a member of a team, whose input is a Task.

        ``is_subscribing``: the worker opens a stream for each topic; else the sidecar posts here.
        """
        super().__init__(about, workflow=workflow, connect=connect)
        self._member = member
        self._streams: Streams | None = None
        self._is_subscribing = is_subscribing
        self._surroundings = surroundings
        self._subscriptions = Subscriptions(
            starts=self._start_by_message, tasks=self._start_member, answers=self._answer
        )

    def routes(self) -> list[web.RouteDef]:
        """See Handling."""
        return self._subscriptions.routes()

    async def open(self) -> None:
        """See Worker."""
        await super().open()
        self._subscriptions.publisher = Publisher(self._surroundings, os.environ)
        if self._is_subscribing:
            self._streams = Streams()
            await self._streams.open(self._subscriptions.topics())

    async def start(self, agent: str, program: Program) -> None:
        """See Worker."""
        assert self._subscriptions.publisher is not None
        message = Message(id=f"{agent}/start", topic=STARTS, agent=agent, content=program)
        await self._subscriptions.publisher.publish(message)

    async def close(self) -> None:
        """See Worker."""
        if self._streams is not None:
            await self._streams.close()
        if self._subscriptions.publisher is not None:
            await self._subscriptions.publisher.close()
        await super().close()

    async def _start_by_message(self, agent: str, program: object) -> None:
        await super().start(agent, msgspec.convert(program, Program))

    async def _start_member(self, member: str, task: object) -> None:
        await self._schedule(self._member, member, msgspec.convert(task, Task))

    async def _answer(self, lead: str, content: object) -> None:
        """An answer that comes twice is an event that nobody waits for any more."""
        answer = msgspec.convert(content, Answer)
        if not await self.receive(lead, answer.path, answer.outcome):
            raise EngineError(f"there is no agent {lead} that waits for {answer.path}")


def _view(agent: str, state: WorkflowState | None) -> AgentView | None:
    """What the engine says of a workflow, in the contract's words; None when it knows none."""
    if state is None:
        return None
    status = ENDED.get(state.runtime_status, "running")
    if status == "running":
        return AgentView(status="running", output="")
    if status == "failed":
        details = state.failure_details
        reason = f"{details.error_type}: {details.message}" if details else "no details"
        print(f"agent {agent} failed: {reason}", file=sys.stderr, flush=True)  # noqa: T201
        return AgentView(status="failed", output=reason)
    return AgentView(status="completed", output=msgspec.json.decode(state.serialized_output))


@contextlib.contextmanager
def _rpc_errors() -> Iterator[None]:
    """A failed call to the sidecar leaves open what happened."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise EngineError(f"{error.code().name}: {error.details()}") from error


# durable
async def _sidecar_outbound(port: int) -> None:
    """Return when the sidecar's building blocks are up; it does not wait for us to be."""
    url = f"http://127.0.0.1:{port}/v1.0/healthz/outbound"
    async with asyncio.timeout(SIDECAR_READY_S), httpx.AsyncClient() as http:
        while True:
            try:
                if (await http.get(url)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
