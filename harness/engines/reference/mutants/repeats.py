"""Mutants that break S2, S3 and L: what runs again, and what never ends."""

import asyncio
from collections.abc import Sequence

from harness.engines.llm import Answer, Message, ToolCall
from harness.engines.reference.mutants.mutant import Mutant, path_of
from harness.engines.reference.mutants.survivors import OPENED, Effect, start_effect
from harness.scenario import Program

SPINS_MAX = 10_000
SPIN_S = 0.25


class RecomputeAfterUse(Mutant):
    """After a kill begins again from the top, though results were journaled, and used.

    Caught by S2 as recompute-after-use. Needs kills.
    """

    _forgotten: frozenset[str] = frozenset()

    def resumed(self) -> list[Program]:
        """Forget every result of a chosen agent that has used one: two are needed for that."""
        programs = super().resumed()
        self._forgotten = frozenset(
            program.agent
            for program in programs
            if self.is_chosen(program.agent) and self.memory.results_count(program.agent) > 1
        )
        return programs

    def recall(self, agent: str, name: str) -> str | None:
        """Nothing, for agents that were forgotten."""
        return None if agent in self._forgotten else super().recall(agent, name)

    def commit(self, agent: str, name: str, value: str) -> str:
        """Journal it once more."""
        if agent in self._forgotten:
            self.planting.note(agent)
        return super().commit(agent, name, value)


class RepeatWithoutFault(Mutant):
    """Asks the first step twice and throws the first answer away.

    Caught by S3 as repeat-without-fault.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Ask, and ask again."""
        answer = await super().ask(agent, name, messages, tools)
        if self.is_chosen(agent) and name == self.first_turn(agent):
            answer = await super().ask(agent, name, messages, tools)
            self.planting.note(agent)
        return answer


class ZombieWrite(Mutant):
    """A process of a killed incarnation lives on and has an effect once more, late.

    Caught by R as zombie-effect. Needs kills and tools.
    """

    def resumed(self) -> list[Program]:
        """Say that this incarnation opens: those left behind by the one before wait for it."""
        if self.planting.folder is not None:
            (self.planting.folder / OPENED).touch()
        return super().resumed()

    async def act(self, agent: str, call: ToolCall) -> str:
        """Have the effect; then leave a process behind that has it again after a kill."""
        receipt = await super().act(agent, call)
        folder, path = self.planting.folder, call.argument("path")
        if folder is not None and self.is_chosen(agent) and path.endswith(".t0.c0"):
            effect = Effect(
                agent=agent, path=path, value=call.argument("value"), key=self.key(agent, path)
            )
            survivor = await start_effect(effect, folder)
            self.survivors.append(survivor)
        return receipt


class LostStart(Mutant):
    """Takes a start, confirms it, and never begins it.

    Caught by L as lost-start.
    """

    async def admit(self, program: Program) -> bool:
        """Accept, and say that there is nothing to run."""
        is_new = await super().admit(program)
        if not is_new or not self._is_lost(program):
            return is_new
        self.planting.note(program.agent)
        return False

    def resumed(self) -> list[Program]:
        """Nor after a restart."""
        return [program for program in super().resumed() if not self._is_lost(program)]

    def _is_lost(self, program: Program) -> bool:
        return "/" not in program.agent and self.is_chosen(program.agent)


class Stuck(Mutant):
    """Never asks the last step, and waits for it.

    Caught by L as stuck.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Wait for what does not come."""
        if self.is_chosen(agent) and path_of(name) == self.last_path(agent):
            self.planting.note(agent)
            await asyncio.Event().wait()
        return await super().ask(agent, name, messages, tools)


class Spinning(Mutant):
    """Asks the last step again and again, and never takes an answer.

    Caught by L as spinning, and by S3 as repeat-without-fault.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Turn in a circle, four times a second and the call's own time."""
        answer = await super().ask(agent, name, messages, tools)
        if self.is_chosen(agent) and path_of(name) == self.last_path(agent):
            for _ in range(SPINS_MAX):
                answer = await super().ask(agent, name, messages, tools)
                self.planting.note(agent)
                await asyncio.sleep(SPIN_S)
        return answer
