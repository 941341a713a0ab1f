"""The agents of the engine: what a user of Dapr Agents would write from its quickstarts.

A tool of this framework gets its arguments and nothing else: no workflow, no task execution id. So
the effect is posted without an idempotency key.
"""

import os
from dataclasses import dataclass

import httpx
from dapr.ext.workflow import WorkflowRuntime
from dapr_agents import DurableAgent, OpenAIChatClient, tool
from dapr_agents.agents.configs import AgentExecutionConfig, WorkflowRetryPolicy

from harness.engines.llm import MODEL, TIMEOUT_S

RECORDER = "recorder"
ITERATIONS_MAX = 100
"""The framework stops at 10 and calls that completed; a program may ask for more turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a variant sets."""

    threads: int | None
    """Worker threads; None for the SDK's own: processors plus 4."""
    retry: WorkflowRetryPolicy
    """Of every activity, the agents' own included."""


SETTINGS = {
    "default": Settings(threads=None, retry=WorkflowRetryPolicy()),
    "tuned": Settings(
        threads=64,
        retry=WorkflowRetryPolicy(
            max_attempts=10,
            initial_backoff_seconds=1,
            max_backoff_seconds=10,
            backoff_multiplier=1.5,
        ),
    ),
}
"""By variant."""


def record(agent: str, path: str, value: str) -> str:
    """Write a value down and get a receipt for it."""
    posted = httpx.post(
        os.environ["ONCEPROOF_EFFECTS_URL"],
        json={"agent": agent, "path": path, "value": value},
        timeout=TIMEOUT_S,
    )
    receipt: str = posted.raise_for_status().json()["receipt"]
    return receipt


def chat_client() -> OpenAIChatClient:
    """The framework's client; address and key come from OPENAI_BASE_URL and OPENAI_API_KEY."""
    return OpenAIChatClient(model=MODEL)


def recorder(runtime: WorkflowRuntime, settings: Settings) -> DurableAgent:
    """The agent with a tool. It asks the sidecar for its components, so the sidecar must be up."""
    return DurableAgent(
        name=RECORDER,
        role="Recorder",
        goal="Record what is found and keep the receipts.",
        instructions=["Record each value with the tool, then conclude."],
        tools=[tool(record)],
        llm=chat_client(),
        execution=AgentExecutionConfig(max_iterations=ITERATIONS_MAX),
        retry_policy=settings.retry,
        runtime=runtime,
    )
