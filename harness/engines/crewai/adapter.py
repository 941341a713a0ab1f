"""What the harness must know of CrewAI."""

import sys
from dataclasses import dataclass, field

from harness.engines.variants import chosen
from harness.protocols import SPANS, EngineSpec

ENGINE = "crewai"
KINDS = ("say", "tools", "parallel", "route", "plan", "judge", "child", "receive")
NO_TIMER = "CrewAI has no timer that outlives the process; a sleep in a method starts anew"
NO_EVENT = "a crew has no way to wait for an event"
NO_CHILD = "a task of a crew cannot be a crew"
NO_PLAN = "a crew's tasks are fixed before it starts, and a manager delegates by tool calls alone"
NO_HISTORY = "it keeps nothing"
NO_SPANS = (
    "CrewAI's own traces go to its hosted service, which can pass them on to a collector; in a "
    "process of one's own only instrumentors of third parties export"
)
WORKER = (sys.executable, "-m", "harness.engines.crewai.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way to run it."""

    summary: str
    keeps: str
    """nothing | state (@persist) | checkpoints: what CrewAI is told to write down."""
    is_crew: bool = False
    """A crew with a task a step; else a flow with a method a step."""
    lacks: dict[str, str] = field(default_factory=dict)


VARIANTS = {
    "crew": Variant(
        summary="a crew with a task a step, no persistence",
        keeps="nothing",
        is_crew=True,
        lacks={
            **{"plan": NO_PLAN, "child": NO_CHILD, "wait": NO_TIMER, "receive": NO_EVENT},
            "history": NO_HISTORY,
        },
    ),
    "flow": Variant(
        summary="a flow with a method a step, no persistence",
        keeps="nothing",
        lacks={"wait": NO_TIMER, "history": NO_HISTORY},
    ),
    "flow-persist": Variant(
        summary="the flow with @persist (SQLite), kicked off again under its id",
        keeps="state",
        lacks={"wait": NO_TIMER},
    ),
    "flow-checkpoint": Variant(
        summary="the flow with a JSON checkpoint after each method, restored from the newest",
        keeps="checkpoints",
        lacks={"wait": NO_TIMER},
    ),
}
"""The first is the default."""


class CrewAI:
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
            lacks=own.lacks | {SPANS: NO_SPANS},
            worker=WORKER,
        )
