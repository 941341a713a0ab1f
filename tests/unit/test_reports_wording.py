"""Numbers and strangers' strings in reports."""

import pytest

from harness.verdict import PROMISE_KEYS, bound_ratio
from reports import wording


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0, "0 %"), (0.0006, "0.060 %"), (0.078, "7.8 %"), (0.9990, "99.9 %"), (1, "100 %")],
)
def test_percent(ratio: float, shown: str) -> None:
    """Two digits; 100 % only where it is all."""
    assert wording.percent(ratio) == shown


@pytest.mark.parametrize("trials", [1, 6, 30, 37, 231, 10_000, 1_000_000])
def test_bound_stays_true(trials: int) -> None:
    """A printed "below" is never below the bound itself."""
    bound = bound_ratio(trials)

    assert float(wording.upper_percent(bound).removesuffix(" %")) >= bound * 100


def test_bound_of_the_design() -> None:
    """37 kills without a violation bound the rate at 7.8 %."""
    assert wording.upper_percent(bound_ratio(37)) == "7.8 %"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-1, "–"), (0.412, "412 ms"), (0.9999, "1.00 s"), (9.999, "10.0 s"), (119.9, "2 min 00 s")],
)
def test_seconds(value: float, shown: str) -> None:
    """Every duration has a unit; a missing one is a dash."""
    assert wording.seconds(value) == shown


def test_keys_join_neighbours() -> None:
    """Three neighbours of the S row are joined, two are not, L and R stand alone."""
    assert wording.keys(["R", "S3", "S2", "L", "S1"], PROMISE_KEYS) == "L, S1–S3, R"
    assert wording.keys(["S4", "S5"], PROMISE_KEYS) == "S4, S5"


def test_control_signs_are_spelled_out() -> None:
    """Neither a terminal nor a browser obeys a stranger's string."""
    assert wording.clean("a\x1b[31m\u202eb\x00") == "a\\u001b[31m\\u202eb\\u0000"


def test_sentence_keeps_names() -> None:
    """A capital for a word, none for a name."""
    assert wording.sentence("kill_pod-4 never fired") == "kill_pod-4 never fired."
    assert wording.sentence("two pods shared a core.") == "Two pods shared a core."
