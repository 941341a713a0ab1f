"""The commits in a Dapr workflow's history, by GetInstanceHistory of the sidecar.

The SDK has the call in its stubs alone (dapr-ext-workflow 1.18.3), so this module is the one place
that imports them.
"""

from collections.abc import Iterable

import grpc
from dapr.ext.workflow._durabletask.internal import history_events_pb2 as events_pb2
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2 as service_pb2
from dapr.ext.workflow._durabletask.internal import orchestrator_service_pb2_grpc as service
from dapr.ext.workflow.util import getAddress

from harness.commits import Commit
from mock_llm import receipts

INSTANCES_MAX = 100
"""Workflows asked for one agent: its own and its descendants."""
CALL_S = 10.0
BYTES_MAX = 64 << 20
"""Of one history; gRPC's own bound is 4 MiB."""


async def history_of(agent: str) -> list[Commit]:
    """Ask the sidecar for an agent's workflow and, from there, for all its child workflows.

    A child that this sidecar does not know, such as one of another app, is left out.

    Raises:
        grpc.aio.AioRpcError: the agent's own history could not be had.
    """
    found: list[Commit] = []
    asked: list[str] = [agent]
    options = [("grpc.max_receive_message_length", BYTES_MAX)]
    async with grpc.aio.insecure_channel(getAddress(), options=options) as channel:
        stub = service.TaskHubSidecarServiceStub(channel)
        for instance in asked:  # It grows on the way.
            request = service_pb2.GetInstanceHistoryRequest(instanceId=instance)
            try:
                answer = await stub.GetInstanceHistory(request, timeout=CALL_S)
            except grpc.aio.AioRpcError:
                if instance == agent:
                    raise
                continue
            found += commits_in(answer.events)
            asked += [
                child
                for child in children_in(answer.events)
                if child not in asked and len(asked) < INSTANCES_MAX
            ]
    return found


def commits_in(events: Iterable[events_pb2.HistoryEvent]) -> list[Commit]:
    """The results of activities; each lies between two dates.

    Its own date is when the sidecar had it from the worker, before it was in the workflow's inbox.
    The turn that takes it out of there begins with WorkflowStarted: then it was kept for certain.
    """
    found = []
    turn_ns = 0
    for event in events:
        kind = event.WhichOneof("eventType")
        if kind == "workflowStarted":
            turn_ns = event.timestamp.ToNanoseconds()
        elif kind == "taskCompleted":
            since_ns = event.timestamp.ToNanoseconds()
            found += [
                Commit(
                    receipt=receipts.render(*shown),
                    since_ns=since_ns,
                    until_ns=max(since_ns, turn_ns),
                )
                for shown in receipts.all_in(event.taskCompleted.result.value)
            ]
    return found


def children_in(events: Iterable[events_pb2.HistoryEvent]) -> list[str]:
    """Instance ids of the child workflows that were started."""
    return [
        event.childWorkflowInstanceCreated.instanceId
        for event in events
        if event.WhichOneof("eventType") == "childWorkflowInstanceCreated"
    ]
