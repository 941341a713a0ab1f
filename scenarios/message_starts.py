"""All agents are asked for by message at once, and pods die while the messages are taken in.

For engines that take start messages in by themselves: is each agent started, and once?
"""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="message_starts",
    summary="60 start messages at once; a pod killed early, another one later",
    mix={"solo": 1.0},
    steps=3,
    broker="redis",
    pods=2,
    load=LoadSpec(agents=60, shape="at_once", warm_up_agents=0),
    llm=LlmSpec(tool_latency_ms=500.0),
    faults=(
        FaultSpec(kind="kill_pod", in_flight_min=1, progress_from=0.02, progress_to=0.06),
        FaultSpec(kind="kill_pod", in_flight_min=1, progress_from=0.3, progress_to=0.4),
    ),
    liveness_s=90.0,
)
