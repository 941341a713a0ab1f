"""One agent in five publishes a note that nobody can handle: it is to become a dead letter.

What is judged: that each of these does, that all other messages arrive,
and that no agent is harmed.
"""

from harness.scenario import LoadSpec, Scenario

SCENARIO = Scenario(
    name="dead_letters",
    summary="one agent in five publishes a message that no handler ever takes",
    mix={"notes": 4.0, "poison_note": 1.0},
    broker="redis",
    load=LoadSpec(agents=60, warm_up_agents=0, rate_per_s=4.0),
)
