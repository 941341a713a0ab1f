"""What a worker on Dapr says of agents that Dapr does not know."""

import asyncio
from typing import Any

from harness.engines.contract import About
from harness.engines.dapr_client import WorkflowWorker

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
