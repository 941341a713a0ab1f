"""A program as a flow: a method a step, wired with @start, @listen, @router, and_ and or_.

Flows of one shape share one class: prompts are input, not structure. A step with a tool is an agent
in a method, a child a crew in a method, as CrewAI's page on flows has them; a plain step calls the
LLM directly. What an answer decides, a router's label says: a branch listens to its label. A step
that waits for an event is a method with @human_feedback, which pauses the flow.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crewai.flow import human_feedback
from crewai.flow.async_feedback import HumanFeedbackPending, PendingFeedbackContext
from crewai.flow.flow import Flow, and_, listen, or_, router, start
from crewai.flow.persistence import persist
from pydantic import BaseModel

from harness.engines.crewai.crew import crew_of
from harness.engines.crewai.means import Means
from harness.engines.shapes import prompts_of, shape_of
from harness.engines.walk import (
    child_program,
    choice_of,
    fill,
    is_accepted,
    outcome_path,
    tasks_of,
)
from harness.scenario import Program, Step
from mock_llm.receipts import task_path

TASK = "task"
"""A step that a plan's answer delegates; no kind of a program."""


class State(BaseModel):
    """What a flow carries from method to method, and what @persist and checkpoints keep."""

    id: str = ""
    prompts: dict[str, str] = {}
    """Path -> prompt of every step; the input, never changed."""
    answers: dict[str, str] = {}
    """Path -> answer."""


class Nobody:
    """Whom a flow asks for the word that it waits for: nobody, since events come to the worker.

    The way of the page on human feedback: HumanFeedbackPending ends the kickoff, the flow's state
    is saved, and the worker resumes it when the word is there. A flow with @persist runs every
    method again after a kill; the word that its state has is not asked for again.
    """

    def request_feedback(self, context: PendingFeedbackContext, flow: Any) -> str:
        """The word on the event that the method named, or the pause."""
        word: str = flow.state.answers.get(context.method_output, "")
        if not word:
            raise HumanFeedbackPending(context=context)
        return word


def inputs_of(program: Program) -> dict[str, object]:
    """The inputs of a kickoff; the id is the agent's."""
    return {"id": program.agent, "prompts": prompts_of(program.steps)}


class Flows:
    """The flow classes of one process, a class a shape."""

    def __init__(self, means: Means, persistence: Any = None) -> None:
        """With a ``persistence`` the classes are decorated with @persist."""
        self._means = means
        self._persistence = persistence
        self._classes: dict[tuple[Step, ...], Any] = {}

    def of(self, program: Program) -> Any:
        """The class for a program."""
        shape = shape_of(program.steps)
        if shape not in self._classes:
            self._classes[shape] = self._make(shape)
        return self._classes[shape]

    def _make(self, shape: tuple[Step, ...]) -> Any:
        methods: dict[str, Any] = {"__module__": __name__}
        self._wire(shape, None, methods)
        made = type("ProgramFlow", (Flow[State],), methods)
        # durable: flow-persist
        return made if self._persistence is None else persist(self._persistence)(made)

    def _wire(self, steps: Sequence[Step], before: Any, methods: dict[str, Any]) -> Any:
        """Add the methods of a sequence that starts after ``before``; returns what ends it."""
        for step in steps:
            if step.kind == "parallel":
                before = self._fork(step.branches, before, methods)
            elif step.kind == "judge":
                before = self._rounds(step, before, methods)
            elif step.kind == "route":
                name = _add(methods, step.path, router(before), self._choosing(step))
                ends = [
                    self._wire(branch, f"{name}_chose_{number}", methods)
                    for number, branch in enumerate(step.branches)
                ]
                before = or_(*ends)
            else:
                trigger = start() if before is None else listen(before)
                before = _add(methods, step.path, trigger, self._doing(step))
            if step.kind == "receive":
                before = _add(methods, f"{step.path}.heard", listen(before), _hearing(step))
            if step.kind == "plan":
                before = self._fork(_tasks(step), before, methods)
        return before

    def _fork(
        self, branches: Sequence[Sequence[Step]], before: Any, methods: dict[str, Any]
    ) -> Any:
        return and_(*(self._wire(branch, before, methods) for branch in branches))

    def _rounds(self, step: Step, before: Any, methods: dict[str, Any]) -> str:
        """A round after another, each when the verdict before asks for it."""
        done = f"{_name_of(step.path)}_accepted"
        for number, one in enumerate(step.branches):
            again = f"{_name_of(step.path)}_again_{number}"
            end = self._wire(one[:-1], before, methods)
            judge = self._judging(one[-1], done, again)
            _add(methods, one[-1].path, router(end), judge)
            before = again
        return done

    def _doing(self, step: Step) -> Any:
        means = self._means  # CrewAI knows a method's own parameter by its name, self.

        async def say(self: Any) -> str:
            return await _asked(self, step.path, means)

        async def task(self: Any) -> str:
            prompt = tasks_of(self.state.answers[step.after[0]])[step.turns]
            return _kept(self, step.path, await means.llm.acall(prompt))

        async def tools(self: Any) -> str:
            prompt = fill(self.state.prompts[step.path], self.state.answers)
            result = await means.recorder().kickoff_async(prompt)
            return _kept(self, step.path, result.raw)

        async def child(self: Any) -> str:
            given = replace(step, branches=tuple(_prompted(self, one) for one in step.branches))
            program = child_program(self.state.id, given, self.state.answers)
            result = await crew_of(program.steps, means).kickoff_async()
            return _kept(self, outcome_path(program), result.raw)

        async def receive(self: Any) -> str:
            return step.path

        asked = human_feedback(message="Which word?", provider=Nobody())(receive)
        kinds = {
            **{"say": say, "plan": say, TASK: task},
            **{"tools": tools, "child": child, "receive": asked},
        }
        return kinds[step.kind]

    def _choosing(self, step: Step) -> Any:
        means = self._means

        async def choose(self: Any) -> str:
            answer = await _asked(self, step.path, means)
            return f"{_name_of(step.path)}_chose_{choice_of(answer, len(step.branches))}"

        return choose

    def _judging(self, step: Step, done: str, again: str) -> Any:
        means = self._means

        async def judge(self: Any) -> str:
            return done if is_accepted(await _asked(self, step.path, means)) else again

        return judge


def _hearing(step: Step) -> Any:
    """The method behind one that waits: a listener gets the word, once it is there.

    Restored from a checkpoint in between, it gets the result as the JSON that it was written as.
    """

    async def hear(self: Any, result: Any) -> str:
        word = result["feedback"] if isinstance(result, dict) else result.feedback
        return _kept(self, step.path, word)

    return hear


def _add(methods: dict[str, Any], path: str, trigger: Any, method: Any) -> str:
    """Add the method of a step; its name."""
    name = method.__name__ = _name_of(path)
    methods[name] = trigger(method)
    return name


def _tasks(step: Step) -> tuple[tuple[Step, ...], ...]:
    """The delegated tasks of a plan step; in `turns` each has its place in the answer."""
    return tuple(
        (Step(path=task_path(step.path, number), kind=TASK, after=(step.path,), turns=number),)
        for number in range(step.tasks)
    )


async def _asked(flow: Any, path: str, means: Means) -> str:
    """The answer to a step's prompt, kept in the state."""
    prompt = fill(flow.state.prompts[path], flow.state.answers)
    return _kept(flow, path, await means.llm.acall(prompt))


def _kept(flow: Any, path: str, answer: str) -> str:
    flow.state.answers[path] = answer
    return answer


def _prompted(flow: Any, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with their prompts, which the flow's state holds."""
    return tuple(
        replace(
            step,
            prompt=flow.state.prompts.get(step.path, ""),
            branches=tuple(_prompted(flow, branch) for branch in step.branches),
        )
        for step in steps
    )


def _name_of(path: str) -> str:
    """The method of a step: `2.b1` is step_2_b1."""
    return "step_" + path.replace(".", "_")
