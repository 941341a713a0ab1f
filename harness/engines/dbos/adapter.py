"""What the harness must know of DBOS."""

import sys

from harness.engines.variants import chosen
from harness.engines.walk import KINDS
from harness.protocols import EngineSpec

ENGINE = "dbos"
SUMMARIES = {
    "sqlite": "workflow per agent, step per LLM or tool call, 429 as durable sleep; a file per pod",
    "postgres": "as sqlite; one PostgreSQL database for all pods, an executor id per pod",
}
"""The first is the default."""


class Dbos:
    """See Engine."""

    name = ENGINE
    variants = tuple(SUMMARIES)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        is_shared = variant == "postgres"
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary=chosen(SUMMARIES, variant, engine=ENGINE),
            recovery="native",
            intake="durable",
            any_pod_answers=is_shared,
            kinds=KINDS,
            worker=(sys.executable, "-m", "harness.engines.dbos.worker"),
            stores=("postgres",) if is_shared else ("none",),
            exports="DBOS's own, by enable_otlp and otlp_traces_endpoints of its configuration",
        )
