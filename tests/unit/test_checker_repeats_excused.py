"""S3 asks of each repeat whether a fault explains it."""

from harness.checkers.repeats_excused import RepeatsExcused
from harness.history import Evidence
from harness.measures.repeats import repeats_of
from harness.verdict import Verdict
from tests.histories.build import ask, begin, chain, end, evidence_of, fired, healed, outcome


def names(evidence: Evidence) -> list[str]:
    return [anomaly.name for anomaly in RepeatsExcused().check(evidence).anomalies]


def test_a_kill_explains_the_repeat_of_its_victims_step() -> None:
    """The window lies between the two begins."""
    evidence = evidence_of(
        begin("a1", "1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        healed(),
        ask("a1", "1", caller="agents-0.2"),
    )

    assert RepeatsExcused().check(evidence).verdict is Verdict.VALID
    assert repeats_of(evidence).non_victim_count == 0


def test_a_non_victims_repeat_inside_the_window_is_legal_and_listed_apart() -> None:
    """Actors move and placement rebalances while a pod is down."""
    evidence = evidence_of(
        begin("a1", "1"), fired("agents-9.1"), end("a1", "1"), ask("a1", "1"), healed()
    )

    assert names(evidence) == []
    assert repeats_of(evidence).non_victim_count == 1


def test_a_repeat_without_a_fault_is_refuted() -> None:
    """Nothing happened that would explain it."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "1"))

    result = RepeatsExcused().check(evidence)

    assert result.verdict is Verdict.INVALID
    assert names(evidence) == ["repeat-without-fault"]
    assert "asked again by agents-0.1" in result.anomalies[0].text


def test_a_window_that_closed_before_or_opened_after_explains_nothing() -> None:
    """A fault long healed, or still to come, is no cause."""
    before = evidence_of(fired("agents-0.1"), healed(), ask("a1", "1"), ask("a1", "1"))
    after = evidence_of(ask("a1", "1"), ask("a1", "1"), fired("agents-0.1"))

    assert names(before) == ["repeat-without-fault"]
    assert names(after) == ["repeat-without-fault"]


def test_each_repeat_needs_its_own_fault() -> None:
    """One kill explains one repeat, not the one after it."""
    evidence = evidence_of(
        begin("a1", "1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        healed(),
        ask("a1", "1", caller="agents-0.2"),
        ask("a1", "1", caller="agents-0.2"),
    )

    assert names(evidence) == ["repeat-without-fault"]


def test_two_at_once_without_a_fault_are_a_concurrent_duplicate() -> None:
    """The second began before the first had ended."""
    evidence = evidence_of(
        begin("a1", "1"), begin("a1", "1", caller="agents-1.1"), end("a1", "1"), end("a1", "1")
    )

    assert names(evidence) == ["concurrent-duplicate"]


def test_an_sdk_retry_of_an_executed_call_is_a_repeat() -> None:
    """One attempt for its sender, two executions for the witness."""
    evidence = evidence_of(ask("a1", "1", retry=0, outcome="client_gone"), ask("a1", "1", retry=1))

    assert names(evidence) == ["repeat-without-fault"]


def test_a_withheld_answer_excuses_its_repeat() -> None:
    """The witness itself was the fault."""
    evidence = evidence_of(ask("a1", "1", outcome="dropped"), ask("a1", "1"))

    assert names(evidence) == []


def test_calls_without_effect_are_no_repeats() -> None:
    """Waiting out a limit is what a client should do."""
    evidence = evidence_of(
        ask("a1", "1", outcome="limited"), ask("a1", "1", outcome="faulted"), ask("a1", "1")
    )

    assert names(evidence) == []


def test_a_fault_without_proof_excuses_all_the_same() -> None:
    """In doubt for the engine: something was about to fire."""
    evidence = evidence_of(ask("a1", "1"), fired("agents-0.1", proof=""), ask("a1", "1"))

    assert names(evidence) == []


def test_a_recompute_that_a_fault_explains_is_left_to_s2() -> None:
    """After the use, S3 counts only what no fault explains at all."""
    explained = evidence_of(
        ask("a1", "1"), begin("a1", "2"), fired("agents-0.1"), ask("a1", "1", caller="agents-0.2")
    )
    unexplained = evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "1"), outcome("a1"))

    assert names(explained) == []
    assert names(unexplained) == ["repeat-without-fault"]


def test_damaged_evidence_may_hide_the_fault() -> None:
    """A lost mark could be the excuse: the repeat is seen, and decides nothing."""
    result = RepeatsExcused().check(
        evidence_of(ask("a1", "1"), ask("a1", "1"), problems=("a gap",))
    )

    assert result.verdict is Verdict.UNKNOWN
    assert result.violations_count == 1
    assert "a gap" in result.reason


def test_nothing_executed_is_unknown() -> None:
    """An empty history proves nothing."""
    result = RepeatsExcused().check(evidence_of(programs=[chain("a1", "1")]))

    assert result.verdict is Verdict.UNKNOWN
