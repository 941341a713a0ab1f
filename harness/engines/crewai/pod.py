"""The worker contract over CrewAI: what crews and flows share, and crews.

CrewAI has nobody who looks for unfinished runs. After a kill the supervisor submits the slot's
agents again, and the worker does what the documentation says: a crew starts anew.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from openai import OpenAIError

from harness.engines.contract import AgentView, Background, Surroundings, about_of
from harness.engines.crewai.adapter import ENGINE, VARIANTS, CrewAI
from harness.engines.crewai.crew import crew_of
from harness.engines.crewai.means import Means
from harness.engines.variants import chosen
from harness.errors import OnceproofError
from harness.scenario import Program

RUNNING = AgentView(status="running", output="")
FAILURES = (OpenAIError, OnceproofError, httpx.HTTPError, LookupError, RuntimeError, ValueError)
"""What a kickoff may raise for good; anything else is a bug, and ends the process."""

PANIC = "PanicException"
"""No Exception: what a checkpoint raises out of the kickoff when an event comes while it is being
written, in Pydantic's serializer. Its class cannot be imported. See docs/findings/0003."""

THREADS = 64
"""Of the agents' loop. Crews block: `kickoff_async` is a thread for the whole crew, and an agent in
a flow takes one for each call. asyncio's own pool has four threads more than processors."""


class CrewAIWorker:
    """See Worker; each agent is a crew."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose what is kept.

        Raises:
            UsageError: no such variant.
        """
        self.variant = chosen(VARIANTS, surroundings.variant, engine=ENGINE)
        self.about = about_of(CrewAI().spec(surroundings.variant), "crewai", "openai")
        self.means = Means(surroundings)
        self._loop = asyncio.new_event_loop()
        """The agents', in a thread of its own: the end of a flow blocks its loop until the event
        bus has handled what all flows reported, and health must be told meanwhile."""
        self._agents = Background()
        self._views: dict[str, AgentView] = {}

    async def open(self) -> None:
        """Start the agents' loop; nothing is resumed."""
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS))
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        await self._agents.open()

    async def start(self, agent: str, program: Program) -> None:
        """Run the agent, unless it runs here or has ended here."""
        if agent not in self._views:
            self._views[agent] = RUNNING
            self.spawn(agent, self.kick_off(program))

    async def view(self, agent: str) -> AgentView | None:
        """Tell what this incarnation knows."""
        return self._views.get(agent)

    async def close(self) -> None:
        """Drop all agents; a thread that waits for the LLM cannot be stopped, nor is it awaited."""
        await self._agents.close()

    async def kick_off(self, program: Program) -> Any:
        """Run in the agents' loop, to the last answer."""
        return (await crew_of(program.steps, self.means).kickoff_async()).raw

    def spawn(self, agent: str, outcome: Coroutine[Any, Any, Any]) -> None:
        """Run an agent in the agents' loop; `take` gets what comes of it."""
        self._agents.spawn(self._run(agent, outcome))

    def take(self, agent: str, outcome: Any) -> None:
        """The agent's run came to its end."""
        self._views[agent] = AgentView(status="completed", output=str(outcome))

    async def _run(self, agent: str, outcome: Coroutine[Any, Any, Any]) -> None:
        run = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(outcome, self._loop))
        try:
            await asyncio.wait([run])
        finally:
            run.cancel()
        error = run.exception()
        if error is None:
            self.take(agent, run.result())
        elif isinstance(error, FAILURES) or type(error).__name__ == PANIC:
            reason = f"{type(error).__name__}: {error}"
            self._views[agent] = AgentView(status="failed", output=reason)
        else:
            raise error
