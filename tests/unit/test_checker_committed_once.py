"""S1 walks outcomes back and finds each step exactly once."""

from dataclasses import replace

import numpy as np

from harness.checkers.committed_once import CommittedOnce
from harness.history import NONE, Evidence
from harness.scenario import Program, Step
from harness.verdict import Verdict
from tests.histories.build import (
    ask,
    begin,
    chain,
    driver,
    end,
    evidence_of,
    fan_out,
    fired,
    outcome,
    tools,
)


def names(evidence: Evidence) -> list[str]:
    return [anomaly.name for anomaly in CommittedOnce().check(evidence).anomalies]


def test_every_pattern_done_right_is_valid() -> None:
    """A chain, a tool loop and a fan-out, each committed once."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "2"),
        outcome("a1"),
        ask("a2", "1"),
        ask("a2", "2", 0),
        ask("a2", "2.t0.c0"),
        ask("a2", "2", 1),
        ask("a2", "3"),
        outcome("a2"),
        ask("a3", "1"),
        ask("a3", "2.b1"),
        ask("a3", "2.b0"),
        ask("a3", "3"),
        outcome("a3"),
        programs=[tools("a2", turns=1), fan_out("a3")],
    )

    result = CommittedOnce().check(evidence)

    assert result.verdict is Verdict.VALID
    assert result.checked_count == 2 + 5 + 4


def test_a_discarded_attempt_is_no_double_commit() -> None:
    """A killed attempt that nobody used is wasted, not committed."""
    evidence = evidence_of(
        begin("a1", "1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        ask("a1", "1", caller="agents-0.2"),
        ask("a1", "2", caller="agents-0.2"),
        outcome("a1"),
    )

    assert CommittedOnce().check(evidence).verdict is Verdict.VALID


def test_two_attempts_in_one_lineage_are_a_double_commit() -> None:
    """One branch built on the first answer, the other on the second."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "2.b0"),
        ask("a1", "1"),
        ask("a1", "2.b1"),
        ask("a1", "3"),
        outcome("a1"),
        programs=[fan_out("a1")],
    )

    result = CommittedOnce().check(evidence)

    assert names(evidence) == ["double-commit"]
    assert result.anomalies[0].path == "1"
    assert len(result.anomalies[0].seqs) == 3


def test_a_step_that_no_outcome_rests_on_is_lost() -> None:
    """The last step was asked without what it builds on."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2", context=[]), outcome("a1"))

    assert names(evidence) == ["lost-step"]


def test_steps_before_a_lost_one_are_not_judged() -> None:
    """Nothing links them to the outcome any more: counted once, as not judged."""
    result = CommittedOnce().check(
        evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "3", context=[]), outcome("a1"))
    )

    assert [(anomaly.name, anomaly.path) for anomaly in result.anomalies] == [("lost-step", "2")]
    assert result.not_judged_count == 1


def test_a_step_that_leads_nowhere_need_not_be_committed() -> None:
    """No later step builds on it, so no outcome can rest on it."""
    steps = (
        Step(path="1", kind="say"),
        Step(path="2", kind="say", after=("1",)),
        Step(path="3", kind="say", after=("1",)),
    )
    told = [ask("a1", "1"), ask("a1", "2"), ask("a1", "3"), outcome("a1")]

    assert names(evidence_of(*told, programs=[Program(agent="a1", steps=steps)])) == []


def test_completion_without_a_receipt_is_a_false_terminal() -> None:
    """The engine says completed and has nothing to show."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1", receipt=0, mark=-1))

    assert names(evidence) == ["false-terminal"]


def test_completion_with_an_unknown_receipt_is_a_false_terminal() -> None:
    """Nobody gave that answer."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1", receipt=12345))

    assert names(evidence) == ["false-terminal"]


def test_completion_before_the_work_is_a_false_terminal() -> None:
    """The outcome was an earlier step's, and the rest ran afterwards."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1", path="1"), ask("a1", "2"))

    assert names(evidence) == ["false-terminal"]


def test_two_tips_of_living_givers_are_a_fork() -> None:
    """Nobody was killed, and two last answers rest on different results."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "2"), ask("a1", "1"), ask("a1", "2"), outcome("a1")
    )

    assert names(evidence) == ["forked-lineage"]


def test_a_second_tip_on_the_same_results_is_no_fork() -> None:
    """The last answer was repeated, not the history."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "2"), outcome("a1"))

    assert names(evidence) == []


def test_a_tip_whose_giver_was_killed_is_no_fork() -> None:
    """A resume that forgot is S2's."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "2"),
        fired("agents-0.1"),
        ask("a1", "1", caller="agents-0.2"),
        ask("a1", "2", caller="agents-0.2"),
        outcome("a1"),
    )

    assert names(evidence) == []


def test_an_outcome_that_changed_is_a_fork() -> None:
    """The driver read two different ends of one agent."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1"), ask("a1", "1"), outcome("a1"))

    assert names(evidence) == ["forked-lineage"]


def test_a_second_start_beside_the_first_is_a_duplicate_start() -> None:
    """The driver posted twice; the first run was alive, and the engine began again."""
    run = [ask("a1", "1"), ask("a1", "2")]
    again = [driver("invoke", "a1"), *run, *run, outcome("a1")]
    killed = [driver("invoke", "a1"), *run, fired("agents-0.1"), *run, outcome("a1")]

    assert "duplicate-start" in names(evidence_of(*again))
    assert "duplicate-start" not in names(evidence_of(*killed))
    assert "duplicate-start" not in names(evidence_of(*again[1:]))


def test_a_first_step_that_nobody_used_is_repeated_and_no_second_start() -> None:
    """Two POSTs and a redelivered first call: seen on Dapr Workflow at 5,000 agents at once."""
    events = [driver("invoke", "a1"), ask("a1", "1"), ask("a1", "1"), ask("a1", "2")]

    assert names(evidence_of(*events, outcome("a1"))) == []


def test_agents_that_failed_have_no_outcome_to_judge() -> None:
    """Only failed agents: nothing was committed, nothing is known."""
    result = CommittedOnce().check(
        evidence_of(ask("a1", "1"), outcome("a1", "failed"), programs=[chain("a1", "1", "2")])
    )

    assert result.verdict is Verdict.UNKNOWN
    assert result.violations_count == 0


def test_stable_answers_cannot_show_commits() -> None:
    """Without marks a double commit would be invisible: unknown, never valid."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), outcome("a1"))
    unmarked = replace(
        evidence,
        requests=replace(evidence.requests, mark=np.full_like(evidence.requests.mark, NONE)),
        context=replace(evidence.context, mark=np.full_like(evidence.context.mark, NONE)),
        outcomes=replace(evidence.outcomes, mark=np.full_like(evidence.outcomes.mark, NONE)),
    )

    result = CommittedOnce().check(unmarked)

    assert result.verdict is Verdict.UNKNOWN
    assert "stable answers" in result.reason


def test_damage_may_have_eaten_the_step() -> None:
    """What rests on a missing record refutes nothing when records are missing."""
    lost = CommittedOnce().check(
        evidence_of(ask("a1", "1"), ask("a1", "2", context=[]), outcome("a1"), problems=("a gap",))
    )
    double = CommittedOnce().check(
        evidence_of(
            ask("a1", "1"),
            ask("a1", "2.b0"),
            ask("a1", "1"),
            ask("a1", "2.b1"),
            ask("a1", "3"),
            outcome("a1"),
            programs=[fan_out("a1")],
            problems=("a gap",),
        )
    )

    assert lost.verdict is Verdict.UNKNOWN
    assert double.verdict is Verdict.INVALID
