"""As broker_swap, with a hard switch: messages in flight stay behind in the old broker."""

from dataclasses import replace

from harness.scenario import LoadSpec
from scenarios.broker_swap import SCENARIO as DRAINED

SCENARIO = replace(
    DRAINED,
    name="broker_swap_hard",
    summary="agents started by messages; Redis, then Kafka, at once and undrained",
    load=LoadSpec(agents=200, rate_per_s=4.0, warm_up_agents=10),
    faults=(replace(DRAINED.faults[0], kind="broker_swap_hard"),),
)
