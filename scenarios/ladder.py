"""One level of a ladder of load: `onceproof capacity` runs it at one rate after the other.

Answers are quick, so that a level is steady after seconds; nothing is struck. Under a quota a
level lasts seconds, so little more than one second of the quota may come at once.
"""

from harness.scenario import LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="ladder",
    summary="one level of load for `onceproof capacity`: quick answers, no faults",
    mix={"chain": 1.0},
    load=LoadSpec(agents=200, rate_per_s=5.0, warm_up_agents=0),
    llm=LlmSpec(latency_ms=200.0, burst=0.02),
    liveness_s=120.0,
    run_s=300.0,
)
"""Every level offers it at a rate of its own."""
