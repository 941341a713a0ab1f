"""Pods die by SIGKILL while steps are in flight, and are replaced at once."""

from harness.scenario import FaultSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="pod_kill",
    summary="three patterns, pods killed in mid-run",
    mix={"chain": 2.0, "tools": 1.0, "parallel": 1.0},
    load=LoadSpec(agents=300, warm_up_agents=100),
    faults=(FaultSpec(kind="kill_pod", count=4, in_flight_min=5),),
)
