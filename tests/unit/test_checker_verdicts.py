"""The rules that make a verdict are the same for every promise."""

from pathlib import Path

import pytest

from harness.checkers import CHECKERS, all_anomalies, run_checkers
from harness.checkers.judgement import ANOMALIES_MAX, RESTS_ON_ABSENCE
from harness.checkers.telling import MEANINGS
from harness.checkers.used_once import UsedOnce
from harness.history import Evidence
from harness.verdict import PROMISE_KEYS, CheckResult, Verdict
from tests.histories.build import (
    Told,
    ask,
    begin,
    chain,
    counted,
    end,
    evidence_of,
    fired,
    healed,
    message,
    outcome,
    sent,
    tools,
)


def killed(agent: str = "a1") -> list[Told]:
    """One step interrupted by a kill, and done again."""
    return [
        begin(agent, "1"),
        fired("agents-0.1"),
        end(agent, "1", outcome="client_gone"),
        healed(),
        ask(agent, "1", caller="agents-0.2"),
        outcome(agent),
    ]


def of(promise: str, evidence: Evidence) -> CheckResult:
    return next(result for result in run_checkers(evidence) if result.promise == promise)


def test_there_is_a_checker_for_every_promise_in_the_vectors_order() -> None:
    """The registry and the vector are the same list."""
    assert tuple(CHECKERS) == PROMISE_KEYS
    assert [checker.promise for checker in CHECKERS.values()] == list(PROMISE_KEYS)
    assert [result.promise for result in run_checkers(evidence_of())] == list(PROMISE_KEYS)


@pytest.mark.parametrize("promise", PROMISE_KEYS)
def test_a_checkers_docstring_starts_with_its_promise(promise: str) -> None:
    """And says what it cannot see."""
    text = type(CHECKERS[promise]).__doc__ or ""

    assert text.startswith(f"{promise}: ")
    assert "Cannot see" in text


@pytest.mark.parametrize("promise", PROMISE_KEYS)
def test_the_empty_history_is_unknown(promise: str) -> None:
    """Nothing planned, nothing seen, nothing known."""
    result = CHECKERS[promise].check(evidence_of())

    assert result.verdict is Verdict.UNKNOWN
    assert result.reason


@pytest.mark.parametrize("promise", PROMISE_KEYS)
def test_a_right_run_without_faults_is_valid(promise: str) -> None:
    """Judged over all its steps; no minimum applies."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "2", 0),
        ask("a1", "2.t0.c0", key="k"),
        ask("a1", "2", 1),
        ask("a1", "3"),
        outcome("a1"),
        sent("a1/m"),
        message("delivered", "a1/m"),
        counted(),
        programs=[tools("a1", turns=1)],
        exposures_min=30,
    )

    assert CHECKERS[promise].check(evidence).verdict is Verdict.VALID


@pytest.mark.parametrize("promise", ["L", "S1", "S2", "S3", "R"])
def test_a_planned_fault_that_never_struck_makes_a_pass_unknown(promise: str) -> None:
    """One of two faults fired."""
    evidence = evidence_of(*killed(), faults_planned=2)

    result = of(promise, evidence)

    assert result.verdict is Verdict.UNKNOWN
    assert "1 of 2 planned faults struck" in result.reason


def test_a_fault_without_proof_has_not_struck() -> None:
    """A mark is an intention."""
    evidence = evidence_of(ask("a1", "1"), fired("agents-0.1", proof=""), healed(), outcome("a1"))

    assert "0 of 1 planned faults struck" in of("S2", evidence).reason


@pytest.mark.parametrize("promise", ["L", "S1", "S2", "S3", "R"])
def test_too_few_interrupted_exposures_make_a_pass_unknown(promise: str) -> None:
    """One interrupted step is no 30."""
    assert of(promise, evidence_of(*killed(), exposures_min=1)).verdict is Verdict.VALID

    result = of(promise, evidence_of(*killed(), exposures_min=30))

    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == "1 interrupted exposure, at least 30 needed"


@pytest.mark.parametrize("promise", ["L", "S1", "S2", "S3", "R"])
def test_damage_makes_a_pass_unknown(promise: str) -> None:
    """A gap may hide anything."""
    result = of(promise, evidence_of(*killed(), problems=("records are missing",)))

    assert result.verdict is Verdict.UNKNOWN
    assert "records are missing" in result.reason


def test_a_refutation_needs_no_minimum() -> None:
    """One recompute, a fault that never struck, no exposure: refuted."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "2"), ask("a1", "1"), faults_planned=3, exposures_min=30
    )

    assert of("S2", evidence).verdict is Verdict.INVALID


def test_a_refutation_stands_on_damaged_evidence_when_it_rests_on_what_is_there() -> None:
    """A recompute that was seen was seen, whatever else is missing."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "2"), ask("a1", "1"), problems=("records are missing",)
    )

    assert of("S2", evidence).verdict is Verdict.INVALID
    assert of("S3", evidence).verdict is Verdict.UNKNOWN


def test_a_broken_checker_is_unknown_and_the_others_judge_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error's text is the reason."""

    class Broken(UsedOnce):
        def scan(self, _portion: object) -> object:  # type: ignore[override]
            raise ValueError("seven of nine")

    monkeypatch.setitem(CHECKERS, "S2", Broken())

    results = {result.promise: result for result in run_checkers(evidence_of(*killed()))}

    assert results["S2"].verdict is Verdict.UNKNOWN
    assert "seven of nine" in results["S2"].reason
    assert results["S3"].verdict is Verdict.VALID


def test_results_hold_the_worst_50_and_the_side_file_all() -> None:
    """Counts are of all; texts are bounded."""
    told = [ask(f"a{number:03}", "1") for number in range(60) for _ in range(2)]
    evidence = evidence_of(*told)

    result = of("S3", evidence)

    assert result.violations_count == 60
    assert len(result.anomalies) == ANOMALIES_MAX
    assert len([anomaly for anomaly in all_anomalies(evidence) if anomaly.promise == "S3"]) == 60
    assert result.anomalies[0].agent == "a000"


def test_an_anomalys_text_tells_times_from_the_begin_of_the_load() -> None:
    """In plain words, with who, when and under which attempt mark."""
    evidence = evidence_of(
        ask("a1", "1"), begin("a1", "2"), fired("agents-0.1"), ask("a1", "1", caller="agents-0.2")
    )

    (anomaly,) = of("S2", evidence).anomalies

    assert anomaly.text == (
        "agent a1, step 1: executed again after its result had been used: "
        f"asked by agents-0.1 at 1.000 s, answered at 2.000 s as {_short(evidence)}.2; "
        "first used at 3.000 s by step 2; "
        "agents-0.1 was struck between 4.000 and 5.000 s (kill_pod-0); "
        f"asked again by agents-0.2 at 6.000 s, answered at 7.000 s as {_short(evidence)}.7"
    )
    assert anomaly.seqs == (2, 4, 7)


def test_every_anomaly_that_rests_on_absence_is_known() -> None:
    """A misspelt name would make it refute what it cannot."""
    assert set(MEANINGS) >= RESTS_ON_ABSENCE


def test_the_guarantees_page_names_every_anomaly() -> None:
    """What can be found is explained, each under its promise."""
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text()

    assert [name for name in MEANINGS if f"`{name}`" not in page] == []


def test_agents_without_requests_do_not_disturb() -> None:
    """Portions of agents that nobody has seen are judged by L alone."""
    evidence = evidence_of(
        *killed(), programs=[chain("a0", "1"), chain("a1", "1"), chain("a2", "1")]
    )

    assert of("L", evidence).violations_count == 2
    assert of("S2", evidence).verdict is Verdict.VALID


def _short(evidence: Evidence) -> str:
    return f"{int(evidence.requests.receipt[0]) & 0xFFFFFFFF:08x}"
