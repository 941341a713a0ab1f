"""A fleet that recovers into a wall of 429s: all pods die while the quota is spent.

Every agent wants its next call when its pod is back, and all are told to wait: what comes then is
the herd. The page has its size beside what chance would give.
"""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="herd",
    summary="150 agents at once on a tight quota, all pods killed: a fleet recovers into 429s",
    mix={"chain": 1.0},
    load=LoadSpec(agents=150, shape="at_once", warm_up_agents=0),
    llm=LlmSpec(latency_ms=300.0, requests_per_min=1200, burst=0.05),
    faults=(
        FaultSpec(kind="kill_all", count=1, in_flight_min=6, progress_from=0.2, progress_to=0.5),
    ),
    exposures_min=6,
    limited_ratio_min=0.1,
    liveness_s=120.0,
)
