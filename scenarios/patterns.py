"""The five patterns of agent programs as one mix, nothing broken."""

from harness.scenario import LoadSpec, Scenario

FIVE = {"chain": 1.0, "parallel": 1.0, "routing": 1.0, "orchestrator": 1.0, "evaluator": 1.0}

SCENARIO = Scenario(
    name="patterns",
    summary="the five patterns as one mix, no faults, no quota",
    mix=FIVE,
    load=LoadSpec(agents=150, warm_up_agents=50),
)
