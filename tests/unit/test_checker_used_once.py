"""S2 judges what began after the use, and only that."""

from harness.checkers.used_once import UsedOnce
from harness.measures.repeats import repeats
from harness.verdict import Verdict
from tests.histories.build import ask, begin, chain, end, evidence_of, fired, outcome, used


def names(evidence: object) -> list[str]:
    return [anomaly.name for anomaly in UsedOnce().check(evidence).anomalies]  # type: ignore[arg-type]


def test_repeat_before_use_is_legal() -> None:
    """A step repeated after a kill, before its use, is a repeat and no anomaly of S2."""
    evidence = evidence_of(
        begin("a1", "1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        begin("a1", "1", caller="agents-0.2"),
        end("a1", "1"),
        used("a1", "1"),
    )

    assert UsedOnce().check(evidence).verdict is Verdict.VALID
    assert repeats(evidence) == 1


def test_recompute_after_use_is_refuted() -> None:
    """The next step had carried the result: no fault excuses doing it again."""
    evidence = evidence_of(
        ask("a1", "1"), begin("a1", "2"), fired("agents-0.1"), ask("a1", "1", caller="agents-0.2")
    )

    result = UsedOnce().check(evidence)

    assert result.verdict is Verdict.INVALID
    assert names(evidence) == ["recompute-after-use"]
    assert "first used at" in result.anomalies[0].text
    assert "agents-0.1 was struck" in result.anomalies[0].text


def test_use_by_another_attempt_counts() -> None:
    """The use belongs to the step: a third execution after it is one too many."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "1"), begin("a1", "2"), ask("a1", "1"))

    assert names(evidence) == ["recompute-after-use"]


def test_an_attempt_begun_before_the_use_may_end_after_it() -> None:
    """Only a begin after the use is a recompute."""
    evidence = evidence_of(
        begin("a1", "1"), ask("a1", "1"), begin("a1", "2"), end("a1", "1"), outcome("a1", "failed")
    )

    assert names(evidence) == []


def test_a_limited_or_failed_call_is_no_recompute() -> None:
    """429, 5xx, a refusal and a client gone before the limiter have no effect."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "2"),
        ask("a1", "1", outcome="limited"),
        ask("a1", "1", outcome="faulted"),
        ask("a1", "1", outcome="refused"),
        ask("a1", "1", outcome="client_gone", is_executed=False),
    )

    assert names(evidence) == []


def test_execution_for_a_lost_client_is_a_recompute() -> None:
    """It was executed and priced."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "1", outcome="client_gone"))

    assert names(evidence) == ["recompute-after-use"]


def test_the_outcome_mark_is_the_use_of_the_last_step() -> None:
    """A last answer after the mark is a recompute; one before it is a repeat."""
    before = evidence_of(ask("a1", "1"), ask("a1", "1"), outcome("a1"))
    after = evidence_of(ask("a1", "1"), outcome("a1"), ask("a1", "1"))

    assert names(before) == []
    assert names(after) == ["recompute-after-outcome"]


def test_agents_that_failed_are_judged() -> None:
    """Giving up does not undo a recompute."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "1"), outcome("a1", "failed"))

    assert names(evidence) == ["recompute-after-use"]


def test_a_receipt_carried_by_another_agent_is_no_use() -> None:
    """That is a leak, and R's."""
    evidence = evidence_of(ask("a1", "1"), used("a1", "1", by="a2"), ask("a1", "1"))

    assert names(evidence) == []


def test_nothing_executed_is_unknown() -> None:
    """An empty history proves nothing."""
    result = UsedOnce().check(evidence_of(programs=[chain("a1", "1")]))

    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == "no steps to judge"
