"""Pods die by SIGKILL while steps are in flight, and are replaced at once."""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="pod_kill",
    summary="three patterns, pods killed in mid-run",
    mix={"chain": 1.0, "tools": 2.0, "parallel": 1.0},
    load=LoadSpec(agents=300, warm_up_agents=100),
    llm=LlmSpec(tool_latency_ms=1000.0),
    faults=(FaultSpec(kind="kill_pod", count=6, in_flight_min=6),),
)
