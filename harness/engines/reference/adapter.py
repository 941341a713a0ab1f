"""What the harness must know of the reference engine."""

import sys

from harness.engines.reference.variants import VARIANTS, summary_of
from harness.engines.walk import KINDS
from harness.protocols import SPANS, EngineSpec

ENGINE = "reference"
WORKER = (sys.executable, "-m", "harness.engines.reference.worker")


class Reference:
    """See Engine."""

    name = ENGINE
    variants = VARIANTS

    def spec(self, variant: str) -> EngineSpec:
        """See Engine; a mutant's name may be followed by ``@<one agent in how many>``."""
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary=summary_of(variant),
            recovery="native",
            intake="durable",
            any_pod_answers=False,
            kinds=KINDS,
            worker=WORKER,
            lacks={
                "history": "not implemented: the entries of its journal have no dates",
                SPANS: "a loop of ours, which nothing instruments",
            },
        )
