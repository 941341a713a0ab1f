"""Two thousand idle agents that wait for an event; a pod is killed meanwhile; then all are woken.

At 40 a second all have arrived after 50 s; the first is woken after 66 s, at the pace of arrival.
Nothing is in flight when the pod is killed, so no exposure is asked for: what is judged is that
every agent wakes, and answers once.
"""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="parked",
    summary="2,000 agents parked on an event, a pod killed meanwhile, all woken",
    mix={"parked": 1.0},
    load=LoadSpec(agents=2000, rate_per_s=40.0, warm_up_agents=0),
    llm=LlmSpec(latency_ms=50.0),
    park_s=66.0,
    faults=(
        FaultSpec(
            kind="kill_pod", count=1, in_flight_min=0, progress_from=0, progress_to=1e-6, after_s=60
        ),
    ),
    exposures_min=0,
)
