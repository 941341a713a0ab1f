"""Every decision of the reference engine on which a promise rests, one method each.

The interpreter walks and this decides. A mutant is a subclass that overrides one decision, and an
entry in mutants.MUTANTS; nothing else of the engine changes.
"""

from collections.abc import Mapping, Sequence

import msgspec

from harness.engines.contract import AgentView
from harness.engines.llm import Answer, Llm, Message, ToolCall, answer_of, polite_wait_s
from harness.engines.reference.memory import Memory
from harness.engines.walk import fill
from harness.errors import EngineError
from harness.scenario import Program, Step


class Policy:
    """The correct decisions."""

    def __init__(self, memory: Memory, llm: Llm) -> None:
        self.memory = memory
        self.llm = llm

    async def admit(self, program: Program) -> bool:
        """Whether a start begins a run: only that of an agent that was never accepted. Durable."""
        if self.memory.view(program.agent) is not None:
            return False
        self.memory.accept(program)
        return True

    def resumed(self) -> list[Program]:
        """The agents that a new incarnation goes on with: all accepted ones that have not ended."""
        return self.memory.unfinished()

    def next_step(self, agent: str, steps: Sequence[Step], done: Sequence[str]) -> Step | None:
        """The step after those done, in the program's order; None at the end of the sequence."""
        return steps[len(done)] if len(done) < len(steps) else None

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """The opening of a step's conversation: here committed answers are used."""
        return [{"role": "user", "content": fill(step.prompt, answers)}]

    def recall(self, agent: str, name: str) -> str | None:
        """The committed result, which is then not computed again; None when there is none."""
        return self.memory.result(agent, name)

    def commit(self, agent: str, name: str, value: str) -> str:
        """Make a result durable before anything uses it; returns what is to be used."""
        self.memory.keep(agent, name, value)
        return value

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
