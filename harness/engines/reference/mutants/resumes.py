"""Mutants that break R: order, values, and what a conversation holds."""

import re
from collections import deque
from collections.abc import Mapping, Sequence

from harness.engines.llm import Answer, Llm, Message, ToolCall
from harness.engines.reference.memory import Memory
from harness.engines.reference.mutants.mutant import Mutant
from harness.engines.reference.planting import Planting
from harness.engines.reference.policy import restored
from harness.scenario import Step
from mock_llm.marker import Directive, Marker, prompt_with

HEARD = 16
FORGED_MARK = r"<<\1.fffffffff>>"
_MARK = re.compile(r"<<([0-9a-f]{16})\.[0-9a-f]+>>")


class SkippedStep(Mutant):
    """Never runs the step that the last one builds on; its answer counts as empty.

    Caught by R as skipped-step.
    """

    def next_step(self, agent: str, steps: Sequence[Step], done: Sequence[str]) -> Step | None:
        """Go on as if the step were not in the program."""
        if self.is_chosen(agent):
            skipped = self.before_last(agent)
            kept = [step for step in steps if step.path != skipped]
            if len(kept) < len(steps):
                self.planting.note(agent)
            steps = kept
        return super().next_step(agent, steps, done)

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """Put nothing where the answer is missing."""
        return super().conversation(agent, step, _filled(self, agent, step, answers))


class Reordered(Mutant):
    """Runs the second step before the first.

    Caught by R as out-of-order.
    """

    def next_step(self, agent: str, steps: Sequence[Step], done: Sequence[str]) -> Step | None:
        """Change the first two steps of the program."""
        if self.is_chosen(agent) and len(steps) > 2 and steps[-1].path == self.last_path(agent):
            steps = (steps[1], steps[0], *steps[2:])
            self.planting.note(agent)
        return super().next_step(agent, steps, done)

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """Put nothing where the answer is missing."""
        return super().conversation(agent, step, _filled(self, agent, step, answers))


class DivergentReplay(Mutant):
    """Calls a tool with arguments of its own instead of those that the answer gave.

    So does a replay that draws anew. Caught by R as result-divergence. Needs tools.
    """

    async def act(self, agent: str, call: ToolCall) -> str:
        """Put another value in."""
        path = call.argument("path")
        if not self.is_chosen(agent) or not path.endswith(".t0.c0"):
            return await super().act(agent, call)
        receipt = await self.llm.effect(agent, path, "drawn anew", self.key(agent, path))
        self.planting.note(agent)
        return receipt


class CrossAgentLeak(Mutant):
    """Puts what another agent was told into the last prompt.

    Caught by R as cross-agent-leak.
    """

    def __init__(self, memory: Memory, llm: Llm, planting: Planting) -> None:
        super().__init__(memory, llm, planting)
        self._heard: deque[tuple[str, str]] = deque(maxlen=HEARD)

    def commit(self, agent: str, name: str, value: str) -> str:
        """Remember who was told what, in one place for all agents."""
        if ".c" not in name and (text := restored(value).text):
            self._heard.append((agent, text))
        return super().commit(agent, name, value)

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """Add the latest that a stranger was told."""
        opening = super().conversation(agent, step, answers)
        strange = next((text for who, text in reversed(self._heard) if who != agent), "")
        if not strange or not self.is_chosen(agent) or step.path != self.last_path(agent):
            return opening
        self.planting.note(agent)
        return [{**opening[0], "content": f"{opening[0]['content']}\n{strange}"}]


class ForgedResult(Mutant):
    """Goes on with a result that nobody gave: right in value, of an attempt that never was.

    So does a store that mixes up versions. Caught by R as unanswered-receipt.
    """

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """Name another attempt in every answer that the last step builds on."""
        opening = super().conversation(agent, step, answers)
        if not self.is_chosen(agent) or not step.after or step.path != self.last_path(agent):
            return opening
        self.planting.note(agent)
        return [{**opening[0], "content": _MARK.sub(FORGED_MARK, str(opening[0]["content"]))}]


class PhantomStep(Mutant):
    """Asks for a step that is in no program, once the first one is answered.

    Caught by R as phantom-step.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Ask, and ask something else beside it."""
        answer = await super().ask(agent, name, messages, tools)
        if self.is_chosen(agent) and name == self.first_turn(agent):
            said = Directive(kind="say", is_last=False)
            marker = Marker(agent=agent, path="phantom", predecessors=(), directive=said)
            opening: Message = {"role": "user", "content": prompt_with(marker, "Is it there?")}
            await super().ask(agent, name, [opening], None)
            self.planting.note(agent)
        return answer


class ContextCorruption(Mutant):
    """Sends the last tool result twice, so that the conversation has more results than calls.

    Caught by R as context-corruption. Needs tools.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Double the last message when it is a tool's."""
        if self.is_chosen(agent) and messages[-1]["role"] == "tool":
            messages = [*messages, messages[-1]]
            self.planting.note(agent)
        return await super().ask(agent, name, messages, tools)


def _filled(
    mutant: Mutant, agent: str, step: Step, answers: Mapping[str, str]
) -> Mapping[str, str]:
    """The answers, and for chosen agents an empty one for each that is missing."""
    return {**dict.fromkeys(step.after, ""), **answers} if mutant.is_chosen(agent) else answers
