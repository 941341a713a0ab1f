"""No faults, no quota: what the engine does when nothing goes wrong."""

from harness.scenario import LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="baseline",
    summary="three patterns, no faults, no quota",
    mix={"chain": 1.0, "tools": 2.0, "parallel": 1.0},
    load=LoadSpec(agents=500, warm_up_agents=100),
    llm=LlmSpec(tool_latency_ms=1000.0),
)
