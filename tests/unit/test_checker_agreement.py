"""The judge agrees with the one that is written out record by record."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.checkers import CHECKERS, all_anomalies, run_checkers
from harness.checkers.found import Scan
from harness.clock import NS_PER_S
from harness.history import Evidence, Ints
from harness.measures.messages import figures_of
from harness.measures.portion import portions
from harness.measures.repeats import repeats
from harness.verdict import Verdict
from tests import naive_judge, naive_messages
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
    assert results["M"].exposed_count == naive_messages.post_of(evidence).exposed()
    assert fates_of(evidence) == naive_messages.post_of(evidence).fates()
    assert not [result.reason for result in results.values() if "failed" in result.reason]


@example(seed=4399, kills=0)
@given(seed=seeds, kills=st.integers(min_value=0, max_value=4))
def test_no_false_alarm_on_a_correct_engine(seed: int, kills: int) -> None:
    """Kills at random: only S5, which nobody could promise, may fall.

    The time of L is longer than a run's random pauses, which are 65 s together now and then.
    """
    evidence = replace(correct_run(seed, kills=kills), liveness_ns=300 * NS_PER_S)

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


@pytest.mark.parametrize("seed", range(10))
def test_gaps_between_sequence_numbers_do_not_matter(seed: int) -> None:
    """A ledger of which most is left out, such as a long warm-up, is judged alike."""
    evidence = lying_run(seed)
    sparse = replace(
        evidence,
        requests=replace(
            evidence.requests,
            begin_seq=_wide(evidence.requests.begin_seq),
            end_seq=_wide(evidence.requests.end_seq),
            mark=_wide(evidence.requests.mark),
        ),
        context=replace(evidence.context, mark=_wide(evidence.context.mark)),
        outcomes=replace(
            evidence.outcomes,
            seq=_wide(evidence.outcomes.seq),
            mark=_wide(evidence.outcomes.mark),
        ),
        messages=replace(evidence.messages, seq=_wide(evidence.messages.seq)),
        faults=tuple(
            replace(
                fault,
                firing_seq=fault.firing_seq * 1000,
                fired_seq=fault.fired_seq * 1000,
                healed_seq=fault.healed_seq * (1000 if fault.healed_seq > 0 else 1),
            )
            for fault in evidence.faults
        ),
    )

    assert found(sparse) == found(evidence)


def fates_of(evidence: Evidence) -> Counter[str]:
    figures = figures_of(evidence)
    if figures is None:
        return Counter()
    return +Counter(
        delivered=figures.delivered_count,
        dead=figures.dead_letter_count,
        stranded=figures.stranded_count,
        lost=figures.lost_count,
        unknown=figures.unknown_count,
    )


def _wide(seqs: Ints) -> Ints:
    return np.where(seqs > 0, seqs * 1000, seqs)


def counts(scan: Scan) -> tuple[object, ...]:
    rows = {found.name: sorted(map(tuple, found.seqs.tolist())) for found in scan.joined().found}
    return (scan.checked, scan.exposed, scan.interrupted, scan.not_judged, scan.offered, rows)
