"""ETA: grows with the load, learns from the runs before, and reads like speech."""

from dataclasses import replace

import pytest

from harness.runner.estimate import about, corrected_s, estimate_s
from harness.runner.order import Order
from scenarios import SCENARIOS
from scenarios.matrices import DAPR, GUARDED, MATRICES


def test_estimate_grows_with_what_takes_time() -> None:
    """More agents, a quota, a sidecar: each takes longer."""
    scenario = SCENARIOS["pod_kill"]
    few = replace(scenario.load, agents=100, rate_per_s=10.0)
    small = Order(scenario=replace(scenario, load=few), cell=GUARDED)
    large = Order(scenario=replace(scenario, load=replace(few, agents=1000)), cell=GUARDED)
    llm = replace(scenario.llm, requests_per_min=60)
    slow = Order(scenario=replace(small.scenario, llm=llm), cell=GUARDED)
    dapr = Order(scenario=small.scenario, cell=DAPR)

    assert estimate_s(large) == estimate_s(small) + 90
    assert estimate_s(slow) > 5 * estimate_s(small)
    swapping = Order(scenario=SCENARIOS["broker_swap"], cell=replace(DAPR, broker="redis"))
    still = replace(swapping, scenario=replace(swapping.scenario, faults=()))

    assert estimate_s(dapr) == estimate_s(small) + 9
    assert estimate_s(swapping) == estimate_s(still) + 3 * 9 + 2 * 10


def test_every_matrix_has_an_estimate() -> None:
    """Of half a minute at least, and of less than two hours."""
    for matrix in MATRICES.values():
        orders = [
            Order(scenario=SCENARIOS[entry.scenario], cell=entry.cell) for entry in matrix.entries
        ]
        assert 30 < sum(map(estimate_s, orders)) < 7200


def test_past_corrects_what_is_left() -> None:
    """Twice as slow so far is twice as slow from here; nothing done changes nothing."""
    assert corrected_s(100, 0, 0) == 100
    assert corrected_s(100, 10_000, 20_000) == pytest.approx(200, rel=0.01)
    assert 100 < corrected_s(100, 30, 60) < 200


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "5 s"), (38, "40 s"), (58, "1 min"), (150, "2 min"), (4000, "1 h 07 min")],
)
def test_reads_like_speech(seconds: float, words: str) -> None:
    assert about(seconds) == words
