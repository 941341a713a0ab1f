"""The interval behind a percentile: its ranks, its coverage, and its absence."""

import numpy as np
import pytest

from harness.measures.latency import distribution, quantile_ranks, slowest_agents
from tests.histories.random_runs import correct_run


def test_ranks_of_a_median_are_those_of_the_table() -> None:
    """Of 100 samples the 40th and the 61st, of 10 the 2nd and the 9th (Conover, table A3)."""
    assert quantile_ranks(100, 0.5) == (40, 61)
    assert quantile_ranks(10, 0.5) == (2, 9)


@pytest.mark.parametrize(("samples", "quantile"), [(5, 0.5), (71, 0.95), (366, 0.99), (0, 0.5)])
def test_too_few_samples_have_no_interval(samples: int, quantile: float) -> None:
    """One that is open to one side is none; one sample more has one."""
    assert quantile_ranks(samples, quantile) is None
    if samples:
        assert quantile_ranks(samples + 2, quantile) is not None


def test_interval_covers_as_stated() -> None:
    """Of 400 sets of 80 samples the interval of p95 holds the true one in 95 % or more."""
    drawn = np.random.default_rng(7).exponential(1e9, (400, 80)).astype(np.int64)
    truth_ms = -np.log(0.05) * 1e3
    ranges = [distribution("x", row).ms_p95_range for row in drawn]

    hits = sum(found is not None and found[0] <= truth_ms <= found[1] for found in ranges)

    assert hits / 400 > 0.93
    assert all(found is not None for found in ranges)


def test_interval_of_many_samples_is_narrow() -> None:
    """A hundred thousand samples leave little doubt, and the figure lies inside."""
    found = distribution("x", np.arange(100_000, dtype=np.int64) * 1_000_000)

    assert found.ms_p50_range is not None
    low, high = found.ms_p50_range
    assert low < found.ms_p50 < high
    assert high - low < 700


def test_slowest_agents_are_those_that_took_longest() -> None:
    """Those that never ended come first; one that was never accepted is none of them."""
    evidence = correct_run(3)
    starts = evidence.starts
    took = starts.ended_ns - starts.intended_ns

    found = slowest_agents(evidence, 3)

    numbers = [evidence.names.agents.index(name) for name in found]
    assert 0 < len(found) <= 3
    assert all(took[number] >= np.sort(took)[-3:].min() for number in numbers)
    starts.ended_ns[0] = -1
    assert slowest_agents(evidence, 1) == [evidence.names.agents[0]]
