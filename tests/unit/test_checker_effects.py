"""S4 and S5 judge tool effects: applied once under a key, attempted once at all."""

from harness.checkers.applied_once import AppliedOnce
from harness.checkers.attempted_once import AttemptedOnce
from harness.history import Evidence
from harness.verdict import Verdict
from tests.histories.build import Told, ask, chain, evidence_of, fired, healed, outcome, tools

CALL = "2.t0.c0"


def loop(*calls: Told, agent: str = "a1") -> list[Told]:
    """A tool loop of one turn around its calls."""
    return [
        ask(agent, "1"),
        ask(agent, "2", 0),
        *calls,
        ask(agent, "2", 1),
        ask(agent, "3"),
        outcome(agent),
    ]


def evidence(*told: Told, agents: tuple[str, ...] = ("a1",), exposures_min: int = 0) -> Evidence:
    return evidence_of(
        *told, programs=[tools(agent, turns=1) for agent in agents], exposures_min=exposures_min
    )


def s4(history: Evidence) -> list[str]:
    return [anomaly.name for anomaly in AppliedOnce().check(history).anomalies]


def test_one_call_under_one_key_holds_both() -> None:
    """Attempted once and applied once."""
    history = evidence(*loop(ask("a1", CALL, key="k")))

    assert AppliedOnce().check(history).verdict is Verdict.VALID
    assert AttemptedOnce().check(history).verdict is Verdict.VALID


def test_a_repeat_under_the_same_key_refutes_s5_alone() -> None:
    """Attempted twice, applied once: what idempotency keys are for."""
    history = evidence(
        *loop(
            ask("a1", CALL, key="k", outcome="client_gone"),
            ask("a1", CALL, key="k", is_applied=False),
        )
    )

    result = AttemptedOnce().check(history)

    assert AppliedOnce().check(history).verdict is Verdict.VALID
    assert result.verdict is Verdict.INVALID
    assert [anomaly.name for anomaly in result.anomalies] == ["attempted-twice"]


def test_another_key_for_the_same_call_is_unstable_and_applies_twice() -> None:
    """The tool could not know."""
    history = evidence(*loop(ask("a1", CALL, key="k1"), ask("a1", CALL, key="k2")))

    assert s4(history) == ["double-applied", "key-instability"]


def test_a_key_that_is_missing_once_is_unstable() -> None:
    """Offered for one attempt and not for the next."""
    history = evidence(*loop(ask("a1", CALL, key="k1"), ask("a1", CALL, is_applied=False)))

    assert s4(history) == ["key-instability"]


def test_one_key_for_two_calls_is_shared() -> None:
    """The second call would be swallowed: across agents as well."""
    history = evidence(
        *loop(ask("a1", CALL, key="k")),
        *loop(ask("a2", CALL, key="k", is_applied=False), agent="a2"),
        agents=("a1", "a2"),
    )

    result = AppliedOnce().check(history)

    assert [(anomaly.name, anomaly.agent) for anomaly in result.anomalies] == [("key-shared", "a2")]


def test_no_key_at_all_is_not_offered() -> None:
    """Not red: the engine offers nothing that could be held against it."""
    result = AppliedOnce().check(evidence(*loop(ask("a1", CALL), ask("a1", CALL))))

    assert result.verdict is Verdict.UNKNOWN
    assert not result.is_offered
    assert result.reason.startswith("not offered")
    assert result.violations_count == 0


def test_calls_without_effect_are_no_attempts() -> None:
    """A refused or failed call did nothing."""
    history = evidence(
        *loop(
            ask("a1", CALL, key="k", outcome="faulted"),
            ask("a1", CALL, key="k", outcome="refused"),
            ask("a1", CALL, key="k"),
        )
    )

    assert AttemptedOnce().check(history).verdict is Verdict.VALID


def test_a_run_without_tools_has_nothing_that_they_are_about() -> None:
    """Neither a pass nor a doubt; a tool that is called although no program has one is judged."""
    without = evidence_of(ask("a1", "1"), outcome("a1"))
    called = evidence_of(ask("a1", "1"), ask("a1", "2", kind="effect", key="k"), outcome("a1"))

    for checker in (AppliedOnce(), AttemptedOnce()):
        result = checker.check(without)
        assert (result.verdict, result.is_applicable) == (Verdict.UNKNOWN, False)
        assert result.reason == "no tool calls in this run"
        assert checker.check(called).is_applicable


def test_tools_that_never_ran_are_unknown() -> None:
    """An empty history proves nothing."""
    history = evidence_of(ask("a1", "1"), programs=[tools("a1")])

    assert AttemptedOnce().check(history).reason == "no tool calls to judge"


def test_only_interrupted_effects_count_for_the_minimum() -> None:
    """Thirty interrupted LLM steps say nothing about tools."""
    history = evidence(
        ask("a1", "1"),
        ask("a1", "2", 0),
        fired("agents-0.1"),
        healed(),
        ask("a1", CALL, key="k", caller="agents-0.2"),
        exposures_min=1,
    )

    result = AttemptedOnce().check(history)

    assert result.verdict is Verdict.UNKNOWN
    assert result.exposed_count == 0
    assert "at least 1 needed" in result.reason


def test_agents_that_failed_are_judged_for_their_effects() -> None:
    """Giving up does not undo a charge."""
    history = evidence(
        ask("a1", "1"),
        ask("a1", "2", 0),
        ask("a1", CALL),
        ask("a1", CALL),
        outcome("a1", "failed"),
    )

    assert AttemptedOnce().check(history).verdict is Verdict.INVALID


def test_steps_of_a_chain_are_no_effects() -> None:
    """S5 counts effects only; repeated LLM calls cost money and are priced."""
    history = evidence_of(
        ask("a1", "1"),
        ask("a1", "1"),
        *loop(ask("a2", CALL), agent="a2"),
        programs=[chain("a1", "1"), tools("a2", turns=1)],
    )

    assert AttemptedOnce().check(history).verdict is Verdict.VALID
