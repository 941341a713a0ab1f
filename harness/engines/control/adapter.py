"""What the harness must know of the controls."""

import sys

from harness.engines.variants import chosen
from harness.engines.walk import KINDS
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
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary=chosen(SUMMARIES, variant, engine=ENGINE),
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
