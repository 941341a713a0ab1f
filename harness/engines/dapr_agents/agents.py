"""The agents of the engine: what a user of Dapr Agents would write from its quickstarts."""

import threading
from dataclasses import dataclass, field

import grpc
from dapr.ext.workflow import WorkflowRuntime
from dapr_agents import DurableAgent, OpenAIChatClient
from dapr_agents.agents.configs import (
    AgentExecutionConfig,
    AgentMemoryConfig,
    AgentPubSubConfig,
    OrchestrationMode,
    WorkflowRetryPolicy,
)
from dapr_agents.hooks import Hooks, RequireApproval
from dapr_agents.memory import (
    ConversationDaprStateMemory,
    ConversationListMemory,
    ConversationVectorMemory,
    MemoryBase,
)

from harness.engines.dapr_agents.tools import tools_of
from harness.engines.llm import MODEL

RECORDER = "recorder"
ITERATIONS_MAX = 100
"""The framework stops at 10 and calls that completed; a program may ask for more turns."""
HUMAN_S = 3.0
"""How often the human looks for something to approve: a quick one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a variant sets."""

    threads: int | None = None
    """Worker threads; None for the SDK's own: processors plus 4."""
    retry: WorkflowRetryPolicy = field(default_factory=WorkflowRetryPolicy)
    """Of every activity, the agents' own included."""
    tool: str = "function"
    """function | mcp | mcp-durable | crew: what `record` is."""
    has_human: bool = False
    """Each tool call waits for a human's approval."""
    orchestration: OrchestrationMode | None = None
    """How an orchestrator picks one of two recorders for a step."""
    has_workers: bool = False
    """A plan is an agent's, which has another one as its tool."""
    has_planner: bool = False
    """A plan is an orchestrator's in mode agent, which hands out its tasks one by one."""
    memory: str = ""
    """list | state | vector: what the recorder remembers with; empty for the framework's choice."""


SETTINGS = {
    "default": Settings(),
    "tuned": Settings(
        threads=64,
        retry=WorkflowRetryPolicy(
            max_attempts=10,
            initial_backoff_seconds=1,
            max_backoff_seconds=10,
            backoff_multiplier=1.5,
        ),
    ),
    "mcp": Settings(tool="mcp"),
    "mcp-durable": Settings(tool="mcp-durable"),
    "crew": Settings(tool="crew"),
    "approval": Settings(has_human=True),
    "roundrobin": Settings(orchestration=OrchestrationMode.ROUNDROBIN),
    "random": Settings(orchestration=OrchestrationMode.RANDOM),
    "delegate": Settings(has_workers=True),
    "planner": Settings(has_planner=True),
    "memory-list": Settings(memory="list"),
    "memory-state": Settings(memory="state"),
    "memory-vector": Settings(memory="vector"),
}
"""By variant."""


def chat_client() -> OpenAIChatClient:
    """The framework's client; address and key come from OPENAI_BASE_URL and OPENAI_API_KEY."""
    return OpenAIChatClient(model=MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """Whom a program calls; all of them on one runtime."""

    for_tools: DurableAgent
    """For a step with tools: a recorder, or an orchestrator of two."""
    for_plans: DurableAgent | None
    """For a plan: a lead with a worker as its tool, or an orchestrator of two; None when the
    workflow hands out the tasks."""

    def start(self, settings: Settings) -> None:
        """Connect the runtime to the sidecar, which hands out work from then on."""
        if self.for_plans is not None:
            self.for_plans.register(self.for_plans.runtime)
        self.for_tools.start()
        if settings.has_human:
            threading.Thread(target=_approve_all, args=(self.for_tools,), daemon=True).start()

    def remembered(self, run: str) -> str:
        """What the recorder's memory has of a run, as the framework reads it; of a vector store
        also what lies in it.
        """
        told = f"{len(self.for_tools.get_chat_history(run))} kept"
        memory = self.for_tools.memory
        if isinstance(memory, ConversationVectorMemory):
            stored = [
                item["metadata"]["workflow_instance_id"] for item in memory.vector_store.get()
            ]
            told += f", {stored.count(run)} of {len(stored)} stored are its own"
        return told


def make_agents(runtime: WorkflowRuntime, settings: Settings) -> Agents:
    """Make them; each asks the sidecar for its components, so the sidecar must be up."""
    if settings.orchestration is not None:
        return Agents(for_tools=_team(runtime, settings), for_plans=None)
    for_plans = None
    if settings.has_workers:
        for_plans = _lead(runtime, settings)
    elif settings.has_planner:
        for_plans = _planner(runtime, settings)
    return Agents(for_tools=_recorder(RECORDER, runtime, settings), for_plans=for_plans)


def make_hosted(runtime: WorkflowRuntime, pubsub: AgentPubSubConfig) -> DurableAgent:
    """The one agent of a pod that messages start; it is run by an AgentRunner."""
    return _recorder(RECORDER, runtime, Settings(), pubsub)


def _team(runtime: WorkflowRuntime, settings: Settings) -> DurableAgent:
    """An orchestrator, and two recorders that it finds in the registry."""
    for name in (f"{RECORDER}-a", f"{RECORDER}-b"):
        _recorder(name, runtime, settings).register(runtime)
    # One round: every round hands out the whole task again.
    execution = AgentExecutionConfig(orchestration_mode=settings.orchestration, max_iterations=1)
    return DurableAgent(
        name="team",
        llm=chat_client(),
        execution=execution,
        retry_policy=settings.retry,
        runtime=runtime,
    )


def _lead(runtime: WorkflowRuntime, settings: Settings) -> DurableAgent:
    """An agent whose tool is another agent, run as its child workflow."""
    worker = _worker("worker", runtime, settings)
    return DurableAgent(
        name="lead",
        role="Lead",
        goal="Hand out the parts and bring them together.",
        tools=[worker],
        llm=chat_client(),
        retry_policy=settings.retry,
        runtime=runtime,
    )


def _planner(runtime: WorkflowRuntime, settings: Settings) -> DurableAgent:
    """An orchestrator that asks the LLM for a plan, for each next step, and whether it is done."""
    for name in ("worker-a", "worker-b"):
        _worker(name, runtime, settings)
    execution = AgentExecutionConfig(
        orchestration_mode=OrchestrationMode.AGENT, max_iterations=ITERATIONS_MAX
    )
    return DurableAgent(
        name="planner",
        role="Planner",
        goal="Plan the parts and have them worked out.",
        llm=chat_client(),
        execution=execution,
        retry_policy=settings.retry,
        runtime=runtime,
    )


def _worker(name: str, runtime: WorkflowRuntime, settings: Settings) -> DurableAgent:
    """An agent without tools, registered."""
    worker = DurableAgent(
        name=name,
        role="Worker",
        goal="Work out one part.",
        llm=chat_client(),
        retry_policy=settings.retry,
        runtime=runtime,
    )
    worker.register(runtime)
    return worker


def _recorder(
    name: str,
    runtime: WorkflowRuntime,
    settings: Settings,
    pubsub: AgentPubSubConfig | None = None,
) -> DurableAgent:
    """An agent with the tool."""
    memory = _memory(settings.memory)
    recorder = DurableAgent(
        name=name,
        role="Recorder",
        goal="Record what is found and keep the receipts.",
        instructions=["Record each value with the tool, then conclude."],
        tools=tools_of(settings.tool),
        llm=chat_client(),
        execution=AgentExecutionConfig(max_iterations=ITERATIONS_MAX),
        retry_policy=settings.retry,
        runtime=runtime,
        hooks=Hooks(before_tool_call=[lambda _: RequireApproval()]) if settings.has_human else None,
        memory=AgentMemoryConfig(store=memory) if memory else None,
        pubsub=pubsub,
    )
    if memory is not None:
        # With a state store, 1.0.9 has put a memory of its own in place of the one just given.
        recorder.memory = memory
    return recorder


def _memory(kind: str) -> MemoryBase | None:
    """A conversation memory: in this process, in the state store of that name, or on disk."""
    if kind == "list":
        return ConversationListMemory()
    if kind == "state":
        return ConversationDaprStateMemory(store_name="agent-memory", agent_name=RECORDER)
    if kind == "vector":
        # Chroma takes seconds to import, and only this variant needs it.
        from harness.engines.dapr_agents.vectors import vector_memory  # noqa: PLC0415

        return vector_memory()
    return None


def _approve_all(agent: DurableAgent) -> None:
    """Be the human: approve what this process lists as pending, as one would who polls its page."""
    pause = threading.Event()
    while not pause.wait(HUMAN_S):
        for request in agent.list_pending_approvals():
            try:
                agent.raise_approval_event(
                    request["instance_id"], request["approval_request_id"], approved=True
                )
            except (RuntimeError, grpc.RpcError) as error:  # It has ended, or the sidecar has.
                print(f"approval of {request['instance_id']} failed: {error}", flush=True)  # noqa: T201
