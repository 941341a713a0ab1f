"""A program as a Dapr workflow over the framework's parts, as its quickstarts show them.

A step that only asks is an activity with the framework's chat client; a step with tools is a
DurableAgent, called as a child workflow. Workflow code runs again from the top at every replay, so
it draws nothing and asks no clock.
"""

from collections.abc import Callable, Generator, Sequence
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
from dapr_agents import DurableAgent
from dapr_agents.agents.configs import WorkflowRetryPolicy
from dapr_agents.workflow.utils.core import call_agent

from harness.engines.dapr_agents.agents import SETTINGS, chat_client, make_agents
from harness.engines.walk import branches_of, child_program, fill, is_accepted, outcome_path
from harness.scenario import Program, Step
from mock_llm.receipts import task_path

WORKFLOW = "program"

Flow = Generator[Any, Any, Any]
Json = dict[str, Any]


class Programs:
    """The workflow and its activity, bound to the agents of this process."""

    def __init__(self, variant: str) -> None:
        """Make the agents, register everything and connect to the sidecar, which must be up."""
        settings = SETTINGS[variant]
        self._llm = chat_client()
        self._retry = retry_policy(settings.retry)
        # durable: [!s]*
        self.runtime = WorkflowRuntime(maximum_thread_pool_workers=settings.threads)
        # durable: [!s]*
        self.runtime.register_workflow(_named(self.program, WORKFLOW), name=WORKFLOW)
        # durable: [!s]*
        self.runtime.register_activity(_named(self.ask, "ask"), name="ask")
        self._is_recalled = bool(settings.memory)
        self.runtime.register_activity(_named(self.recall, "recall"), name="recall")
        self._agents = make_agents(self.runtime, settings)
        # durable: [!s]*
        self._agents.start(settings)

    def program(self, ctx: DaprWorkflowContext, program_json: Json) -> Flow:
        """Walk the program; the output is the last step's answer."""
        program = msgspec.convert(program_json, Program)
        answers: dict[str, str] = {}
        yield from self._sequence(ctx, program.steps, answers)
        runs = [self._run_of(ctx, step) for step in program.steps if step.kind == "tools"]
        if self._is_recalled and runs:
            yield ctx.call_activity("recall", input=runs)
        return answers[program.steps[-1].path]

    def _sequence(
        self, ctx: DaprWorkflowContext, steps: Sequence[Step], answers: dict[str, str]
    ) -> Flow:
        """Steps one after another; what an answer decides is decided alike at every replay."""
        for step in steps:
            if step.kind == "parallel":
                yield from self._side_by_side(ctx, step.branches, answers)
            elif step.kind == "judge":
                for one in step.branches:
                    yield from self._sequence(ctx, one, answers)
                    if is_accepted(answers[one[-1].path]):
                        break
            elif step.kind == "child":
                child = child_program(f"{ctx.instance_id}-{step.path}", step, answers)
                answers[outcome_path(child)] = yield ctx.call_child_workflow(
                    WORKFLOW, input=msgspec.to_builtins(child), instance_id=child.agent
                )
            elif step.kind == "wait":
                yield ctx.create_timer(timedelta(seconds=step.wait_s))
            elif step.kind == "receive":
                answers[step.path] = yield ctx.wait_for_external_event(step.path)
            elif step.kind == "plan" and self._agents.for_plans is not None:
                content = (yield self._called(ctx, self._agents.for_plans, step, answers))[
                    "content"
                ]
                # The last word has what the workers said; a later prompt gets it once.
                answers |= {task_path(step.path, number): "" for number in range(step.tasks)}
                answers[task_path(step.path, 0)] = content
            else:
                answer = _text(step, (yield self._begun(ctx, step, answers)))
                answers[step.path] = answer
                if step.kind == "route":
                    yield from self._sequence(ctx, branches_of(step, answer)[0], answers)
                elif step.kind == "plan":
                    yield from self._side_by_side(ctx, branches_of(step, answer), answers)

    def _side_by_side(
        self, ctx: DaprWorkflowContext, branches: Sequence[Sequence[Step]], answers: dict[str, str]
    ) -> Flow:
        """All branches at once, a step of each at a time."""
        for number in range(max(len(branch) for branch in branches)):
            wave = [branch[number] for branch in branches if number < len(branch)]
            results = yield when_all([self._begun(ctx, one, answers) for one in wave])
            for one, result in zip(wave, results, strict=True):
                answers[one.path] = _text(one, result)

    def _begun(self, ctx: DaprWorkflowContext, step: Step, answers: dict[str, str]) -> Any:
        """The step as a task of the workflow: an agent's run or one LLM activity."""
        if step.kind == "tools":
            return self._called(ctx, self._agents.for_tools, step, answers)
        return ctx.call_activity("ask", input=fill(step.prompt, answers), retry_policy=self._retry)

    def _called(
        self, ctx: DaprWorkflowContext, agent: DurableAgent, step: Step, answers: dict[str, str]
    ) -> Any:
        return call_agent(
            ctx,
            agent.name,
            input={"task": fill(step.prompt, answers)},
            app_id=agent.appid,
            instance_id=self._run_of(ctx, step),
        )

    @staticmethod
    def _run_of(ctx: DaprWorkflowContext, step: Step) -> str:
        """The id of an agent's run for a step."""
        return f"{ctx.instance_id}-{step.path}"

    def ask(self, _ctx: WorkflowActivityContext, prompt: str) -> str:
        """Activity: one prompt to the LLM. A thread of the worker waits with it."""
        text: str = self._llm.generate([{"role": "user", "content": prompt}]).get_message().content
        return text

    def recall(self, _ctx: WorkflowActivityContext, runs: list[str]) -> None:
        """Activity: say in the log how much the agent remembers of its runs; no prompt has it."""
        for run in runs:
            print(f"memory of {run}: {self._agents.remembered(run)}", flush=True)  # noqa: T201


def retry_policy(policy: WorkflowRetryPolicy) -> RetryPolicy:
    """The framework's policy in the SDK's words, as DurableAgent translates it for itself."""
    return RetryPolicy(
        max_number_of_attempts=policy.max_attempts,
        first_retry_interval=timedelta(seconds=policy.initial_backoff_seconds),
        max_retry_interval=timedelta(seconds=policy.max_backoff_seconds),
        backoff_coefficient=policy.backoff_multiplier,
    )


def _text(step: Step, result: Any) -> str:
    """A step's answer: an agent gives its final message, an activity the words."""
    text: str = result["content"] if step.kind == "tools" else result
    return text


# durable: [!s]*
def _named(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A plain function, since the SDK writes attributes on what it registers."""

    def call(ctx: Any, given: Any) -> Any:
        return method(ctx, given)

    call.__name__ = name
    return call
