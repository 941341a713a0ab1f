"""A flash crowd: half of the agents come evenly over a minute, the other half within a second.

The rate in the crowd is about fifty times that around it; the page shows how long the agents that
came later wait for those who came at once.
"""

from harness.scenario import LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="flash_crowd",
    summary="half of 300 agents over a minute, the other half within 1.2 s",
    mix={"chain": 1.0},
    load=LoadSpec(agents=300, shape="spike", rate_per_s=5.0, warm_up_agents=0),
    llm=LlmSpec(latency_ms=300.0),
    liveness_s=120.0,
)
