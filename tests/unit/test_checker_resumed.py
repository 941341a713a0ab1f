"""R: nothing skipped, order kept, conversations go on, outcome the oracle's."""

from harness.checkers.resumed import Resumed
from harness.history import NONE, Evidence
from harness.verdict import Verdict
from mock_llm.receipts import tag
from tests.histories.build import (
    Told,
    ask,
    begin,
    chain,
    end,
    evidence_of,
    forged,
    outcome,
    tools,
    used,
)

Entries = list[tuple[str, str, int, int]]


def names(evidence: Evidence) -> list[str]:
    return [anomaly.name for anomaly in Resumed().check(evidence).anomalies]


def loop(last: Told) -> list[Told]:
    """A tool loop of two turns; `last` asks for its final answer."""
    return [
        ask("a1", "1"),
        ask("a1", "2", 0),
        ask("a1", "2.t0.c0"),
        ask("a1", "2", 1),
        ask("a1", "2.t1.c0"),
        last,
        ask("a1", "3"),
        outcome("a1"),
    ]


def of_loop(*told: Told) -> Evidence:
    return evidence_of(*told, programs=[tools("a1")])


def test_a_right_run_is_valid() -> None:
    """Order, conversation and outcome are the program's."""
    result = Resumed().check(of_loop(*loop(ask("a1", "2", 2))))

    assert result.verdict is Verdict.VALID
    assert result.checked_count == 1


def test_a_step_that_never_ran_is_skipped() -> None:
    """Its successor did run, and carried nothing of it."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "3", context=[]), programs=[chain("a1", "1", "2", "3")]
    )

    assert [(a.name, a.path) for a in Resumed().check(evidence).anomalies] == [
        ("skipped-step", "2")
    ]


def test_a_step_begun_before_its_predecessor_was_answered_is_out_of_order() -> None:
    """It cannot have had what it builds on."""
    evidence = evidence_of(
        begin("a1", "1"),
        ask("a1", "2", context=[]),
        end("a1", "1"),
        programs=[chain("a1", "1", "2")],
    )

    assert names(evidence) == ["out-of-order"]


def test_a_divergent_result_is_told_at_its_root() -> None:
    """What it misleads further on is told by the outcome, not step by step."""
    evidence = evidence_of(
        ask("a1", "1", receipt=forged("a1", "1", 1)),
        ask("a1", "2", receipt=forged("a1", "2", 2)),
        outcome("a1"),
    )

    assert names(evidence) == ["wrong-outcome", "result-divergence"]
    assert [a.path for a in Resumed().check(evidence).anomalies] == ["", "1"]


def test_an_outcome_of_another_step_is_wrong() -> None:
    """Completed, with the answer of a step in the middle."""
    evidence = evidence_of(
        ask("a1", "1"), outcome("a1", path="1"), programs=[chain("a1", "1", "2")]
    )

    assert names(evidence) == ["wrong-outcome"]


def test_an_agent_that_failed_has_no_outcome_to_judge() -> None:
    """All else is judged."""
    evidence = evidence_of(
        ask("a1", "1"), outcome("a1", "failed"), programs=[chain("a1", "1", "2")]
    )

    assert names(evidence) == []


def test_a_step_outside_the_program_is_a_phantom() -> None:
    """So is a step of an agent that is in no program."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "9"), ask("a1", "9"), programs=[chain("a1", "1")]
    )

    assert names(evidence) == ["phantom-step"]


def test_a_strangers_step_is_a_phantom() -> None:
    """Nobody started that agent."""
    evidence = evidence_of(ask("a1", "1"), ask("a2", "1"))
    assert names(evidence) == []

    evidence.requests.agent[evidence.requests.agent == 1] = NONE

    assert names(evidence) == ["phantom-step"]


def test_a_turn_that_forgot_is_corrupt() -> None:
    """Its conversation does not start with that of the turn before."""

    def forget(entries: Entries) -> Entries:
        return entries[:1] + entries[2:]

    evidence = of_loop(*loop(ask("a1", "2", 2, change=forget)))

    assert "context-corruption" in names(evidence)


def test_a_turn_whose_conversation_changed_order_is_corrupt() -> None:
    """The same entries, and no continuation."""

    def swap(entries: Entries) -> Entries:
        return [entries[1], entries[0], *entries[2:]]

    assert names(of_loop(*loop(ask("a1", "2", 2, change=swap)))) == ["context-corruption"]


def test_a_missing_tool_result_is_corrupt() -> None:
    """A call without its result."""

    def drop(entries: Entries) -> Entries:
        return entries[:-2]

    assert "context-corruption" in names(of_loop(*loop(ask("a1", "2", 2, change=drop))))


def test_a_repeated_tool_result_is_corrupt() -> None:
    """A result twice for one call."""

    def double(entries: Entries) -> Entries:
        return [*entries, *entries[-2:]]

    assert names(of_loop(*loop(ask("a1", "2", 2, change=double)))) == ["context-corruption"]


def test_a_result_of_another_call_is_corrupt() -> None:
    """As many results as calls, and not for these calls."""

    def twist(entries: Entries) -> Entries:
        role, kind, _, _ = entries[-2]
        return [*entries[:-2], (role, kind, *entries[2][2:]), entries[-1]]

    assert names(of_loop(*loop(ask("a1", "2", 2, change=twist)))) == ["context-corruption"]


def test_a_strangers_marker_is_a_leak() -> None:
    """Another agent's prompt in this one's request."""

    def leak(entries: Entries) -> Entries:
        return [*entries, ("u", "x", tag("a2", "1"), -1)]

    evidence = evidence_of(ask("a1", "1", change=leak))

    assert names(evidence) == ["cross-agent-leak"]


def test_a_strangers_receipt_is_a_leak() -> None:
    """Another agent's answer in this one's request, an auxiliary one included."""
    evidence = evidence_of(ask("a1", "1"), ask("a2", "1"), used("a1", "1", by="a2"))

    (anomaly,) = Resumed().check(evidence).anomalies

    assert (anomaly.name, anomaly.agent) == ("cross-agent-leak", "a2")


def test_a_receipt_that_nobody_gave_is_told() -> None:
    """It bears the tag of an own step, and no such answer exists."""

    def forge(entries: Entries) -> Entries:
        return [*entries, ("u", "r", forged("a1", "1", 7), 3)]

    evidence = evidence_of(ask("a1", "1"), ask("a1", "2", change=forge))

    assert names(evidence) == ["unanswered-receipt"]


def test_nothing_executed_is_unknown() -> None:
    """An empty history proves nothing."""
    result = Resumed().check(evidence_of(programs=[chain("a1", "1")]))

    assert result.verdict is Verdict.UNKNOWN
