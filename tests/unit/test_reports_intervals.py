"""Intervals of means over time: their coverage, their absence, their place on the page."""

import random

from reports import rows
from reports.intervals import mean_range
from tests import report_fixtures as fixtures


def test_interval_covers_the_mean_of_what_is_correlated() -> None:
    """Of 400 walks that remember half of the second before, about 95 % have the mean inside."""
    drawn = random.Random(3)
    hits = 0
    for _ in range(400):
        values, now = [], 0.0
        for _ in range(100):
            now = 0.5 * now + drawn.gauss(0, 1)
            values.append(now + 50)
        found = mean_range(values)
        assert found is not None
        hits += found[0] <= 50 <= found[1]

    assert 0.88 < hits / 400 < 0.99


def test_few_bins_have_no_interval() -> None:
    """Nineteen seconds are three batches, and say nothing of their spread."""
    assert mean_range([1.0] * 19) is None
    assert mean_range([1.0] * 20) == (1.0, 1.0)


def test_interval_is_never_below_nothing() -> None:
    """A rate cannot be negative."""
    found = mean_range([0.0] * 15 + [10.0] * 5)

    assert found is not None
    assert found[0] == 0.0


def test_doubt_stands_beside_its_number() -> None:
    """A percentile and a mean rate have their interval; what has none shows none."""
    table = rows.latency(fixtures.valid_run())
    rates = rows.throughput(fixtures.valid_run())

    assert table is not None
    assert rates is not None
    assert table.rows[0][2].doubt == "6.09 s to 6.33 s"
    assert table.rows[1][2].doubt == ""
    assert rates.foot[0][2].doubt.split(" to ")[0] < rates.foot[0][2].text
    assert rates.rows[0][2].doubt == ""
