"""What the harness must know of the controls."""

import sys

from harness.engines.walk import KINDS
from harness.errors import UsageError
from harness.protocols import SPANS, EngineSpec

ENGINE = "control"
SUMMARIES = {
    "naive": "a plain loop that remembers nothing; must be refuted wherever kills struck",
    "guarded": "a plain loop that writes each result to an idempotency ledger before it uses it",
}
"""Variant -> what it is."""

WORKER = (sys.executable, "-m", "harness.engines.control.worker")


class Control:
    """See Engine."""

    name = ENGINE
    variants = tuple(SUMMARIES)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        if variant not in SUMMARIES:
            raise UsageError(
                f"unknown variant {variant!r} of {ENGINE}; known: {', '.join(SUMMARIES)}"
            )
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary=SUMMARIES[variant],
            recovery="assisted",
            intake="volatile",
            any_pod_answers=False,
            kinds=KINDS,
            worker=WORKER,
            lacks={
                "history": "not implemented: a loop of ours keeps no dates",
                SPANS: "a loop of ours, which nothing instruments",
            },
        )
