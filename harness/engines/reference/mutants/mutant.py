"""What all mutants share: whom to harm, and how to say that it was done."""

from harness.engines.llm import Llm
from harness.engines.reference.memory import RUNNING, Memory
from harness.engines.reference.mutants.survivors import Survivor
from harness.engines.reference.planting import Planting
from harness.engines.reference.policy import Policy
from harness.engines.walk import outcome_path


class Mutant(Policy):
    """The correct decisions, except in the agents that ``planting`` chooses."""

    def __init__(self, memory: Memory, llm: Llm, planting: Planting) -> None:
        super().__init__(memory, llm)
        self.planting = planting
        self.survivors: list[Survivor] = []

    def close(self) -> None:
        """An end in order is no kill: nobody is left behind."""
        for survivor in self.survivors:
            survivor.dismiss()

    def is_chosen(self, agent: str) -> bool:
        """Whether this agent is to be harmed."""
        return self.planting.is_chosen(agent)

    def first_turn(self, agent: str) -> str:
        """Name of the first answer that a program asks for."""
        return f"{self.memory.program(agent).steps[0].path}.t0"

    def last_path(self, agent: str) -> str:
        """Path of the step that carries the outcome."""
        return outcome_path(self.memory.program(agent))

    def before_last(self, agent: str) -> str:
        """Path of the first step that the outcome's step builds on; empty for a single step."""
        after = self.memory.program(agent).steps[-1].after
        return after[0] if after else ""

    def has_ended(self, agent: str) -> bool:
        """Whether the journal says that the agent has ended."""
        return self.memory.view(agent) != RUNNING


def path_of(name: str) -> str:
    """The step that a result's name belongs to."""
    return name.rpartition(".t")[0]
