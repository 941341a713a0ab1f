"""Five thousand agents at once, ten kills with at least twenty steps in flight each."""

from harness.scenario import FaultSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="scale",
    summary="thousands of agents at once, ten pods killed",
    mix={"chain": 1.0},
    load=LoadSpec(agents=5000, shape="at_once", warm_up_agents=0),
    faults=(FaultSpec(kind="kill_pod", count=10, in_flight_min=20),),
    exposures_min=200,
    liveness_s=60.0,
)
