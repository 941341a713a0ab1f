"""The agent as a Dapr workflow: what a user of the SDK would write from its documentation.

The workflow holds the control flow and every answer; activities do what has effects. An activity
that was limited says for how long, and the workflow waits on a durable timer: the SDK's RetryPolicy
cannot read Retry-After.

Variants: `agent` runs from the first step to the last; `renewed` continues as new after each step,
so that its history stays short; `reporting` publishes its outcome, and is the lead of a team whose
members are each a `member`; with a peer, activities and child agents run in another app.

Workflow code runs again from the top at every replay, so it draws nothing and asks no clock.
"""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
from dapr.ext.workflow import (
    DaprWorkflowContext,
    RetryPolicy,
    WorkflowActivityContext,
    WorkflowRuntime,
    when_all,
)

from harness.engines.contract import Surroundings
from harness.engines.dapr_workflow.adapter import APPS
from harness.engines.llm import TOOLS, Limited, Llm, LlmError, limited_wait_s
from harness.engines.messages import (
    ANSWERS,
    NOTES,
    RESULTS,
    TASKS,
    Answer,
    Message,
    Publisher,
    Task,
)
from harness.engines.streams import Streams
from harness.engines.walk import (
    MESSAGE_KINDS,
    branches_of,
    child_program,
    fill,
    is_accepted,
    outcome_path,
)
from harness.scenario import Program, Step

NOTES_MAX = 1000
"""Of one step; the places of a later step's notes come after them."""
WORKFLOW = "agent"
RENEWED = "renewed-agent"
REPORTING = "reporting-agent"
MEMBER = "member-agent"
RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    max_number_of_attempts=5,
    backoff_coefficient=2.0,
    max_retry_interval=timedelta(seconds=10),
)
"""For lost connections and 5xx; a 429 never gets here."""

Flow = Generator[Any, Any, Any]
Json = dict[str, Any]
Answers = dict[str, str]


def agent(ctx: DaprWorkflowContext, program_json: Json) -> Flow:
    """Walk the program; the output is the last step's answer."""
    program = msgspec.convert(program_json, Program)
    answers: Answers = {}
    yield from _sequence(ctx, program.steps, answers)
    return answers[program.steps[-1].path]


# durable: continue-as-new
def renewed(ctx: DaprWorkflowContext, state: Json) -> Flow:
    """One step, then on as a new run of the same instance, with the answers so far.

    Events that came meanwhile are carried over: without ``save_events`` they would be lost.
    """
    state = {"program": state, "answers": {}, "done": 0} if "program" not in state else state
    program = msgspec.convert(state["program"], Program)
    answers: Answers = dict(state["answers"])
    done = state["done"] + 1
    yield from _sequence(ctx, program.steps[done - 1 : done], answers)
    if done == len(program.steps):
        return answers[program.steps[-1].path]
    ctx.continue_as_new(state | {"answers": answers, "done": done}, save_events=True)
    return None


def reporting(ctx: DaprWorkflowContext, program_json: Json) -> Flow:
    """The agent, whose outcome is also published as a message."""
    outcome = yield from agent(ctx, program_json)
    agent_id = ctx.instance_id
    yield _published(
        ctx, Message(id=f"{agent_id}/result", topic=RESULTS, agent=agent_id, content=outcome)
    )
    return outcome


def member(ctx: DaprWorkflowContext, task_json: Json) -> Flow:
    """An agent of a team, whose outcome is a message to its lead."""
    task = msgspec.convert(task_json, Task)
    outcome = yield from agent(ctx, task_json["program"])
    path = outcome_path(task.program)
    yield _published(
        ctx,
        Message(
            id=f"{task.lead}/{path}/answer",
            topic=ANSWERS,
            agent=task.lead,
            content=Answer(path=path, outcome=outcome),
        ),
    )
    return outcome


def _published(ctx: DaprWorkflowContext, *messages: Message) -> Any:
    """The messages as a task of the workflow: done when the broker has them."""
    return ctx.call_activity(publish, input=msgspec.to_builtins(messages), retry_policy=RETRY)


def _sequence(ctx: DaprWorkflowContext, steps: Sequence[Step], answers: Answers) -> Flow:
    """Steps one after another; what an answer decides is decided again, alike, at every replay."""
    for number, step in enumerate(steps):
        if step.kind == "parallel":
            yield from _side_by_side(ctx, step.branches, answers)
        elif step.kind == "judge":
            for one in step.branches:
                yield from _sequence(ctx, one, answers)
                if is_accepted(answers[one[-1].path]):
                    break
        elif step.kind == "tools":
            answers[step.path] = yield from _tool_loop(ctx, step, answers)
        elif step.kind in ("child", "wait", "receive", *MESSAGE_KINDS):
            yield from _with_others(ctx, step, number, answers)
        else:
            (answer,) = yield from _ask(ctx, [_messages(step, answers)])
            answers[step.path] = answer["content"]
            branches = branches_of(step, answer["content"])
            if step.kind == "route":
                yield from _sequence(ctx, branches[0], answers)
            elif step.kind == "plan":
                yield from _side_by_side(ctx, branches, answers)


def _with_others(ctx: DaprWorkflowContext, step: Step, number: int, answers: Answers) -> Flow:
    """A step that asks no LLM: it waits for somebody, or tells somebody."""
    if step.kind == "child":
        child = child_program(f"{ctx.instance_id}-{step.path}", step, answers)
        answers[outcome_path(child)] = yield ctx.call_child_workflow(
            agent, input=msgspec.to_builtins(child), instance_id=child.agent, app_id=peer()
        )
    elif step.kind == "wait":
        yield ctx.create_timer(timedelta(seconds=step.wait_s))
    elif step.kind == "receive":
        answers[step.path] = yield ctx.wait_for_external_event(step.path)
    elif step.kind == "team":
        yield from _team(ctx, step, answers)
    else:
        yield _published(ctx, *_notes(ctx.instance_id, step, number, answers))


def _team(ctx: DaprWorkflowContext, step: Step, answers: Answers) -> Flow:
    """Tell each member what to do, and wait for what came of it; both by messages."""
    lead = ctx.instance_id
    members = [
        child_program(f"{lead}-{one[0].path}", replace(step, branches=(one,)), answers)
        for one in step.branches
    ]
    tasks = [
        Message(
            id=f"{lead}/{outcome_path(one)}/task",
            topic=TASKS,
            agent=one.agent,
            content=Task(lead=lead, program=one),
        )
        for one in members
    ]
    if _is_streaming():
        yield ctx.call_activity(
            publish_in_bulk, input=msgspec.to_builtins(tasks), retry_policy=RETRY
        )
    else:
        yield when_all([_published(ctx, task) for task in tasks])
    paths = [outcome_path(one) for one in members]
    outcomes = yield when_all([ctx.wait_for_external_event(path) for path in paths])
    answers |= dict(zip(paths, outcomes, strict=True))


def _notes(agent_id: str, step: Step, number: int, answers: Answers) -> list[Message]:
    """What a step publishes; the notes of one agent are in order."""
    paths = [f"{step.path}.{place}" for place in range(step.tasks)] or [step.path]
    return [
        Message(
            id=f"{agent_id}/{path}",
            topic=NOTES,
            agent=agent_id,
            content=fill(step.prompt, answers),
            key=agent_id,
            number=number * NOTES_MAX + place,
        )
        for place, path in enumerate(paths)
    ]


def _side_by_side(
    ctx: DaprWorkflowContext, branches: Sequence[Sequence[Step]], answers: dict[str, str]
) -> Flow:
    """All branches at once, a step of each at a time."""
    for number in range(max(len(branch) for branch in branches)):
        wave = [branch[number] for branch in branches if number < len(branch)]
        replies = yield from _ask(ctx, [_messages(one, answers) for one in wave])
        for one, reply in zip(wave, replies, strict=True):
            answers[one.path] = reply["content"]


def _tool_loop(ctx: DaprWorkflowContext, step: Step, answers: Answers) -> Flow:
    """Ask, run the tools that the LLM wants, ask again, until it answers in words."""
    messages = _messages(step, answers)
    while True:
        (message,) = yield from _ask(ctx, [messages], has_tools=True)
        messages.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            return message["content"]
        results = yield when_all(
            [
                ctx.call_activity(run_tool, input=call, retry_policy=RETRY, app_id=peer())
                for call in calls
            ]
        )
        messages.extend(results)


def _ask(ctx: DaprWorkflowContext, prompts: list[list[Json]], *, has_tools: bool = False) -> Flow:
    """Ask the LLM each prompt at once; those that were limited again, after their wait."""
    replies: dict[int, Json] = {}
    waiting, tries = list(range(len(prompts))), 0
    while waiting:
        answers = yield when_all(
            [
                ctx.call_activity(
                    call_llm,
                    input={"messages": prompts[number], "has_tools": has_tools},
                    retry_policy=RETRY,
                    app_id=peer(),
                )
                for number in waiting
            ]
        )
        replies |= dict(zip(waiting, answers, strict=True))
        waiting = [number for number in waiting if "retry_after_s" in replies[number]]
        if waiting:
            tries += 1
            longest_s = max(replies[number]["retry_after_s"] for number in waiting)
            yield ctx.create_timer(timedelta(seconds=limited_wait_s(longest_s, tries)))
    return [replies[number] for number in range(len(prompts))]


def _messages(step: Step, answers: Answers) -> list[Json]:
    return [{"role": "user", "content": fill(step.prompt, answers)}]


async def call_llm(_ctx: WorkflowActivityContext, request: Json) -> Json:
    """Activity: one chat completion; a 429 is an answer, every other error is a failure."""
    try:
        answer = await llm().chat(
            request["messages"], tools=TOOLS if request["has_tools"] else None
        )
    except Limited as limited:
        if not limited.is_retryable:
            raise LlmError(429, "the LLM will never accept this request") from limited
        return {"retry_after_s": limited.retry_after_s}
    return answer.message


async def run_tool(ctx: WorkflowActivityContext, call: Json) -> Json:
    """Activity: one tool call, under the idempotency key that the SDK gives an activity."""
    arguments = msgspec.json.decode(call["function"]["arguments"])
    key = ctx.get_inner_context().task_execution_id
    result = await llm().effect(
        arguments["agent"], arguments["path"], arguments["value"], key or None
    )
    return {"role": "tool", "tool_call_id": call["id"], "content": result}


async def publish(_ctx: WorkflowActivityContext, messages: list[Json]) -> None:
    """Activity: a message to its topic; done when the broker has it."""
    await _publisher().publish(*msgspec.convert(messages, list[Message]))


async def publish_in_bulk(_ctx: WorkflowActivityContext, messages: list[Json]) -> None:
    """Activity: messages of one topic in one request."""
    found = msgspec.convert(messages, list[Message])
    topic = found[0].topic
    await _publisher().publish_all(found, lambda: _streams().publish(topic, found))


def _is_streaming() -> bool:
    """The same in every pod, and so at every replay."""
    return os.environ.get("ONCEPROOF_VARIANT") == "streaming"


def peer() -> str | None:
    """The app that runs this app's activities and child agents; None for this app itself.

    The same in every pod of an app, and so at every replay.
    """
    own = os.environ.get("APP_ID", "")
    return APPS[1 - APPS.index(own)] if own in APPS else None


_llm: list[Llm] = []


def llm() -> Llm:
    """The process's one client, made in the loop of the SDK's worker thread at first use."""
    if not _llm:
        _llm.append(Llm(Surroundings.from_environ(os.environ)))
    return _llm[0]


_publishers: list[Publisher] = []


def _publisher() -> Publisher:
    """As `llm`, for messages."""
    if not _publishers:
        _publishers.append(Publisher(Surroundings.from_environ(os.environ), os.environ))
    return _publishers[0]


_all_streams: list[Streams] = []


def _streams() -> Streams:
    """As `llm`, for requests of the SDK's own client."""
    if not _all_streams:
        _all_streams.append(Streams())
    return _all_streams[0]


def runtime() -> WorkflowRuntime:
    """The SDK's worker with everything registered, not yet started."""
    # durable
    made = WorkflowRuntime()
    # durable
    made.register_workflow(agent, name=WORKFLOW)
    # durable: continue-as-new
    made.register_workflow(renewed, name=RENEWED)
    made.register_workflow(reporting, name=REPORTING)
    made.register_workflow(member, name=MEMBER)
    made.register_activity(publish)
    made.register_activity(publish_in_bulk)
    # durable
    made.register_activity(call_llm)
    # durable
    made.register_activity(run_tool)
    return made
