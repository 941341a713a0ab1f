"""Several steps as plain code: what stands in a node of the variant `naive`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import HumanMessage

from harness.engines.langgraph.effects import Effects
from harness.engines.walk import branches_of, fill, is_accepted
from harness.scenario import Step


async def walk(
    effects: Effects, steps: Sequence[Step], prompts: Mapping[str, str], answers: dict[str, str]
) -> None:
    """Do the steps one after another and put their answers into ``answers``."""
    for step in steps:
        if step.kind in ("parallel", "child"):
            await _fork(effects, step.branches, prompts, answers)
        elif step.kind == "judge":
            for one in step.branches:
                await walk(effects, one, prompts, answers)
                if is_accepted(answers[one[-1].path]):
                    break
        elif step.kind == "tools":
            answers[step.path] = await _converse(effects, fill(prompts[step.path], answers))
        else:
            answers[step.path] = await effects.answer(fill(prompts[step.path], answers))
            branches = branches_of(step, answers[step.path])
            delegated = {
                one.path: one.prompt for branch in branches for one in branch if one.prompt
            }
            await _fork(effects, branches, {**prompts, **delegated}, answers)


async def _fork(
    effects: Effects,
    branches: Sequence[Sequence[Step]],
    prompts: Mapping[str, str],
    answers: dict[str, str],
) -> None:
    await asyncio.gather(*(walk(effects, branch, prompts, answers) for branch in branches))


async def _converse(effects: Effects, prompt: str) -> str:
    """Ask, use the tool, ask again, until the LLM answers in words."""
    chat = effects.chat.bind_tools([effects.tool])
    messages: list[Any] = [HumanMessage(prompt)]
    while True:
        reply = await chat.ainvoke(messages)
        messages.append(reply)
        if not reply.tool_calls:
            return str(reply.text)
        messages += [await effects.tool.ainvoke(call) for call in reply.tool_calls]
