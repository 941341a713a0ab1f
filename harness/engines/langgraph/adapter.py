"""What the harness must know of LangGraph."""

import sys
from dataclasses import dataclass, field

from harness.engines.variants import chosen
from harness.protocols import EngineSpec

ENGINE = "langgraph"
KINDS = ("say", "tools", "parallel", "route", "plan", "judge", "child", "receive")
NO_TIMER = "LangGraph has no durable timer; a sleep in a node starts anew when the node runs again"
NO_CHECKPOINTER = "interrupt() needs a checkpointer"
NO_HISTORY = "no checkpointer, so nothing of a thread is kept"
BEFORE_INTERRUPT = "interrupt() runs its node again from the top, with every effect before it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way to run it."""

    summary: str
    saver: str
    """none, memory, sqlite or postgres: which of LangGraph's checkpointers."""
    durability: str | None = "sync"
    """sync, async or exit, LangGraph's own words; None without a saver, where sync breaks it."""
    is_naive: bool = False
    """Several effects in a node."""
    lacks: dict[str, str] = field(default_factory=dict)
    """Beside the timer, which none of them has."""


VARIANTS = {
    "sqlite-sync": Variant(
        summary="one effect per node, AsyncSqliteSaver, durability sync", saver="sqlite"
    ),
    "sqlite-async": Variant(
        summary="one effect per node, AsyncSqliteSaver, durability async (the default)",
        saver="sqlite",
        durability="async",
    ),
    "sqlite-exit": Variant(
        summary="one effect per node, AsyncSqliteSaver, durability exit",
        saver="sqlite",
        durability="exit",
    ),
    "postgres-sync": Variant(
        summary="one effect per node, AsyncPostgresSaver, durability sync", saver="postgres"
    ),
    "memory": Variant(
        summary="one effect per node, InMemorySaver: lost with the process", saver="memory"
    ),
    "none": Variant(
        summary="one effect per node, no checkpointer",
        saver="none",
        durability=None,
        lacks={"receive": NO_CHECKPOINTER, "history": NO_HISTORY},
    ),
    "naive": Variant(
        summary="several effects in a node, AsyncSqliteSaver, durability sync",
        saver="sqlite",
        is_naive=True,
        lacks={"receive": BEFORE_INTERRUPT},
    ),
}
"""The first is the default."""


class LangGraph:
    """See Engine."""

    name = ENGINE
    variants = tuple(VARIANTS)

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        own = chosen(VARIANTS, variant, engine=ENGINE)
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary=own.summary,
            recovery="assisted",
            intake="volatile",
            any_pod_answers=False,
            kinds=tuple(kind for kind in KINDS if kind not in own.lacks),
            worker=(sys.executable, "-m", "harness.engines.langgraph.worker"),
            stores=("postgres",) if own.saver == "postgres" else ("none",),
            lacks={"wait": NO_TIMER, **own.lacks},
            exports="LangSmith's client, by LANGSMITH_OTEL_ENABLED and LANGSMITH_OTEL_ONLY",
        )
