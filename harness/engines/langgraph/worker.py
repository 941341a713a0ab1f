"""The worker of a pod: `python -m harness.engines.langgraph.worker`.

LangGraph has nobody who looks for unfinished threads. After a kill the supervisor submits the
slot's agents again, and the worker does what the documentation says: a thread with a checkpoint is
resumed by invoking its graph without input; one without starts from its input.
"""

import asyncio
import os
import sqlite3
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import psycopg
from langgraph.types import Command
from openai import OpenAIError

from harness.commits import Commit
from harness.engines.contract import AgentView, Background, Surroundings, about_of, main
from harness.engines.langgraph.adapter import ENGINE, NO_HISTORY, VARIANTS, LangGraph
from harness.engines.langgraph.effects import Effects
from harness.engines.langgraph.graph import Graphs, input_of
from harness.engines.langgraph.savers import saver_of
from harness.engines.llm import Llm
from harness.engines.variants import chosen
from harness.engines.walk import outcome_path
from harness.errors import EngineError, OnceproofError
from harness.scenario import Program
from mock_llm import receipts

PACKAGES = (
    "langgraph",
    "langgraph-checkpoint",
    "langgraph-checkpoint-sqlite",
    "langgraph-checkpoint-postgres",
    "langchain-openai",
)
RUNNING = AgentView(status="running", output="")
SAVER_FAILURES = (sqlite3.Error, psycopg.Error)
FAILURES = (OpenAIError, OnceproofError, *SAVER_FAILURES)
"""What a node or the saver may raise for good; anything else is a bug, and ends the process."""
TAKEN_S, POLL_S = 4.0, 0.2


class LangGraphWorker:
    """See Worker."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose the checkpointer and the durability of the variant.

        Raises:
            UsageError: no such variant.
        """
        self._variant = chosen(VARIANTS, surroundings.variant, engine=ENGINE)
        self.about = about_of(LangGraph().spec(surroundings.variant), *PACKAGES)
        self._surroundings = surroundings
        self._open = AsyncExitStack()
        self._agents = Background()
        self._programs: dict[str, Program] = {}
        self._views: dict[str, AgentView] = {}
        self._waiting: dict[str, dict[str, str]] = {}
        """Agent -> name of the event that it waits for -> id of the interrupt."""
        self._saver: Any = None
        self._graphs: Graphs | None = None

    async def open(self) -> None:
        """Open the checkpointer; nothing is resumed."""
        llm = Llm(self._surroundings)
        self._open.push_async_callback(llm.close)
        # durable: sqlite-*, postgres-*, memory, naive
        self._saver = await self._open.enter_async_context(
            saver_of(self._variant.saver, self._surroundings)
        )
        self._graphs = Graphs(Effects.of(llm), self._saver, is_naive=self._variant.is_naive)
        await self._agents.open()

    async def start(self, agent: str, program: Program) -> None:
        """Start a thread or resume it, unless it runs here or has ended."""
        if agent in self._views:
            return
        self._views[agent] = RUNNING
        self._programs[agent] = program
        try:
            # durable: sqlite-*, postgres-*, memory, naive
            begun = await self._begun(agent, program)
        except SAVER_FAILURES as error:
            del self._views[agent], self._programs[agent]
            raise EngineError(f"thread {agent!r}: {error!r}", is_definite=True) from error
        if begun is None:
            self._agents.spawn(self._run(program, input_of(program)))
        # durable: sqlite-*, postgres-*, memory, naive
        elif outcome_path(program) in begun.get("answers", {}):
            self._views[agent] = _completed(program, begun)
        else:
            # durable: sqlite-*, postgres-*, memory, naive
            self._agents.spawn(self._run(program, None))

    # durable: sqlite-*, postgres-*, memory, naive
    async def _begun(self, agent: str, program: Program) -> Any:
        """The state of a thread; None when the checkpointer has nothing of it.

        Its `next` would not tell whether it has ended: that is empty, too, when a kill struck after
        the writes of a step and before its checkpoint (1.2.22).
        """
        config = _config(agent)
        if self._saver is None or await self._saver.aget_tuple(config) is None:
            return None
        return (await self._graph(program).aget_state(config)).values

    async def view(self, agent: str) -> AgentView | None:
        """Tell what this incarnation knows; a thread that nobody runs is not known."""
        return self._views.get(agent)

    async def history(self, agent: str) -> list[Commit] | None:
        """Of each checkpoint of the thread, subgraphs' included, the results in its state.

        The checkpointer's list is what get_state_history reads; this needs no graph, which an
        incarnation has only of agents that it runs. A checkpoint is dated when it is made, just
        before it is written; the writes of a task that lead to it are kept earlier, without a date.
        """
        if self._saver is None:
            raise EngineError(f"{self.about.variant}: {NO_HISTORY}")
        found = []
        try:
            known = [one async for one in self._saver.alist(_config(agent))]
        except SAVER_FAILURES as error:
            raise EngineError(f"thread {agent!r}: {error!r}") from error
        for one in known:
            made = datetime.fromisoformat(one.checkpoint["ts"])
            made_ns = int(made.timestamp() * 1e6) * 1000
            text = str(one.checkpoint["channel_values"])
            found += [
                Commit(receipt=receipts.render(*shown), since_ns=made_ns, until_ns=made_ns)
                for shown in receipts.all_in(text)
            ]
        return found if known else None

    async def close(self) -> None:
        """Drop all agents; close the checkpointer."""
        await self._agents.close()
        await self._open.aclose()

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Resume a thread with the event that it waits for; True when its checkpointer has it.

        LangGraph keeps no mailbox, so an event that comes too early waits here for a while, and is
        then refused: the sender has it still.
        """
        program = self._programs.get(agent)
        if program is None:
            return False
        try:
            async with asyncio.timeout(TAKEN_S):
                await self._resume(program, name, payload)
        except TimeoutError as error:
            raise EngineError(f"{agent!r} has not taken {name!r} in {TAKEN_S:g} s") from error
        return True

    async def _resume(self, program: Program, name: str, payload: str) -> None:
        """Once the thread waits for it; return when the checkpointer has it."""
        waiting = self._waiting.setdefault(program.agent, {})
        while True:
            if interrupt := waiting.pop(name, ""):
                self._agents.spawn(self._run(program, Command(resume={interrupt: payload})))
            elif name in await self._answered(program):
                return
            await asyncio.sleep(POLL_S)

    async def _answered(self, program: Program) -> dict[str, str]:
        state = await self._graph(program).aget_state(_config(program.agent))
        answers: dict[str, str] = state.values.get("answers", {})
        return answers

    async def _run(self, program: Program, given: Any) -> None:
        """Invoke the graph until it ends or waits for an event."""
        agent = program.agent
        try:
            result = await self._graph(program).ainvoke(
                given, _config(agent), durability=self._variant.durability
            )
        except FAILURES as error:
            self._views[agent] = AgentView(status="failed", output=repr(error))
            return
        interrupts = result.get("__interrupt__", ())
        if interrupts:
            waiting = self._waiting.setdefault(agent, {})
            waiting |= {one.value: one.id for one in interrupts}
        else:
            self._views[agent] = _completed(program, result)

    def _graph(self, program: Program) -> Any:
        assert self._graphs is not None
        return self._graphs.of(program)


# durable: sqlite-*, postgres-*, memory, naive
def _config(agent: str) -> dict[str, dict[str, str]]:
    """The thread of an agent has the agent's name."""
    return {"configurable": {"thread_id": agent}}


def _completed(program: Program, state: dict[str, Any]) -> AgentView:
    return AgentView(status="completed", output=state["answers"][outcome_path(program)])


def _tracing(endpoint: str) -> dict[str, str]:
    """LangSmith's switches: off, or to an OTLP endpoint alone; nothing may leave loopback.

    Source: docs.langchain.com/langsmith/trace-with-opentelemetry
    """
    if not endpoint:
        return {"LANGSMITH_TRACING": "false"}
    return {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_OTEL_ENABLED": "true",
        "LANGSMITH_OTEL_ONLY": "true",
        # Its own service, which it asks for nothing in this mode; were it to, it would get a 404.
        "LANGSMITH_ENDPOINT": endpoint,
    }


if __name__ == "__main__":
    os.environ |= _tracing(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
    main(LangGraphWorker)
