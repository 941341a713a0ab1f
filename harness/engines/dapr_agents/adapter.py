"""What the harness must know of Dapr Agents."""

import sys

from harness.engines.variants import chosen
from harness.engines.walk import KINDS, MESSAGE_KINDS
from harness.protocols import EngineSpec

DURABLE_MCP = "mcp-durable"
MCP_SERVER = "mcp-effects.yaml"
NOT_THERE = {"kubernetes": "Dapr takes no MCP server there that a sidecar is to start itself"}

SUMMARIES = {
    "default": "tool loop as DurableAgent, other steps as LLM activities; all settings as shipped",
    "tuned": "as default, with 64 worker threads and ten attempts that start one second apart",
    "mcp": "as default, the tool from an MCP server in the pod",
    DURABLE_MCP: "as default, the tool from an MCP server of the sidecar's, by child workflow",
    "crew": "as default, the tool asks a crew of CrewAI first",
    "approval": "as default, each tool call waits for a human's approval",
    "roundrobin": "as default, an orchestrator hands the tool loop to one of two agents in turn",
    "random": "as default, an orchestrator hands the tool loop to one of two agents by chance",
    "delegate": "as default, a plan is an agent's, whose tool is another agent",
    "planner": "as default, a plan is an orchestrator's in mode agent, which hands out its tasks",
    "memory-list": "as default, summaries of the tool loop in a list in the process",
    "memory-state": "as default, summaries of the tool loop in a Dapr state store of their own",
    "subscribed": "one DurableAgent per program, started by messages through AgentRunner.subscribe",
    "subscribed-async": "as subscribed, delivery_mode async: acknowledged when queued in memory",
    "subscribed-await": "as subscribed, await_result: acknowledged when the agent has ended",
    "subscribed-guarded": "as subscribed, the runner's client starts each agent under its own id",
    "memory-vector": "as default, summaries of the tool loop in a vector store on the pod's disk",
}
HOSTED = tuple(name for name in SUMMARIES if name.startswith("subscribed"))
BROKERS = ("redis", "redis-2", "rabbitmq", "kafka")

LACKS = {
    "idempotency key": "a tool gets its arguments and nothing else",
    "recall from a vector store": "ConversationVectorMemory.get_messages gives no summary back",
    "memory across tasks": "summaries are written for each run, and no prompt is built from them",
    "a crew as a tool": "dapr_agents.interop does not exist; variant crew calls a crew itself",
    "agents of other frameworks": "their side is the package diagrid, under BUSL-1.1",
}
"""Features that 1.0.9 has not, or that cannot be shown here -> the reason."""

NOT_HOSTED = dict.fromkeys(
    (kind for kind in (*KINDS, *MESSAGE_KINDS) if kind != "tools"),
    "what a message starts is one agent: one task, one tool loop",
)


class DaprAgents:
    """See Engine."""

    name = "dapr_agents"
    variants = tuple(SUMMARIES)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        return EngineSpec(
            engine=self.name,
            variant=variant,
            summary=chosen(SUMMARIES, variant, engine=self.name),
            recovery="native",
            intake="durable",
            any_pod_answers=True,
            kinds=("tools",) if variant in HOSTED else KINDS,
            brokers=BROKERS if variant in HOSTED else ("none",),
            is_subscribing=variant in HOSTED,
            worker=(sys.executable, "-m", "harness.engines.dapr_agents.worker"),
            needs_dapr=True,
            holds_status=True,
            stores=("redis", "postgres", "in-memory"),
            components=("memory", "registry", *((MCP_SERVER,) if variant == DURABLE_MCP else ())),
            ready_s=180.0,  # The import alone is 7 s of CPU, a crew's another 7.
            lacks={
                **LACKS,
                **(NOT_HOSTED if variant in HOSTED else {}),
                **(NOT_THERE if variant == DURABLE_MCP else {}),
            },
            exports="the sidecar's, by Dapr's Configuration; the worker's, by OTEL_* environment: "
            "DurableAgent sets up exporter and instrumentor",
        )
