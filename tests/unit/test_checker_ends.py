"""L judges who ended in time, and only when the run waited for it."""

from dataclasses import replace

from harness.checkers.ends import Ends
from harness.history import Evidence
from harness.verdict import CheckResult, Verdict
from tests.histories.build import S, ask, chain, evidence_of, fired, healed, outcome


def judged(evidence: Evidence) -> CheckResult:
    return Ends().check(evidence)


def test_all_ended_is_valid() -> None:
    """Completed and failed both count as ended."""
    result = judged(
        evidence_of(ask("a1", "1"), outcome("a1"), ask("a2", "1"), outcome("a2", "failed"))
    )

    assert result.verdict is Verdict.VALID
    assert result.checked_count == 2


def test_an_agent_that_never_ends_is_stuck() -> None:
    """The run waited until the time was up."""
    result = judged(evidence_of(ask("a1", "1"), ask("a2", "1"), outcome("a2")))

    assert result.verdict is Verdict.INVALID
    assert [(anomaly.name, anomaly.agent) for anomaly in result.anomalies] == [("stuck", "a1")]
    assert "asked by agents-0.1" in result.anomalies[0].text


def test_an_agent_without_a_single_request_can_be_stuck() -> None:
    """Accepted, and never seen again: a lost start."""
    result = judged(evidence_of(ask("a2", "1"), outcome("a2"), programs=[chain("a1", "1")]))

    assert [anomaly.agent for anomaly in result.anomalies] == ["a1"]


def test_an_end_after_the_time_is_stuck() -> None:
    """Late is not in time."""
    late = evidence_of(ask("a1", "1"), ask("a1", "1"), outcome("a1"), liveness_ns=2 * S)

    assert judged(late).verdict is Verdict.INVALID


def test_the_time_runs_from_the_last_heal() -> None:
    """What a fault delayed gets its full time after it."""
    healed_late = evidence_of(
        ask("a1", "1"),
        fired("agents-0.1"),
        ask("a2", "1"),
        healed(),
        outcome("a1"),
        outcome("a2"),
        liveness_ns=4 * S,
    )

    assert judged(healed_late).verdict is Verdict.VALID


def test_the_time_runs_from_the_last_event() -> None:
    """Who waits for a word has its full time after it; without the word the same end is late."""
    word, other = ask("a1", "e", kind="event"), ask("a2", "1")
    before = (ask("a1", "1"), ask("a1", "2"))

    woken = evidence_of(*before, word, outcome("a1"), outcome("a2"), other, liveness_ns=3 * S)
    asleep = evidence_of(*before, other, outcome("a1"), outcome("a2"), liveness_ns=3 * S)

    assert judged(woken).verdict is Verdict.VALID
    assert judged(asleep).verdict is Verdict.INVALID


def test_the_time_runs_from_the_last_work() -> None:
    """Who waited his turn in an engine at work has his full time after it."""
    late = evidence_of(ask("a1", "1"), ask("a1", "1"), outcome("a1"), liveness_ns=2 * S)
    last_ns = int(late.requests.begin_ns.max())

    at_work = judged(replace(late, working_until_ns=last_ns))

    assert at_work.verdict is Verdict.VALID
    assert judged(late).verdict is Verdict.INVALID


def test_a_run_that_stopped_early_knows_nothing_of_the_unfinished() -> None:
    """Unknown, with the number of agents that nobody waited for."""
    result = judged(evidence_of(ask("a1", "1"), end_after_ns=S))

    assert result.verdict is Verdict.UNKNOWN
    assert result.not_judged_count == 1
    assert "before their time" in result.reason


def test_a_fault_that_never_healed_leaves_liveness_unknown() -> None:
    """Without health there is no last heal to count from."""
    result = judged(evidence_of(ask("a1", "1"), fired("agents-0.1"), ask("a2", "1"), outcome("a2")))

    assert result.verdict is Verdict.UNKNOWN
    assert "never seen again" in result.reason


def test_agents_that_were_never_accepted_are_not_judged() -> None:
    """No 202, no promise; and with nobody accepted there is nothing to know."""
    result = judged(evidence_of(ask("a1", "1"), is_accepted=False))

    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == "no agent was accepted"


def test_an_outcome_mark_is_an_end_even_without_the_drivers_line() -> None:
    """The driver died between the two; the ledger has seen the end."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1"))
    evidence.starts.ended_ns[:] = -1

    assert judged(evidence).verdict is Verdict.VALID
