"""The plain loop: what a team writes first, with or without a ledger underneath.

Both controls run this very loop; all that differs is the `Ledger` that they give it.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from harness.clock import NS_PER_S, SystemClock
from harness.engines.llm import (
    TOOLS,
    Answer,
    Llm,
    LlmError,
    Message,
    ToolCall,
    answer_of,
    patiently,
)
from harness.engines.walk import branches_of, fill, is_accepted, outcome_path
from harness.scenario import Program, Step

CLOCK = SystemClock()


class Ledger(Protocol):
    """Where results are written before they are used, if anywhere."""

    def find(self, agent: str, name: str) -> str | None:
        """The result under this name; None when there is none."""

    async def keep(self, agent: str, name: str, value: str) -> str:
        """Write a result, unless one is there; returns the one to use, once it is safe."""

    def key(self, agent: str, path: str) -> str | None:
        """The idempotency key of an effect; None for none."""


class Forgetful:
    """The naive control's ledger: it keeps nothing and knows no keys."""

    def find(self, agent: str, name: str) -> str | None:
        """See Ledger."""
        return None

    async def keep(self, agent: str, name: str, value: str) -> str:
        """See Ledger."""
        return value

    def key(self, agent: str, path: str) -> str | None:
        """See Ledger."""
        return None


class Mailbox:
    """Events for agents: written to the ledger before they count, read when an agent waits.

    With a ledger that forgets they live as long as the process does.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._events: dict[tuple[str, str], str] = {}
        self._came = asyncio.Event()

    async def put(self, agent: str, name: str, payload: str) -> None:
        """Keep an event; the first of a name stands."""
        # durable: guarded
        kept = await self._ledger.keep(agent, f"{name}.event", payload)
        self._events.setdefault((agent, name), kept)
        self._came.set()
        self._came = asyncio.Event()

    async def read(self, agent: str, name: str) -> str:
        """Wait for an event that may have come already, to this process or to one before it."""
        while True:
            found = self._events.get((agent, name)) or self._ledger.find(agent, f"{name}.event")
            if found is not None:
                return found
            await self._came.wait()


async def run(program: Program, llm: Llm, ledger: Ledger, mailbox: Mailbox) -> str:
    """Run a program from its first step; returns the outcome.

    Raises:
        Limited, LlmError: a call failed for good; of parallel branches, in an ExceptionGroup.
    """
    answers: dict[str, str] = {}
    loop = _Loop(program.agent, llm, ledger, mailbox, answers)
    await loop.sequence(program.steps)
    return answers[outcome_path(program)]


class _Loop:
    def __init__(
        self, agent: str, llm: Llm, ledger: Ledger, mailbox: Mailbox, answers: dict[str, str]
    ) -> None:
        self._agent = agent
        self._mailbox = mailbox
        self._llm = llm
        self._ledger = ledger
        self._answers = answers

    async def sequence(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.kind == "parallel":
                await self._fork(step.branches)
            elif step.kind == "judge":
                for one in step.branches:
                    await self.sequence(one)
                    if is_accepted(self._answers[one[-1].path]):
                        break
            elif step.kind == "child":
                await self.sequence(step.branches[0])
            elif step.kind == "wait":
                await self._sleep(step)
            elif step.kind == "receive":
                self._answers[step.path] = await self._mailbox.read(self._agent, step.path)
            else:
                answer = self._answers[step.path] = await self._converse(step)
                await self._fork(branches_of(step, answer))

    async def _fork(self, branches: Sequence[Sequence[Step]]) -> None:
        async with asyncio.TaskGroup() as group:
            for branch in branches:
                group.create_task(self.sequence(branch))

    async def _sleep(self, step: Step) -> None:
        """Until the due time, which is written down before; a ledger that forgets begins anew."""
        name = f"{step.path}.due"
        # durable: guarded
        due = self._ledger.find(self._agent, name)
        if due is None:
            due_ns = CLOCK.wall_ns() + int(step.wait_s * NS_PER_S)
            # durable: guarded
            due = await self._ledger.keep(self._agent, name, str(due_ns))
        await asyncio.sleep(max(0, int(due) - CLOCK.wall_ns()) / NS_PER_S)

    async def _converse(self, step: Step) -> str:
        messages: list[Message] = [{"role": "user", "content": fill(step.prompt, self._answers)}]
        tools = TOOLS if step.kind == "tools" else None
        for turn in range(step.turns + 1):
            name = f"{step.path}.t{turn}"
            answer = await self._answer(name, messages, tools)
            if not answer.tool_calls:
                return answer.text
            messages.append(answer.message)
            for index, call in enumerate(answer.tool_calls):
                receipt = await self._effect(f"{name}.c{index}", call)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": receipt})
        raise LlmError(200, f"step {step.path!r} still calls tools after {step.turns} turns")

    async def _answer(
        self, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        # durable: guarded
        value = self._ledger.find(self._agent, name)
        if value is None:
            answer = await patiently(lambda: self._llm.chat(messages, tools=tools))
            # durable: guarded
            text = msgspec.json.encode(answer.message).decode()
            # durable: guarded
            value = await self._ledger.keep(self._agent, name, text)
        return answer_of(msgspec.json.decode(value))

    async def _effect(self, name: str, call: ToolCall) -> str:
        # durable: guarded
        receipt = self._ledger.find(self._agent, name)
        if receipt is None:
            agent, path, value = map(call.argument, ("agent", "path", "value"))
            # durable: guarded
            key = self._ledger.key(self._agent, path)
            given = await patiently(lambda: self._llm.effect(agent, path, value, key))
            # durable: guarded
            receipt = await self._ledger.keep(self._agent, name, given)
        return receipt
