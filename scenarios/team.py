"""Teams whose members talk over topics, under kills: each step once, and every message arrives.

A planner hands out parts by message, a worker each records its own with a tool, a reviewer looks at
what came of them; each is an agent of its own, on whatever pod got its message.
"""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="team",
    summary="planner, workers and reviewer talk over topics; pods killed in mid-run",
    mix={"team": 1.0},
    steps=7,
    broker="redis",
    load=LoadSpec(agents=100, warm_up_agents=0, rate_per_s=3.0),
    llm=LlmSpec(tool_latency_ms=1000.0),
    faults=(FaultSpec(kind="kill_pod", count=4, in_flight_min=3),),
)
