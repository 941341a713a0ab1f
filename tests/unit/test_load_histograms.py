"""Histograms keep three digits, and come back from their file."""

import pytest

from harness.errors import UsageError
from harness.load.histograms import LIMIT_US, Histogram, load, save


def of(*durations_ns: int) -> Histogram:
    histogram = Histogram()
    for duration_ns in durations_ns:
        histogram.record(duration_ns)
    return histogram


def test_three_digits_are_kept() -> None:
    """58.76 ms is not rounded to 59 ms."""
    assert of(58_760_000).percentile_ms(99) == pytest.approx(58.76, rel=1e-3)


def test_percentiles_and_maximum() -> None:
    """1 to 100 ms: the median is 50, p99 is 99, the maximum 100."""
    histogram = of(*(ms * 1_000_000 for ms in range(1, 101)))

    assert histogram.percentile_ms(50) == pytest.approx(50, rel=1e-3)
    assert histogram.percentile_ms(99) == pytest.approx(99, rel=1e-3)
    assert histogram.max_ms() == pytest.approx(100, rel=1e-3)


def test_empty_says_none() -> None:
    """No durations is no number, not 0."""
    assert (Histogram().percentile_ms(50), Histogram().max_ms(), Histogram().count) == (
        None,
        None,
        0,
    )


def test_limits_are_counted() -> None:
    """Below 0 counts as 0; above one hour counts at the limit, and as clipped."""
    histogram = of(-5, (LIMIT_US + 7) * 1_000)

    assert (histogram.count, histogram.clipped) == (2, 1)
    assert histogram.percentile_ms(50) == 0


def test_what_is_saved_is_loaded() -> None:
    """Counts, clips and percentiles survive, the empty histogram too."""
    found = load(save({"start": of(3_000_000, 5_000_000), "agent": Histogram()}), source="x")

    assert {name: histogram.count for name, histogram in found.items()} == {"start": 2, "agent": 0}
    assert found["start"].percentile_ms(99) == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[1]",
        b'{"schema": 2}',
        b"{",
        save({"a": of(1)}).replace(b'"count":1', b'"count":2'),
    ],
)
def test_another_file_is_said(data: bytes) -> None:
    """What is no file of histograms, or does not add up, is an error."""
    with pytest.raises(UsageError, match="x"):
        load(data, source="x")
