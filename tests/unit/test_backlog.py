"""An engine that works through its load, against one that stands still, trickles or repeats."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backlog import NONE, Backlog, last_work_ns
from harness.clock import NS_PER_S as S

BUSY = np.arange(0, 100 * S, S // 10)
"""Ten steps a second for 100 s."""


def last_s(*times: np.ndarray, since_s: int = 20, repeated: np.ndarray | None = None) -> float:
    """Seconds of the last work; ``repeated`` are no first executions."""
    new = np.concatenate(times)
    again = np.zeros(0, np.int64) if repeated is None else repeated
    is_first = np.concatenate([np.ones(len(new), np.bool_), np.zeros(len(again), np.bool_)])
    found = last_work_ns(np.concatenate([new, again]), is_first, since_s * S)
    return found if found == NONE else found / S


def test_work_goes_on_as_long_as_steps_are_done_at_a_quarter_of_the_best_rate() -> None:
    """Three a second after ten a second is work; two are none."""
    slower = np.arange(100 * S, 160 * S, S // 3)
    trickle = np.arange(100 * S, 160 * S, S // 2)

    assert last_s(BUSY) == pytest.approx(99.9)
    assert last_s(BUSY, slower) == pytest.approx(160, abs=0.5)
    assert last_s(BUSY, trickle) == pytest.approx(109, abs=1.5)


def test_single_steps_and_repeats_are_no_work() -> None:
    """Nineteen steps in ten seconds, and any number of steps that were done before."""
    few = np.linspace(30 * S, 39 * S, 19).astype(np.int64)

    assert last_s(few) == NONE
    assert last_s(few, np.array([39 * S])) == 39
    assert last_s(BUSY, repeated=BUSY + 100 * S) == pytest.approx(109.9 - 10, abs=0.1)


def test_work_before_the_last_heal_counts_for_nothing() -> None:
    """The time runs from the heal then, which came later."""
    assert last_s(BUSY, since_s=100) == NONE
    assert last_work_ns(np.zeros(0, np.int64), np.zeros(0, np.bool_), 0) == NONE


def test_a_run_under_way_sees_the_same() -> None:
    """Looked at four times a second; it stands still at 100 s, and one step a second follows."""
    seen = Backlog()
    for quarter in range(4 * 200):
        now_ns = quarter * S // 4
        done = int(np.searchsorted(BUSY, now_ns, side="right")) + max(0, quarter // 4 - 100)
        seen.look(now_ns, done)

    assert seen.worked_ns / S == pytest.approx(108, abs=1.5)
