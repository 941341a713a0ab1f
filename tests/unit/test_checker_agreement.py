"""The judge agrees with the one that is written out record by record."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkers import CHECKERS, all_anomalies, run_checkers
from harness.checkers.found import Scan
from harness.history import Evidence
from harness.measures.portion import portions
from harness.measures.repeats import repeats
from harness.verdict import Verdict
from tests import naive_judge
from tests.histories.random_runs import correct_run, lying_run

seeds = st.integers(min_value=0, max_value=2**32)


def found(evidence: Evidence) -> Counter[naive_judge.Finding]:
    return Counter((a.promise, a.name, a.agent, a.path) for a in all_anomalies(evidence))


@given(seed=seeds)
def test_both_judges_agree_on_histories_that_lie(seed: int) -> None:
    """Same anomalies of the same steps, same repeats, same exposures."""
    evidence = lying_run(seed)

    results = {result.promise: result for result in run_checkers(evidence)}

    assert found(evidence) == naive_judge.judge(evidence)
    assert repeats(evidence) == naive_judge.repeats(evidence)
    assert results["S2"].exposed_count == naive_judge.interrupted(evidence)
    assert not [result.reason for result in results.values() if "failed" in result.reason]


@given(seed=seeds, kills=st.integers(min_value=0, max_value=4))
def test_no_false_alarm_on_a_correct_engine(seed: int, kills: int) -> None:
    """Kills at random: only S5, which nobody could promise, may fall."""
    evidence = correct_run(seed, kills=kills)

    refuted = [r.promise for r in run_checkers(evidence) if r.verdict is Verdict.INVALID]

    assert set(refuted) <= {"S5"}
    assert found(evidence) == naive_judge.judge(evidence)


@pytest.mark.parametrize("seed", range(20))
def test_portions_do_not_matter(seed: int) -> None:
    """An agent a portion, or all in one: the same counts and the same anomalies."""
    evidence = lying_run(seed, agents=5)

    for checker in CHECKERS.values():
        small, large = (
            sum((checker.scan(portion) for portion in portions(evidence, rows_max=rows)), Scan())
            for rows in (1, 10_000)
        )
        assert counts(small) == counts(large)


def counts(scan: Scan) -> tuple[object, ...]:
    rows = {found.name: sorted(map(tuple, found.seqs.tolist())) for found in scan.joined().found}
    return (scan.checked, scan.exposed, scan.interrupted, scan.not_judged, scan.offered, rows)
