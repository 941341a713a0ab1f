"""Poison steps: whoever asks one of three chosen steps dies, three times each; then it is answered.

Shows whether an engine asks again after each death, whether it ever gives up, and what its other
agents on the same pod pay for it.
"""

from harness.scenario import FaultSpec, LoadSpec, Scenario

SCENARIO = Scenario(
    name="crash_step",
    summary="whoever asks one of three chosen steps dies, three times each",
    mix={"chain": 1.0},
    load=LoadSpec(agents=150, rate_per_s=3.0, warm_up_agents=0),
    faults=(FaultSpec(kind="crash_step", count=3, in_flight_min=0),),
    exposures_min=9,
)
