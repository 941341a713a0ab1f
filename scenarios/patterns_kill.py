"""The five patterns of agent programs as one mix, pods killed in mid-run."""

from dataclasses import replace

from harness.scenario import FaultSpec
from scenarios.patterns import SCENARIO as PATTERNS

SCENARIO = replace(
    PATTERNS,
    name="patterns_kill",
    summary="the five patterns as one mix, pods killed in mid-run",
    faults=(FaultSpec(kind="kill_pod", count=4, in_flight_min=6),),
)
