"""One agent in five has a step that is never answered: what becomes of it, and of all others?

What is judged: that the poisoned agents end (as failed), within the liveness time, and that the
others are not harmed. How often the step was asked is in the client table and in the ledger.
"""

from harness.scenario import LoadSpec, Scenario

SCENARIO = Scenario(
    name="poison",
    summary="one agent in five has a step whose every attempt fails",
    mix={"chain": 4.0, "poison": 1.0},
    load=LoadSpec(agents=150, warm_up_agents=0, rate_per_s=10.0),
)
