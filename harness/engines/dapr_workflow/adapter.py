"""What the harness must know of Dapr Workflow."""

import sys

from harness.engines.variants import chosen
from harness.engines.walk import KINDS, MESSAGE_KINDS
from harness.protocols import EngineSpec

SUMMARIES = {
    "default": "workflow per agent, async activity per LLM or tool call, 429 as durable timer",
    "continue-as-new": "as default; the workflow continues as new after each step",
    "streaming": "as default, over a broker: streaming subscriptions, a team's tasks in bulk",
    "two-apps": "as default; two apps, each runs its calls and child agents in the other one",
}
BROKERS = ("in-memory", "redis", "redis-2", "kafka", "rabbitmq")
MESSAGED = {"default": ("none", *BROKERS, "nats"), "streaming": BROKERS}
"""By variant, what its messages can go over; streams have one component for all topics."""
APPS = ("onceproof-left", "onceproof-right")
"""Of two-apps: each slot belongs to one of them."""


class DaprWorkflow:
    """See Engine."""

    name = "dapr_workflow"
    variants = tuple(SUMMARIES)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        has_two_apps = variant == "two-apps"
        return EngineSpec(
            engine=self.name,
            variant=variant,
            summary=chosen(SUMMARIES, variant, engine=self.name),
            recovery="native",
            intake="durable",
            # A sidecar knows the workflows of its own app alone.
            any_pod_answers=not has_two_apps,
            kinds=(*KINDS, *MESSAGE_KINDS) if variant in MESSAGED else KINDS,
            worker=(sys.executable, "-m", "harness.engines.dapr_workflow.worker"),
            needs_dapr=True,
            holds_status=True,
            stores=("redis", "postgres", "sqlite", "sqlite-shared", "in-memory"),
            brokers=MESSAGED.get(variant, ("none",)),
            is_subscribing=variant == "streaming",
            app_ids=APPS if has_two_apps else (),
            exports="the sidecar's, by Dapr's Configuration; the SDK's worker sets up no exporter",
        )
