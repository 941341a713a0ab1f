"""The least that runs agents on Dapr Workflow: worker, client, wait; 64 starts in flight.

benchmarks/overhead.py measures the harness against it; sidecar and LLM come from there.
"""

import asyncio
import json
import os
import sys
import time

import aiohttp
from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow.aio import DaprWorkflowClient

_session: list[aiohttp.ClientSession] = []


def agent(ctx, steps):
    """Workflow: a chain of LLM calls."""
    answer = ""
    for number in range(steps):
        answer = yield ctx.call_activity(
            call_llm, input=f"part {number} of {steps}, given {answer}"
        )
    return answer


async def call_llm(_ctx, prompt):
    """Activity: one chat completion."""
    if not _session:
        _session.append(aiohttp.ClientSession())
    body = {"model": "mock", "messages": [{"role": "user", "content": prompt}]}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    async with _session[0].post(url, json=body) as answer:
        return (await answer.json())["choices"][0]["message"]["content"]


async def main(agents, steps):
    """Start all, wait for all, print the seconds."""
    runtime = WorkflowRuntime()
    runtime.register_workflow(agent)
    runtime.register_activity(call_llm)
    await asyncio.to_thread(runtime.start)
    client, gate = DaprWorkflowClient(), asyncio.Semaphore(64)

    async def start(number):
        async with gate:
            return await client.schedule_new_workflow(agent, input=steps, instance_id=f"b{number}")

    began = time.monotonic()
    ids = await asyncio.gather(*(start(number) for number in range(agents)))
    for name in ids:
        state = await client.wait_for_workflow_completion(name, timeout_in_seconds=600)
        assert state.runtime_status.name == "COMPLETED", state
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
    os._exit(0)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
