"""All pods of the app die in the same moment, as if the node that they share were lost."""

from harness.scenario import FaultSpec, LoadSpec, Scenario
from scenarios.patterns import FIVE

SCENARIO = Scenario(
    name="node_loss",
    summary="five patterns, all pods of the app killed at once, twice",
    mix=FIVE,
    load=LoadSpec(agents=150, warm_up_agents=50),
    faults=(FaultSpec(kind="kill_all", count=2, in_flight_min=6),),
)
