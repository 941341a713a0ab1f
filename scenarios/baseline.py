"""No faults, no quota: what the engine does when nothing goes wrong."""

from harness.scenario import LoadSpec, Scenario

SCENARIO = Scenario(
    name="baseline",
    summary="three patterns, no faults, no quota",
    mix={"chain": 2.0, "tools": 1.0, "parallel": 1.0},
    load=LoadSpec(agents=500, warm_up_agents=100),
)
