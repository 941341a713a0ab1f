"""As broker_swap, with a hard switch: messages in flight stay behind in the old broker."""

from dataclasses import replace

from scenarios.broker_swap import SCENARIO as DRAINED

SCENARIO = replace(
    DRAINED,
    name="broker_swap_hard",
    summary="agents started by messages; Redis, then Kafka, at once and undrained",
    faults=(replace(DRAINED.faults[0], kind="broker_swap_hard"),),
)
