"""Verdicts: unknown is never a pass, and a bound says how much a pass is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict import ENGINE_KEYS, PROMISE_KEYS, PROMISES, Verdict, bound_ratio, worst


@pytest.mark.parametrize(
    ("several", "expected"),
    [
        ([], Verdict.UNKNOWN),
        ([Verdict.VALID], Verdict.VALID),
        ([Verdict.VALID, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.INVALID, Verdict.VALID], Verdict.INVALID),
    ],
)
def test_the_worst_dominates(several: list[Verdict], expected: Verdict) -> None:
    """Valid < unknown < invalid, and nothing judged is unknown."""
    assert worst(several) is expected


@given(trials=st.integers(1, 10_000))
def test_the_bound_is_the_exact_one(trials: int) -> None:
    """At the bound, no failure in that many trials has a probability of exactly 5 %."""
    assert (1 - bound_ratio(trials)) ** trials == pytest.approx(0.05)


def test_the_bound_of_37_kills_is_7_8_percent() -> None:
    """The number that the documentation quotes."""
    assert bound_ratio(37) == pytest.approx(0.078, abs=0.0005)


@pytest.mark.parametrize("trials", [0, -1])
def test_without_trials_nothing_is_bounded(trials: int) -> None:
    """No exposure: any rate is possible."""
    assert bound_ratio(trials) == 1.0


def test_the_vector_has_its_eight_promises() -> None:
    """One liveness promise first, then five of safety, the resume and the messages."""
    assert PROMISE_KEYS == ("L", "S1", "S2", "S3", "S4", "S5", "R", "M")
    assert PROMISE_KEYS[:-1] == ENGINE_KEYS
    assert [promise.key for promise in PROMISES if not promise.is_safety] == ["L"]
    assert [verdict.word for verdict in Verdict] == ["valid", "unknown", "invalid"]
