"""What the harness must know of Dapr Workflow."""

import sys

from harness.engines.walk import KINDS
from harness.errors import UsageError
from harness.protocols import EngineSpec


class DaprWorkflow:
    """See Engine."""

    name = "dapr_workflow"
    variants = ("default",)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        if variant not in self.variants:
            raise UsageError(
                f"unknown variant {variant!r} of {self.name}; known: {', '.join(self.variants)}"
            )
        return EngineSpec(
            engine=self.name,
            variant=variant,
            summary="workflow per agent, async activity per LLM or tool call, 429 as durable timer",
            recovery="native",
            intake="durable",
            any_pod_answers=True,
            kinds=KINDS,
            worker=(sys.executable, "-m", "harness.engines.dapr_workflow.worker"),
            needs_dapr=True,
            stores=("redis", "postgres", "sqlite", "in-memory"),
        )
