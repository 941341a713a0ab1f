"""Walks a program: asks, acts and commits in the program's order, as a `Policy` decides.

The same walk serves a fresh agent and a resumed one: whatever is committed already is recalled,
so a resumed agent is at once where it stopped.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from harness.engines.contract import AgentView
from harness.engines.llm import TOOLS, Answer, LlmError, Message, ToolCall, patiently
from harness.engines.reference.policy import Policy, RunAgent, restored, stored
from harness.engines.walk import child_program, outcome_path
from harness.errors import EngineError, UsageError
from harness.scenario import Program, Step


class Interpreter:
    """Runs agents, any number at once."""

    def __init__(self, policy: Policy, run_beside: RunAgent) -> None:
        """``run_beside`` runs a child agent as one of its own."""
        self._policy = policy
        self._run_beside = run_beside

    async def run(self, program: Program) -> None:
        """Run an agent to its end, `completed` or, when a call fails for good, `failed`."""
        answers: dict[str, str] = {}
        try:
            await self._sequence(program.agent, program.steps, answers)
            view = AgentView(status="completed", output=answers[outcome_path(program)])
        except* (EngineError, UsageError) as errors:
            view = AgentView(status="failed", output="; ".join(map(str, _leaves(errors))))
        self._policy.end(program.agent, view)

    async def _sequence(self, agent: str, steps: Sequence[Step], answers: dict[str, str]) -> None:
        """Steps one after another; their answers go to ``answers``, which branches share."""
        done: list[str] = []
        while (step := self._policy.next_step(agent, steps, done)) is not None:
            if step.kind == "parallel":
                await self._fork(agent, step.branches, answers)
            elif step.kind == "judge":
                await self._rounds(agent, step, answers)
            elif step.kind == "child":
                await self._child(agent, step, answers)
            elif step.kind == "wait":
                await self._policy.sleep(agent, f"{step.path}.due", step.wait_s)
            elif step.kind == "receive":
                answers[step.path] = await self._policy.await_event(agent, step.path)
            else:
                answers[step.path] = await self._converse(agent, step, answers)
                branches = self._policy.branches(agent, step, answers[step.path])
                await self._fork(agent, branches, answers)
            done.append(step.path)

    async def _rounds(self, agent: str, step: Step, answers: dict[str, str]) -> None:
        """Rounds one after another, each judged by its last answer, until that was the last one."""
        for number, one in enumerate(step.branches, start=1):
            await self._sequence(agent, one, answers)
            verdict = answers[one[-1].path]
            if self._policy.is_over(agent, verdict, len(step.branches) - number):
                break

    async def _fork(
        self, agent: str, branches: Sequence[Sequence[Step]], answers: dict[str, str]
    ) -> None:
        """Sequences side by side."""
        async with asyncio.TaskGroup() as group:
            for branch in branches:
                group.create_task(self._sequence(agent, branch, answers))

    async def _child(self, agent: str, step: Step, answers: dict[str, str]) -> None:
        """Run the child; its outcome is the answer of its last step."""
        program = child_program(f"{agent}/{step.path}", step, answers)
        view = await self._policy.run_child(program, self._run_beside)
        if view.status != "completed":
            raise EngineError(f"child {program.agent} failed: {view.output}")
        answers[outcome_path(program)] = view.output

    async def _converse(self, agent: str, step: Step, answers: dict[str, str]) -> str:
        """Ask, run the tools that are asked for, ask again, until an answer in words."""
        messages = self._policy.conversation(agent, step, answers)
        tools = TOOLS if step.kind == "tools" else None
        for turn in range(step.turns + 1):
            name = f"{step.path}.t{turn}"
            answer = await self._answer(agent, name, messages, tools)
            if not answer.tool_calls:
                return answer.text
            messages.append(answer.message)
            async with asyncio.TaskGroup() as group:
                effects = [
                    group.create_task(self._effect(agent, f"{name}.c{index}", call))
                    for index, call in enumerate(answer.tool_calls)
                ]
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": effect.result()}
                for call, effect in zip(answer.tool_calls, effects, strict=True)
            ]
        raise LlmError(200, f"step {step.path!r} still calls tools after {step.turns} turns")

    async def _answer(
        self,
        agent: str,
        name: str,
        messages: Sequence[Message],
        tools: Sequence[Message] | None,
    ) -> Answer:
        policy = self._policy
        value = policy.recall(agent, name)
        if value is None:
            answer = await patiently(
                lambda: policy.ask(agent, name, messages, tools), partial(policy.wait_s, agent)
            )
            value = policy.commit(agent, name, stored(answer))
        return restored(value)

    async def _effect(self, agent: str, name: str, call: ToolCall) -> str:
        policy = self._policy
        receipt = policy.recall(agent, name)
        if receipt is None:
            value = await patiently(lambda: policy.act(agent, call), partial(policy.wait_s, agent))
            receipt = policy.commit(agent, name, value)
        return receipt


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
