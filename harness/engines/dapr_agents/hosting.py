"""An agent that messages start, hosted by `AgentRunner.subscribe`; see `starter` for how."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from dapr.ext.workflow import WorkflowRuntime
from dapr_agents import DurableAgent
from dapr_agents.agents.configs import AgentPubSubConfig
from dapr_agents.workflow.runners import AgentRunner

from harness.commits import Commit
from harness.engines.contract import About, AgentView, Surroundings
from harness.engines.dapr_agents.starter import TOPIC, Starter
from harness.engines.dapr_client import WorkflowWorker
from harness.engines.messages import COMPONENT, Message, Publisher, Subscriptions
from harness.scenario import Program

LOOK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """How a runner takes messages."""

    delivery: Literal["sync", "async"] = "sync"
    """async acknowledges a message when it is in a queue in memory."""
    is_awaited: bool = False
    """A message is acknowledged when its agent has ended."""
    is_guarded: bool = False
    """The agent's own id is the workflow's, and nothing is started that exists."""


HOSTINGS = {
    "subscribed": Hosting(),
    "subscribed-async": Hosting(delivery="async"),
    "subscribed-await": Hosting(is_awaited=True),
    "subscribed-guarded": Hosting(is_guarded=True),
}
"""By variant."""


class HostedWorker(WorkflowWorker):
    """A worker of one agent that `AgentRunner.subscribe` hosts; a POST publishes its message."""

    def __init__(
        self,
        about: About,
        *,
        make: Callable[[WorkflowRuntime, AgentPubSubConfig], DurableAgent],
        surroundings: Surroundings,
    ) -> None:
        """``make`` makes the agent on a runtime that is not started yet."""
        super().__init__(about, workflow="", connect=self._made)
        self._make, self._surroundings = make, surroundings
        self._hosting = HOSTINGS[about.variant]
        self._agent: DurableAgent | None = None
        self._publisher: Publisher | None = None
        self._runner: AgentRunner | None = None
        self._starter: Starter | None = None

    def routes(self) -> list[web.RouteDef]:
        """The gate alone: messages come to the framework."""
        return [web.put("/messages/gate", Subscriptions().gate)]

    async def open(self) -> None:
        """Wait for the sidecar, make the agent, and have the runner subscribe for it."""
        await super().open()
        self._publisher = Publisher(self._surroundings, os.environ)
        told_url = self._surroundings.effects_url.removesuffix("effects") + "messages"
        self._starter = await asyncio.to_thread(
            Starter, told_url, is_guarded=self._hosting.is_guarded
        )
        self._runner = AgentRunner(wf_client=self._starter)
        # Here and not in a thread: with delivery async the runner needs the loop that runs.
        self._runner.subscribe(
            self._agent, delivery_mode=self._hosting.delivery, await_result=self._hosting.is_awaited
        )

    async def start(self, agent: str, program: Program) -> None:
        """Publish what is to be done; any pod may get it."""
        assert self._publisher is not None
        (step,) = program.steps
        await self._publisher.publish(
            Message(id=f"{agent}/start", topic=TOPIC, agent=agent, content="", task=step.prompt)
        )

    async def view(self, agent: str) -> AgentView | None:
        """Of all that was started for an agent the one that got furthest."""
        seen = [await super(HostedWorker, self).view(one) for one in await self._instances(agent)]
        known = [one for one in seen if one is not None]
        for status in ("completed", "running", "failed"):
            for one in known:
                if one.status == status:
                    return one
        return None

    async def view_at_end(self, agent: str, wait_s: float) -> AgentView | None:
        """As `view`, when it has ended or the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            view = await self.view(agent)
            if view is None or view.status != "running" or loop.time() > until:
                return view
            await asyncio.sleep(LOOK_S)

    async def history(self, agent: str) -> list[Commit] | None:
        """The results in the histories of all that was started for it."""
        kept = [await super(HostedWorker, self).history(x) for x in await self._instances(agent)]
        known = [one for one in kept if one is not None]
        return [commit for one in known for commit in one] if known else None

    async def close(self) -> None:
        """Let go; the runner ends the agent's runtime as well."""
        if self._publisher is not None:
            await self._publisher.close()
        if self._runner is not None:
            await asyncio.to_thread(self._runner.shutdown, self._agent)

    def _made(self) -> WorkflowRuntime:
        # durable: subscribed*
        runtime = WorkflowRuntime()
        self._agent = self._make(runtime, AgentPubSubConfig(COMPONENT, agent_topic=TOPIC))
        return runtime

    async def _instances(self, agent: str) -> list[str]:
        assert self._starter is not None
        return await asyncio.to_thread(self._starter.instances, agent)
