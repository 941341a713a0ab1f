"""Agents that are started by messages and report by messages, while their broker is exchanged."""

from harness.scenario import FaultSpec, LoadSpec, Scenario


def _swap(to: str, at: float) -> FaultSpec:
    return FaultSpec(
        kind="broker_swap", to=to, in_flight_min=0, progress_from=at, progress_to=at + 0.02
    )


SCENARIO = Scenario(
    name="broker_swap",
    summary="agents started by messages; Redis, Kafka, RabbitMQ, Redis, drained before each switch",
    mix={"chain": 1.0},
    broker="redis",
    load=LoadSpec(agents=200, rate_per_s=3.0, warm_up_agents=10),
    faults=(_swap("kafka", 0.2), _swap("rabbitmq", 0.45), _swap("redis", 0.7)),
)
