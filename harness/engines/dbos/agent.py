"""The agent as a DBOS workflow: what a user would write from DBOS's documentation.

The workflow holds the control flow; steps do what has effects, and DBOS records the result of each.
A step that was limited says for how long, and the workflow sleeps durably: a step's own retries
have a fixed backoff and cannot read Retry-After.

A recovered workflow runs again from the top and takes recorded results in the order of its calls,
so that nothing here may draw, ask a clock, or start steps in an order of chance.
"""

import asyncio
import os
from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec
from dbos import DBOS

from harness.engines.contract import Surroundings
from harness.engines.llm import TOOLS, Limited, Llm, LlmError, limited_wait_s
from harness.engines.walk import branches_of, child_program, fill, is_accepted, outcome_path
from harness.scenario import Program, Step

EVENT_S = 7 * 24 * 3600.0
"""How long an agent waits for an event; DBOS wants a bound."""

Json = dict[str, Any]


# durable
@DBOS.workflow()  # type: ignore[untyped-decorator] # DBOS is not followed by the type checker.
async def agent(program_json: Json) -> str:
    """Walk the program; the output is the last step's answer."""
    program = msgspec.convert(program_json, Program)
    answers: dict[str, str] = {}
    await _sequence(program.steps, answers)
    return answers[outcome_path(program)]


async def _sequence(steps: Sequence[Step], answers: dict[str, str]) -> None:
    """Steps one after another; what an answer decides is decided again, alike, at a recovery."""
    for step in steps:
        if step.kind == "parallel":
            await _side_by_side(step.branches, answers)
        elif step.kind == "judge":
            for one in step.branches:
                await _sequence(one, answers)
                if is_accepted(answers[one[-1].path]):
                    break
        elif step.kind == "tools":
            answers[step.path] = await _tool_loop(step, answers)
        elif step.kind == "child":
            child = child_program(f"{DBOS.workflow_id}-{step.path}", step, answers)
            answers[outcome_path(child)] = await agent(msgspec.to_builtins(child))
        elif step.kind == "wait":
            await DBOS.sleep_async(step.wait_s)
        elif step.kind == "receive":
            answers[step.path] = await _event(step.path)
        else:
            (answer,) = await _ask([_messages(step, answers)])
            answers[step.path] = answer["content"]
            branches = branches_of(step, answer["content"])
            if step.kind == "route":
                await _sequence(branches[0], answers)
            elif step.kind == "plan":
                await _side_by_side(branches, answers)


async def _side_by_side(branches: Sequence[Sequence[Step]], answers: dict[str, str]) -> None:
    """All branches at once, a step of each at a time: DBOS wants steps started in one order."""
    for number in range(max(len(branch) for branch in branches)):
        wave = [branch[number] for branch in branches if number < len(branch)]
        replies = await _ask([_messages(one, answers) for one in wave])
        for one, reply in zip(wave, replies, strict=True):
            answers[one.path] = reply["content"]


async def _tool_loop(step: Step, answers: dict[str, str]) -> str:
    """Ask, run the tools that the LLM wants, ask again, until it answers in words."""
    messages = _messages(step, answers)
    while True:
        (message,) = await _ask([messages], has_tools=True)
        messages.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            content: str = message["content"]
            return content
        messages += await _all([run_tool(call) for call in calls])


async def _ask(prompts: list[list[Json]], *, has_tools: bool = False) -> list[Json]:
    """Ask the LLM each prompt at once; those that were limited again, after their wait."""
    replies: dict[int, Json] = {}
    waiting, tries = list(range(len(prompts))), 0
    while waiting:
        answers = await _all([call_llm(prompts[number], has_tools) for number in waiting])
        replies |= dict(zip(waiting, answers, strict=True))
        waiting = [number for number in waiting if "retry_after_s" in replies[number]]
        if waiting:
            tries += 1
            longest_s = max(replies[number]["retry_after_s"] for number in waiting)
            await DBOS.sleep_async(limited_wait_s(longest_s, tries))
    return [replies[number] for number in range(len(prompts))]


async def _all(steps: Sequence[Awaitable[Json]]) -> list[Json]:
    """Wait for all, also when one fails, as the page on parallel steps has it."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for failure in (one for one in results if isinstance(one, BaseException)):
        raise failure
    return [one for one in results if not isinstance(one, BaseException)]


async def _event(name: str) -> str:
    message: str | None = await DBOS.recv_async(name, timeout_seconds=EVENT_S)
    if message is None:
        raise TimeoutError(f"no event {name!r} in {EVENT_S:g} s")
    return message


def _messages(step: Step, answers: dict[str, str]) -> list[Json]:
    return [{"role": "user", "content": fill(step.prompt, answers)}]


def is_transient(error: BaseException) -> bool:
    """Whether a step is tried again: lost connections and 5xx; a 429 never gets here."""
    return isinstance(error, LlmError) and (error.status == 0 or error.status >= 500)


RETRIES: Json = {"retries_allowed": True, "max_attempts": 5, "should_retry": is_transient}
"""Of every step; between attempts 1, 2, 4 and 8 s, DBOS's default."""


# durable
@DBOS.step(**RETRIES)  # type: ignore[untyped-decorator]
async def call_llm(messages: list[Json], has_tools: bool) -> Json:
    """One chat completion; a 429 is an answer, every other error is a failure."""
    try:
        answer = await llm().chat(messages, tools=TOOLS if has_tools else None)
    except Limited as limited:
        if not limited.is_retryable:
            raise LlmError(429, "the LLM will never accept this request") from limited
        return {"retry_after_s": limited.retry_after_s}
    return answer.message


# durable
@DBOS.step(**RETRIES)  # type: ignore[untyped-decorator]
async def run_tool(call: Json) -> Json:
    """One tool call, under the two ids that DBOS gives a step: alike in every attempt."""
    arguments = msgspec.json.decode(call["function"]["arguments"])
    key = f"{DBOS.workflow_id}-{DBOS.step_id}"
    result = await llm().effect(arguments["agent"], arguments["path"], arguments["value"], key)
    return {"role": "tool", "tool_call_id": call["id"], "content": result}


_llm: list[Llm] = []


def llm() -> Llm:
    """The process's one client: DBOS runs all workflows in the loop that launched it."""
    if not _llm:
        _llm.append(Llm(Surroundings.from_environ(os.environ)))
    return _llm[0]
