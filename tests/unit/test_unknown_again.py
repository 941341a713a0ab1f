"""A matrix that compares engines repeats what stayed unknown, once, with more load."""

from dataclasses import replace

from harness.cli.running import unknown_again
from harness.plan import Cell
from harness.runner.blank import blank_result
from harness.runner.order import Order
from scenarios import SCENARIOS

POD_KILL = SCENARIOS["pod_kill"]
ORDERS = [
    Order(scenario=POD_KILL, cell=Cell(engine="control", variant=variant))
    for variant in ("naive", "guarded", "naive", "guarded")
]


def test_what_stayed_unknown_is_repeated_with_twice_the_load() -> None:
    """Not what was refuted, held, skipped or broke; as a repeat of its own beside the first."""
    said = (("judged", "unknown"), ("judged", "invalid"), ("skipped", ""), ("broken", "unknown"))
    results = [
        replace(blank_result(order, seed=1), state=state, verdict=verdict)
        for order, (state, verdict) in zip(ORDERS, said, strict=True)
    ]

    (again,) = unknown_again(ORDERS, results)

    assert again.cell == Cell(engine="control", variant="naive", repeat=1)
    load, before = again.scenario.load, POD_KILL.load
    assert load.agents == 2 * before.agents
    assert load.rate_per_s == (2 * before.rate_per_s if before.rate_per_s else None)
    assert again.scenario == replace(POD_KILL, load=load)
