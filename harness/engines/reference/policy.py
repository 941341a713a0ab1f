"""Every decision of the reference engine on which a promise rests, one method each.

The interpreter walks and this decides. A mutant is a subclass that overrides one decision, and an
entry in mutants.MUTANTS; nothing else of the engine changes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.clock import NS_PER_S, Clock, SystemClock
from harness.engines.contract import AgentView
from harness.engines.llm import Answer, Llm, Message, ToolCall, answer_of, polite_wait_s
from harness.engines.reference.memory import Memory
from harness.engines.walk import branches_of, fill, is_accepted
from harness.errors import EngineError
from harness.scenario import Program, Step

RunAgent = Callable[[Program], None]
"""Runs an agent beside the others."""


class Policy:
    """The correct decisions."""

    def __init__(self, memory: Memory, llm: Llm) -> None:
        self.memory = memory
        self.clock: Clock = SystemClock()
        self.llm = llm

    # durable
    async def admit(self, program: Program) -> bool:
        """Whether a start begins a run: only that of an agent that was never accepted. Durable."""
        if self.memory.view(program.agent) is not None:
            return False
        self.memory.accept(program)
        return True

    # durable
    def resumed(self) -> list[Program]:
        """The agents that a new incarnation goes on with: all accepted ones that have not ended."""
        return self.memory.unfinished()

    def next_step(self, agent: str, steps: Sequence[Step], done: Sequence[str]) -> Step | None:
        """The step after those done, in the program's order; None at the end of the sequence."""
        return steps[len(done)] if len(done) < len(steps) else None

    def branches(self, agent: str, step: Step, answer: str) -> Sequence[Sequence[Step]]:
        """What an answer has run next, side by side: the chosen branch, the delegated tasks."""
        return branches_of(step, answer)

    def is_over(self, agent: str, verdict: str, rounds_left: int) -> bool:
        """Whether the rounds of a judge end with this verdict."""
        return is_accepted(verdict) or not rounds_left

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """The opening of a step's conversation: here committed answers are used."""
        return [{"role": "user", "content": fill(step.prompt, answers)}]

    # durable
    def recall(self, agent: str, name: str) -> str | None:
        """The committed result, which is then not computed again; None when there is none."""
        return self.memory.result(agent, name)

    # durable
    def commit(self, agent: str, name: str, value: str) -> str:
        """Make a result durable before anything uses it; returns what is to be used."""
        self.memory.keep(agent, name, value)
        return value

    async def run_child(self, program: Program, run: RunAgent) -> AgentView:
        """Have a child agent run to its end, in an instance of its own that is resumed by itself.

        It is started unless it was accepted before: a resumed parent finds it again.
        """
        if await self.admit(program):
            run(program)
        await self.memory.until(lambda: self._end_of(program.agent) is not None)
        view = self._end_of(program.agent)
        assert view is not None
        return view

    async def sleep(self, agent: str, name: str, seconds: float) -> None:
        """A durable timer: its due time is committed first, and is kept whoever is killed."""
        due = self.recall(agent, name)
        now_ns = self.clock.wall_ns()
        if due is None:
            due = self.commit(agent, name, str(now_ns + int(seconds * NS_PER_S)))
        await asyncio.sleep(max(0, int(due) - now_ns) / NS_PER_S)

    async def await_event(self, agent: str, name: str) -> str:
        """The payload of an event, which may have come already."""
        await self.memory.until(lambda: self.recall(agent, name) is not None)
        payload = self.recall(agent, name)
        assert payload is not None
        return payload

    def take_event(self, agent: str, name: str, payload: str) -> bool:
        """Make an event durable, once; False for an agent that was never accepted."""
        view = self.memory.view(agent)
        if view is None:
            return False
        if view.status == "running" and self.recall(agent, name) is None:
            self.commit(agent, name, payload)
        return True

    def _end_of(self, agent: str) -> AgentView | None:
        view = self.memory.view(agent)
        return None if view is None or view.status == "running" else view

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Compute the answer of a turn, ``name``: one call. Raises as `Llm.chat` does."""
        return await self.llm.chat(messages, tools=tools)

    async def act(self, agent: str, call: ToolCall) -> str:
        """Have an effect: one call, with the LLM's arguments. Raises as `Llm.effect` does."""
        path = call.argument("path")
        return await self.llm.effect(
            call.argument("agent"), path, call.argument("value"), self.key(agent, path)
        )

    def key(self, agent: str, path: str) -> str | None:
        """The idempotency key of an effect: the same in every attempt, and no other effect's."""
        return f"{agent}/{path}"

    def wait_s(self, agent: str, error: EngineError, tries: int) -> float | None:
        """Seconds between a failed call and the next one; None to give up."""
        return polite_wait_s(error, tries)

    def end(self, agent: str, view: AgentView) -> None:
        """Make the end durable; from here on it shows."""
        self.memory.end(agent, view)

    def close(self) -> None:
        """The incarnation ends in order: let go of what was started beside the agents."""


def stored(answer: Answer) -> str:
    """An answer as a result to commit."""
    return msgspec.json.encode(answer.message).decode()


def restored(value: str) -> Answer:
    """The answer in a committed result."""
    return answer_of(msgspec.json.decode(value))
