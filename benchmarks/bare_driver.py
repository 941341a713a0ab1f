"""The least that runs agents on Dapr Workflow; benchmarks/overhead.py brings all it needs."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import aiohttp
from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow.aio import DaprWorkflowClient

_session: list[aiohttp.ClientSession] = []


def agent(ctx, steps):
    """Workflow: a chain of LLM calls."""
    answers = {}
    for step in steps:
        prompt = step["prompt"]
        for path, answer in answers.items():
            prompt = prompt.replace(f"{{answer:{path}}}", answer)
        answers[step["path"]] = yield ctx.call_activity(call_llm, input=prompt)
    return answers[steps[-1]["path"]]


async def call_llm(_ctx, prompt):
    """Activity: one chat completion."""
    if not _session:
        _session.append(aiohttp.ClientSession())
    body = {"model": "mock", "messages": [{"role": "user", "content": prompt}]}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    async with _session[0].post(url, json=body) as answer:
        return (await answer.json())["choices"][0]["message"]["content"]


async def main(programs):
    """Start all, wait for all, print the seconds."""
    runtime = WorkflowRuntime()
    runtime.register_workflow(agent)
    runtime.register_activity(call_llm)
    await asyncio.to_thread(runtime.start)
    client, gate = DaprWorkflowClient(), asyncio.Semaphore(64)

    async def start(name, steps):
        async with gate:
            return await client.schedule_new_workflow(agent, input=steps, instance_id=name)

    began = time.monotonic()
    ids = await asyncio.gather(*(start(one["agent"], one["steps"]) for one in programs))
    for name in ids:
        state = await client.wait_for_workflow_completion(name, timeout_in_seconds=600)
        assert state.runtime_status.name == "COMPLETED", state
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
    os._exit(0)


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
