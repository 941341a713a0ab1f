"""Mutants of control flow: another branch, a task left out, a round too many or too few."""

from collections.abc import Sequence

from harness.engines.reference.mutants.mutant import Mutant
from harness.engines.walk import branches_of, choice_of, is_accepted
from harness.scenario import Step


class WrongBranch(Mutant):
    """Takes the branch after the one that the answer chose.

    Caught by R as phantom-step. Needs routes.
    """

    def branches(self, agent: str, step: Step, answer: str) -> Sequence[Sequence[Step]]:
        """The next branch, round and round."""
        if step.kind != "route" or not self.is_chosen(agent):
            return super().branches(agent, step, answer)
        self.planting.note(agent)
        count = len(step.branches)
        return (step.branches[(choice_of(answer, count) + 1) % count],)


class BothBranches(Mutant):
    """Runs every branch of a route, and goes on with the chosen one as well as the others.

    Caught by R as phantom-step. Needs routes.
    """

    def branches(self, agent: str, step: Step, answer: str) -> Sequence[Sequence[Step]]:
        """All branches, as if the step were a parallel one."""
        if step.kind != "route" or not self.is_chosen(agent):
            return super().branches(agent, step, answer)
        self.planting.note(agent)
        return step.branches


class LostTask(Mutant):
    """Leaves out the last of the tasks that an answer delegates.

    Caught by R as skipped-step. Needs plans.
    """

    def branches(self, agent: str, step: Step, answer: str) -> Sequence[Sequence[Step]]:
        """All tasks but one."""
        if step.kind != "plan" or not self.is_chosen(agent):
            return super().branches(agent, step, answer)
        self.planting.note(agent)
        return branches_of(step, answer)[:-1]


class ExtraRound(Mutant):
    """Has a draft that was accepted revised once more.

    Caught by R as phantom-step. Needs judges.
    """

    def is_over(self, agent: str, verdict: str, rounds_left: int) -> bool:
        """Go on after acceptance, where the program has a round left."""
        if not self.is_chosen(agent) or not rounds_left or not is_accepted(verdict):
            return super().is_over(agent, verdict, rounds_left)
        self.planting.note(agent)
        return False


class EarlyAcceptance(Mutant):
    """Takes the first draft, whatever the judge says.

    Caught by R as skipped-step. Needs judges.
    """

    def is_over(self, agent: str, verdict: str, rounds_left: int) -> bool:
        """End although a revision is wanted."""
        if not self.is_chosen(agent) or is_accepted(verdict):
            return super().is_over(agent, verdict, rounds_left)
        self.planting.note(agent)
        return True
