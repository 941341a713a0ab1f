"""The client that an `AgentRunner` schedules with: it says which workflow is whose, and may guard.

The framework schedules a workflow for each message that it gets, under an id that the SDK draws. As
nobody can ask for an agent under such an id, this client draws it in the same way, and writes down
whose it is before it schedules. A guarded start gives the agent's own id instead, and starts
nothing that exists.
"""

import os
from typing import Any

import httpx
import msgspec
from dapr.clients import DaprClient
from dapr.ext.workflow import DaprWorkflowClient, WorkflowState

from mock_llm.marker import find_all

TOPIC = "onceproof.agents"
STORE = "agent-memory"
"""The state store that says which workflows were started for an agent."""
TELL_S = 10.0


class Starter(DaprWorkflowClient):  # type: ignore[misc]  # The SDK has no types.
    """The client that the runner schedules with; called in threads."""

    def __init__(self, told_url: str, *, is_guarded: bool) -> None:
        super().__init__()
        self._told_url = told_url
        self._is_guarded = is_guarded
        self._dapr = DaprClient()

    def schedule_new_workflow(self, workflow: Any, *, input: Any = None, **more: Any) -> str:
        """Schedule what a message asks for, and have it on file that it was delivered."""
        agent = find_all(input["task"])[-1].agent
        self._tell(agent)
        if not self._is_guarded:
            instance = os.urandom(16).hex()
            self._note(agent, instance)
        # durable: subscribed-guarded
        elif self.get_workflow_state(agent, fetch_payloads=False) is not None:
            return agent
        else:
            instance = agent
        started: str = super().schedule_new_workflow(workflow, input=input, instance_id=instance)
        return started

    def wait_for_workflow_completion(self, instance_id: str, **more: Any) -> WorkflowState | None:
        """Guarded, nobody waits: the runner would hold every message until its agent has ended.

        It waits in a thread to log the outcome, which it does not log unless asked, and the
        `asyncio.run` around each message joins that thread (1.0.9).
        """
        if self._is_guarded:
            return None
        return super().wait_for_workflow_completion(instance_id, **more)

    def instances(self, agent: str) -> list[str]:
        """Workflows that were, or were about to be, started for an agent, the first one first."""
        if self._is_guarded:
            return [agent]
        kept = self._dapr.get_state(STORE, _key(agent)).data
        return msgspec.json.decode(kept, type=list[str]) if kept else []

    def _tell(self, agent: str) -> None:
        told = {"what": "delivered", "id": f"{agent}/start", "topic": TOPIC}
        httpx.post(self._told_url, json=told, timeout=TELL_S).raise_for_status()

    def _note(self, agent: str, instance: str) -> None:
        kept = [*self.instances(agent), instance]
        self._dapr.save_state(STORE, _key(agent), msgspec.json.encode(kept))


def _key(agent: str) -> str:
    return f"started-for-{agent}"
