"""The five patterns of agent programs as one mix, on 60 % of the quota that they need."""

from dataclasses import replace

from harness.scenario import LlmSpec, LoadSpec
from scenarios.patterns import SCENARIO as PATTERNS

SCENARIO = replace(
    PATTERNS,
    name="patterns_throttle",
    summary="the five patterns as one mix, 60 % of the quota that the load needs",
    load=LoadSpec(agents=150, rate_per_s=5.0, warm_up_agents=0),
    llm=LlmSpec(latency_ms=500.0, requests_per_min=900, burst=0.05),
    limited_ratio_min=0.1,
    liveness_s=120.0,
)
