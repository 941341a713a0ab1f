"""Pods die while the engine's spans are collected: how much of each agent's work a trace shows."""

from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="tracing",
    summary="spans over OTLP collected, pods killed in mid-run",
    mix={"chain": 1.0, "tools": 1.0, "parallel": 1.0},
    tracing=True,
    pods=2,
    load=LoadSpec(agents=60, rate_per_s=3.0, warm_up_agents=0),
    llm=LlmSpec(tool_latency_ms=1000.0),
    faults=(
        FaultSpec(kind="kill_pod", count=2, in_flight_min=4, progress_from=0.2, progress_to=0.7),
    ),
    exposures_min=10,
)
