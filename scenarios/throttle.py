"""The LLM's quota is 60 % of what the agents want: 429s, Retry-After, and a kill on top."""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="throttle",
    summary="60 % of the quota that the load needs, and a pod killed",
    mix={"chain": 1.0},
    load=LoadSpec(agents=200, rate_per_s=5.0, warm_up_agents=0),
    llm=LlmSpec(latency_ms=500.0, requests_per_min=900, burst=0.05),
    faults=(FaultSpec(kind="kill_pod", count=1, in_flight_min=3),),
    exposures_min=3,
    limited_ratio_min=0.1,
    liveness_s=120.0,
)
