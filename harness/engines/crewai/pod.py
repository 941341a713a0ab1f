"""The worker contract over CrewAI.

CrewAI has nobody who looks for unfinished runs. After a kill the supervisor submits the slot's
agents again, and the worker does what the documentation says: a flow with @persist is kicked off
again under its id, one with checkpoints is restored from a file; a crew starts anew.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from crewai.flow.persistence import SQLiteFlowPersistence
from openai import OpenAIError

from harness.engines.contract import AgentView, Background, Surroundings, about_of
from harness.engines.crewai.adapter import ENGINE, VARIANTS, CrewAI
from harness.engines.crewai.checkpoints import Checkpoints
from harness.engines.crewai.crew import crew_of
from harness.engines.crewai.flow import Flows, inputs_of
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

# durable: flow-persist
STATES = "flow_states.db"
# durable: flow-checkpoint
CHECKPOINTS = "checkpoints"


class CrewAIWorker:
    """See Worker."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose what is kept.

        Raises:
            UsageError: no such variant.
        """
        self._variant = chosen(VARIANTS, surroundings.variant, engine=ENGINE)
        self.about = about_of(CrewAI().spec(surroundings.variant), "crewai", "openai")
        self._surroundings = surroundings
        self._loop = asyncio.new_event_loop()
        """The agents', in a thread of its own: the end of a flow blocks its loop until the event
        bus has handled what all flows reported, and health must be told meanwhile."""
        self._agents = Background()
        self._views: dict[str, AgentView] = {}
        self._means: Means | None = None
        self._flows: Flows | None = None
        # durable: flow-checkpoint
        self._checkpoints = Checkpoints(surroundings.state_dir / CHECKPOINTS)

    async def open(self) -> None:
        """Make LLM, tool and what keeps state; nothing is resumed."""
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS))
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._means = Means(self._surroundings)
        states = None
        # durable: flow-persist
        if self._variant.keeps == "state":
            states = SQLiteFlowPersistence(str(self._surroundings.state_dir / STATES))
        self._flows = Flows(self._means, states)
        await self._agents.open()

    async def start(self, agent: str, program: Program) -> None:
        """Run the agent, unless it runs here or has ended here."""
        if agent not in self._views:
            self._views[agent] = RUNNING
            self._agents.spawn(self._run(agent, program))

    async def view(self, agent: str) -> AgentView | None:
        """Tell what this incarnation knows."""
        return self._views.get(agent)

    async def close(self) -> None:
        """Drop all agents; a thread that waits for the LLM cannot be stopped, nor is it awaited."""
        await self._agents.close()

    async def _run(self, agent: str, program: Program) -> None:
        outcome = self._outcome(program)
        run = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(outcome, self._loop))
        try:
            await asyncio.wait([run])
        finally:
            run.cancel()
        error = run.exception()
        if error is None:
            self._views[agent] = AgentView(status="completed", output=run.result())
        elif isinstance(error, FAILURES) or type(error).__name__ == PANIC:
            reason = f"{type(error).__name__}: {error}"
            self._views[agent] = AgentView(status="failed", output=reason)
        else:
            raise error

    async def _outcome(self, program: Program) -> str:
        """Kick off, or kick off again, and wait for the last answer."""
        assert self._means is not None
        assert self._flows is not None
        if self._variant.is_crew:
            return str((await crew_of(program.steps, self._means).kickoff_async()).raw)
        kind = self._flows.of(program)
        if self._variant.keeps != "checkpoints":
            return str(await kind().kickoff_async(inputs=inputs_of(program)))
        flow: Any
        # durable: flow-checkpoint
        flow, is_restored = self._checkpoints.flow(kind, program.agent)
        # durable: flow-checkpoint
        inputs = None if is_restored else inputs_of(program)
        return str(await flow.kickoff_async(inputs=inputs))
