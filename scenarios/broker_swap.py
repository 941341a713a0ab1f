"""Agents that talk over a broker all the time, while it is exchanged: ten messages each.

Start, result, and four notes of each answer but the last; of three swaps each is drained.
"""

from harness.scenario import FaultSpec, LoadSpec, Scenario


def _swap(to: str, at: float) -> FaultSpec:
    return FaultSpec(
        kind="broker_swap", to=to, in_flight_min=0, progress_from=at, progress_to=at + 0.02
    )


SCENARIO = Scenario(
    name="broker_swap",
    summary="agents of ten messages each; Redis, Kafka, RabbitMQ, Redis, drained before a switch",
    mix={"bulletins": 1.0},
    steps=3,
    broker="redis",
    load=LoadSpec(agents=1000, rate_per_s=6.0, warm_up_agents=10),
    faults=(_swap("kafka", 0.2), _swap("rabbitmq", 0.45), _swap("redis", 0.7)),
)
