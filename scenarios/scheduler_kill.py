"""Three schedulers, as Dapr's chart has them; one after the other dies and comes back."""

from harness.scenario import FaultSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="scheduler_kill",
    summary="three schedulers of Dapr's, one killed at a time, three times; placement once",
    mix={"chain": 1.0},
    steps=10,
    schedulers=3,
    load=LoadSpec(agents=300, warm_up_agents=30, capacity_ratio=0.4),
    faults=(
        FaultSpec(kind="kill_scheduler", count=3, progress_to=0.8),
        FaultSpec(kind="kill_placement", progress_from=0.8, progress_to=0.9),
    ),
)
