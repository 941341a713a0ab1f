"""A program as a crew: a task a step, one after another, with earlier tasks as context.

A route and the rounds of a judge are conditional tasks: all of them are in the crew, and those are
skipped that the answer before does not want.
"""

from collections.abc import Callable, Sequence
from typing import Any

from crewai import Crew, Process, Task
from crewai.tasks.conditional_task import ConditionalTask

from harness.engines.crewai.means import Means
from harness.engines.walk import choice_of, fill, is_accepted
from harness.errors import EngineError
from harness.scenario import Step

EXPECTED = "The answer, in full"

Condition = Callable[[Any], bool]


def crew_of(steps: Sequence[Step], means: Means) -> Any:
    """The crew; what it returns from ``kickoff`` is the answer of the last step."""
    tasks = _Tasks(means)
    tasks.add(steps, None)
    made = list(tasks.by_path.values())
    return Crew(agents=[task.agent for task in made], tasks=made, process=Process.sequential)


class _Tasks:
    def __init__(self, means: Means) -> None:
        self._means = means
        self.by_path: dict[str, Any] = {}

    def add(self, steps: Sequence[Step], condition: Condition | None) -> None:
        """Add the tasks of a sequence; with a condition each is run only if it holds."""
        for step in steps:
            if step.kind == "parallel":
                self._add_side_by_side(step.branches)
            elif step.kind == "judge":
                self._add_rounds(step.branches)
            elif step.kind in ("plan", "child"):
                raise EngineError(f"step {step.path!r} of a crew is a {step.kind}; it cannot be")
            else:
                self._add_task(step, condition=condition)
            if step.kind == "route":
                for number, branch in enumerate(step.branches):
                    self.add(branch, self._is_chosen(step, number))

    def _add_side_by_side(self, branches: Sequence[Sequence[Step]]) -> None:
        """The first step of each branch asynchronously; CrewAI forbids an asynchronous task upon
        asynchronous ones, so that what follows in a branch comes after them, one by one."""
        for branch in branches:
            self._add_task(branch[0], is_async=True)
        for branch in branches:
            self.add(branch[1:], None)

    def _add_rounds(self, rounds: Sequence[Sequence[Step]]) -> None:
        verdicts: list[str] = []
        for one in rounds:
            self.add(one, self._is_wanted(tuple(verdicts)) if verdicts else None)
            verdicts.append(one[-1].path)

    def _is_chosen(self, step: Step, number: int) -> Condition:
        def is_chosen(_before: Any) -> bool:
            answer = self.by_path[step.path].output.raw
            return choice_of(answer, len(step.branches)) == number

        return is_chosen

    def _is_wanted(self, verdicts: tuple[str, ...]) -> Condition:
        """Whether no verdict has accepted; one that was skipped has no output."""

        def is_wanted(_before: Any) -> bool:
            given = [self.by_path[path].output for path in verdicts]
            return all(verdict and not is_accepted(verdict.raw) for verdict in given)

        return is_wanted

    def _add_task(
        self, step: Step, *, condition: Condition | None = None, is_async: bool = False
    ) -> None:
        """A task whose context are the steps that its prompt builds on."""
        context = [self.by_path[path] for path in step.after if path in self.by_path]
        told = dict.fromkeys(step.after, "the context")
        fields = {
            "description": fill(step.prompt, told),
            "expected_output": EXPECTED,
            "agent": self._means.agent_for(step.kind),
            "context": context or None,
            "async_execution": is_async,
        }
        self.by_path[step.path] = (
            Task(**fields) if condition is None else ConditionalTask(condition, **fields)
        )
