"""A matrix that compares engines repeats what stayed unknown, once, with more load."""

from dataclasses import replace

import pytest

from harness.cli.running import unknown_again
from harness.plan import Cell
from harness.results import PromiseRow
from harness.runner.blank import blank_result
from harness.runner.order import Order
from scenarios import SCENARIOS
from tests.report_parts import promise_rows

POD_KILL = SCENARIOS["pod_kill"]


def row(verdict: str, *, expectation: str = "promised", exposed: int = 2) -> PromiseRow:
    """S4 as a run left it."""
    known = next(one for one in promise_rows(kills=6) if one.key == "S4")
    return replace(known, verdict=verdict, expectation=expectation, exposed_count=exposed)


ORDERS = [
    Order(scenario=POD_KILL, cell=Cell(engine="control", variant=variant))
    for variant in ("naive", "guarded", "naive", "guarded")
]


def test_what_had_too_few_exposures_is_repeated_with_twice_the_load() -> None:
    """Not what was refuted, skipped or broke; as a repeat of its own beside the first."""
    said = (("judged", "unknown"), ("judged", "invalid"), ("skipped", "unknown"), ("broken", ""))
    results = [
        replace(blank_result(order, seed=1), state=state, promises=(row(verdict),))
        for order, (state, verdict) in zip(ORDERS, said, strict=True)
    ]

    (again,) = unknown_again(ORDERS, results)

    assert again.cell == Cell(engine="control", variant="naive", repeat=1)
    load, before = again.scenario.load, POD_KILL.load
    assert load.agents == 2 * before.agents
    assert load.rate_per_s == (2 * before.rate_per_s if before.rate_per_s else None)
    assert again.scenario == replace(POD_KILL, load=load)


@pytest.mark.parametrize(
    "promise",
    [row("unknown", expectation="unstated"), row("unknown", exposed=30), row("valid")],
    ids=["nothing promised", "unknown for another reason", "held"],
)
def test_what_more_load_would_not_decide_is_left(promise: PromiseRow) -> None:
    """An engine that promises nothing stays unknown, however often it runs."""
    result = replace(blank_result(ORDERS[0], seed=1), state="judged", promises=(promise,))

    assert unknown_again(ORDERS[:1], [result]) == []


def test_a_run_without_faults_is_not_repeated_for_exposures() -> None:
    """Nothing is interrupted there, at any load."""
    calm = replace(ORDERS[0], scenario=replace(POD_KILL, faults=()))
    result = replace(blank_result(calm, seed=1), state="judged", promises=(row("unknown"),))

    assert unknown_again([calm], [result]) == []
