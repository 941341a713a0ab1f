"""Mutants of child agents, timers and events: what an agent waits for, and what waits for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from harness.engines.contract import AgentView
from harness.engines.llm import Answer, Message
from harness.engines.reference.mutants.mutant import Mutant
from harness.engines.reference.policy import RunAgent
from harness.errors import EngineError
from harness.scenario import Program


def parent_of(instance: str) -> str:
    """The agent that a child's instance belongs to, or the agent itself."""
    return instance.partition("/")[0]


class OrphanChild(Mutant):
    """Gives up on its child as soon as it runs, and fails; the child goes on alone.

    Caught by L as orphan-child. Needs children.
    """

    async def run_child(self, program: Program, run: RunAgent) -> AgentView:
        """Start the child, and do not wait for it."""
        if not self.is_chosen(parent_of(program.agent)):
            return await super().run_child(program, run)
        if await self.admit(program):
            run(program)
        self.planting.note(parent_of(program.agent))
        raise EngineError(f"child {program.agent} was lost sight of")


class DeafParent(Mutant):
    """Never hears of its child's end.

    Caught by L as stuck. Needs children.
    """

    async def run_child(self, program: Program, run: RunAgent) -> AgentView:
        """Wait on after the child has ended."""
        view = await super().run_child(program, run)
        if self.is_chosen(parent_of(program.agent)):
            self.planting.note(parent_of(program.agent))
            await asyncio.Event().wait()
        return view


class DuplicateChild(Mutant):
    """Starts two children for one call, and goes on with the first.

    Caught by S3 as concurrent-duplicate or repeat-without-fault. Needs children.
    """

    async def run_child(self, program: Program, run: RunAgent) -> AgentView:
        """Start a twin beside the child."""
        parent = parent_of(program.agent)
        twin = replace(program, agent=f"{program.agent}/twin")
        if self.is_chosen(parent) and await self.admit(twin):
            run(twin)
            self.planting.note(parent)
        return await super().run_child(program, run)


class LostTimer(Mutant):
    """Never wakes from its timer.

    Caught by L as lost-timer. Needs timers.
    """

    async def sleep(self, agent: str, name: str, seconds: float) -> None:
        """Sleep for ever."""
        if self.is_chosen(agent):
            self.planting.note(agent)
            await asyncio.Event().wait()
        await super().sleep(agent, name, seconds)


class EarlyTimer(Mutant):
    """Wakes from its timer when half of the time is over.

    Caught by R as early-timer. Needs timers.
    """

    async def sleep(self, agent: str, name: str, seconds: float) -> None:
        """Sleep for half of the time."""
        if self.is_chosen(agent):
            self.planting.note(agent)
            seconds /= 2
        await super().sleep(agent, name, seconds)


class _Twice(Mutant):
    """Goes on twice from what it waited for."""

    occasion = ""
    """Name of the result that says that the wait is over."""

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Ask a second time, and take the second answer."""
        has_waited = self.is_chosen(agent) and self.recall(agent, self.occasion) is not None
        if has_waited and name.startswith(f"{self.last_path(agent)}.t"):
            await super().ask(agent, name, messages, tools)
            self.planting.note(agent)
        return await super().ask(agent, name, messages, tools)


class DoubleTimer(_Twice):
    """Fires its timer twice: the step behind it runs two times.

    Caught by S3 as repeat-without-fault. Needs timers.
    """

    occasion = "w.due"


class LostEvent(Mutant):
    """Says that it took an event, and forgets it.

    Caught by L as lost-event. Needs events.
    """

    def take_event(self, agent: str, name: str, payload: str) -> bool:
        """Drop it."""
        if not self.is_chosen(agent) or self.memory.view(agent) is None:
            return super().take_event(agent, name, payload)
        self.planting.note(agent)
        return True


class EarlyEvent(Mutant):
    """Goes on before the event has come, with nothing in its place.

    Caught by R as skipped-step or out-of-order. Needs events.
    """

    async def await_event(self, agent: str, name: str) -> str:
        """Do not wait."""
        if not self.is_chosen(agent) or self.recall(agent, name) is not None:
            return await super().await_event(agent, name)
        self.planting.note(agent)
        return ""


class DoubleEvent(_Twice):
    """Delivers an event twice: the step behind it runs two times.

    Caught by S3 as repeat-without-fault. Needs events.
    """

    occasion = "e"
