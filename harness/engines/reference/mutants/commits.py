"""Mutants that break S1: what the outcome rests on, and what an agent is said to be."""

from collections.abc import Mapping, Sequence

from harness.engines.contract import AgentView
from harness.engines.llm import Answer, Llm, Message, answer_of
from harness.engines.reference.memory import Memory
from harness.engines.reference.mutants.mutant import Mutant, path_of
from harness.engines.reference.mutants.survivors import sign_of, start_run
from harness.engines.reference.planting import Planting
from harness.scenario import Program, Step

HELD_S = 8.0
"""How long a start is held open for a kill to cut it; the driver's patience is 10 s."""


class LostStep(Mutant):
    """Loses a committed answer: the last step is asked without it.

    Caught by S1 as lost-step.
    """

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """Leave out the first answer that the last step builds on."""
        if self.is_chosen(agent) and step.after and step.path == self.last_path(agent):
            answers = {**answers, step.after[0]: ""}
            self.planting.note(agent)
        return super().conversation(agent, step, answers)


class DoubleCommit(Mutant):
    """Asks the first step twice and goes on with both answers.

    Caught by S1 as double-commit.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Join two answers in one."""
        answer = await super().ask(agent, name, messages, tools)
        if not self.is_chosen(agent) or name != self.first_turn(agent):
            return answer
        second = await super().ask(agent, name, messages, tools)
        self.planting.note(agent)
        return answer_of({**answer.message, "content": f"{answer.text}\n{second.text}"})


class ForkedLineage(Mutant):
    """Asks the last step twice, on two different answers of the step before.

    Caught by S1 as forked-lineage.
    """

    def __init__(self, memory: Memory, llm: Llm, planting: Planting) -> None:
        super().__init__(memory, llm, planting)
        self._forks: dict[str, tuple[str, str]] = {}

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Fork at the step before the last, and carry both branches to their end."""
        answer = await super().ask(agent, name, messages, tools)
        if not self.is_chosen(agent) or answer.tool_calls:
            return answer
        if path_of(name) == self.before_last(agent):
            other = await super().ask(agent, name, messages, tools)
            self._forks[agent] = (answer.text, other.text)
        elif path_of(name) == self.last_path(agent) and agent in self._forks:
            one, other_text = self._forks.pop(agent)
            prompt = str(messages[0]["content"]).replace(one, other_text)
            await super().ask(agent, name, [{**messages[0], "content": prompt}], tools)
            self.planting.note(agent)
        return answer


class FalseTerminal(Mutant):
    """Says that an agent has completed, without an outcome, before its last step is asked.

    Caught by S1 as false-terminal.
    """

    def conversation(self, agent: str, step: Step, answers: Mapping[str, str]) -> list[Message]:
        """End the agent and go on."""
        opening = super().conversation(agent, step, answers)
        if self.is_chosen(agent) and step.path == self.last_path(agent):
            self.memory.end(agent, AgentView(status="completed", output=""))
            self.planting.note(agent)
        return opening

    def recall(self, agent: str, name: str) -> str | None:
        """Of an ended agent nothing is known any more."""
        return None if self.has_ended(agent) else super().recall(agent, name)

    def commit(self, agent: str, name: str, value: str) -> str:
        """What comes after the end is not journaled."""
        return value if self.has_ended(agent) else super().commit(agent, name, value)

    def end(self, agent: str, view: AgentView) -> None:
        """It has ended already."""
        if not self.has_ended(agent):
            super().end(agent, view)


class DuplicateStart(Mutant):
    """Lets a start that it never confirmed run on beside its repetition.

    The start is held open; when the pod is killed meanwhile, the driver learns that nobody knows
    the agent, and starts it again; a process that outlived the kill then works off the first start.
    Caught by S1 as duplicate-start. Needs kills.
    """

    async def admit(self, program: Program) -> bool:
        """Hold the first start; without a kill, admit it after all."""
        folder = self.planting.folder
        agent = program.agent
        if folder is None or not self.is_chosen(agent) or self.memory.view(agent) is not None:
            return await super().admit(program)
        sign = folder / f"held-{agent}"
        if not sign.exists():
            sign.touch()
            survivor = await start_run(program, folder)
            self.survivors.append(survivor)
            await survivor.watch_for(HELD_S)
            survivor.dismiss()
        else:
            sign_of(folder, agent).touch()
        return await super().admit(program)
