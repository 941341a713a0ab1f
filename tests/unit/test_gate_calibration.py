"""The gate's error rates, as its page states them, by simulation with the code that decides."""

import pytest

from benchmarks.gate import Shares, simulate


def shares(**more: object) -> Shares:
    chosen = {"runs": 5, "figures": 8, "spread": 0.05, "slow": (), "draws": 1500}
    return simulate(**{**chosen, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("runs", [3, 5])
def test_false_alarms_are_as_rare_as_stated(runs: int) -> None:
    """With every figure exactly at its limit: 5 % of gates, and 1.5 % for chance."""
    assert shares(runs=runs, slow=(1.1,) * 8).failed <= 0.065


def test_an_unchanged_engine_passes() -> None:
    """And is next to never called slower."""
    found = shares(spread=0.02)

    assert found.passed > 0.95
    assert found.failed < 0.005


def test_a_slow_down_is_found() -> None:
    """One figure of eight, half slower."""
    assert shares(slow=(1.5,)).failed > 0.95


def test_noise_makes_it_open_never_wrong() -> None:
    """With 30 % of noise five repeats decide little, and still raise no false alarm."""
    found = shares(spread=0.3)

    assert found.passed < 0.05
    assert found.failed <= 0.065
