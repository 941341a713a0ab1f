"""The gate: every verdict and every reason, seen with doctored results."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.measures.figures import FIGURES
from harness.results import Assumption, ThresholdRow
from harness.scenario import LoadSpec
from reports.gate import CLASSES, GateResult, Settings, exit_code_of, gate
from reports.gate_finding import (
    CORRECTNESS,
    COST,
    FAIL,
    INCONCLUSIVE,
    KNOWN,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOTE,
    PASS,
    SKIPPED,
    TIMING,
    Finding,
)
from reports.gate_sides import Baseline, Judged
from tests.gate_fixtures import QUIET, SCENARIO, baseline, judged, repeats
from tests.report_parts import promise_rows


def gated(
    candidate: Sequence[Judged], base: Baseline | str | None = None, /, **chosen: object
) -> GateResult:
    settings = Settings(**chosen)  # type: ignore[arg-type]
    return gate(
        baseline() if base is None else base,
        candidate,
        against="the baseline of this test",
        settings=settings,
    )


def states(result: GateResult, kind: str = "") -> dict[str, str]:
    return {one.name: one.state for one in result.findings if not kind or one.kind == kind}


def texts(result: GateResult, state: str) -> list[str]:
    return [one.text for one in result.findings if one.state == state]


def test_equal_runs_pass() -> None:
    """Every promise, cost and timing; nothing is left undecided."""
    result = gated(repeats())

    assert result.exit_code == 0
    assert set(states(result, COST).values()) == {PASS}
    assert set(states(result, TIMING).values()) == {PASS}
    assert list(states(result, CORRECTNESS).values()).count(PASS) == 6
    assert len(result.noise) == sum(spec.is_timing for spec in FIGURES)


def test_a_broken_promise_is_invalid_whatever_else_is_well() -> None:
    """One repeat of three is enough: 1, which outweighs any regression."""
    runs = [*repeats(2), judged(repeat=2, refuted={"S1": 1}, values={"tokens_per_agent": 900.0})]
    result = gated(runs)

    assert result.exit_code == 1
    assert [one.name[:2] for one in result.findings if one.state == FAIL and one.kind == CORRECTNESS
            ] == ["S1"]  # fmt: skip
    assert "promised, and refuted in 1 of 3 runs" in texts(result, FAIL)[0]


def test_a_known_finding_is_shown_and_fails_no_gate() -> None:
    """Of that engine and that promise alone."""
    known = {"dapr_workflow:default/L": "docs/findings/0001"}
    base = replace(baseline(), known=known)
    result = gated(repeats(refuted={"L": 2}), base)

    assert result.exit_code == 0
    assert texts(result, KNOWN) == [
        "promised, and refuted in 3 of 3 runs: known, see docs/findings/0001"
    ]
    assert gated(repeats(refuted={"R": 2}), base).exit_code == 1
    assert gated(repeats(refuted={"L": 2}, variant="other"), base).exit_code == 1


def test_what_is_not_promised_is_said_and_not_gated() -> None:
    """S5 fell, and the engine never said that it would not."""
    result = gated(repeats(refuted={"S5": 9}))

    assert result.exit_code == 0
    assert any("does not promise it" in text for text in texts(result, NOTE))


def test_an_unknown_promise_is_no_pass() -> None:
    """2, with the checker's reason."""
    result = gated(repeats(unknown=("R",)))

    assert result.exit_code == 2
    assert "unknown in 3 of 3 runs: too few" in texts(result, INCONCLUSIVE)[0]


def test_a_run_that_broke_says_nothing_of_the_engine() -> None:
    """255."""
    broken = judged(
        repeat=2,
        change=lambda run: replace(run, state="failed", state_reason="broken: no port"),
    )

    assert gated([*repeats(2), broken]).exit_code == 255


def test_a_skipped_run_is_neutral_and_visible() -> None:
    """Its cell of the baseline is not missed."""
    skipped = judged(change=lambda run: replace(run, state="skipped", state_reason="no Dapr here"))
    beside = repeats(engine="reference", scenario=QUIET)
    other = baseline(engine="reference", scenario=QUIET)
    both = replace(baseline(), cells=(*baseline().cells, *other.cells))
    result = gated([skipped, *beside], both)

    assert result.exit_code == 0
    assert texts(result, SKIPPED) == ["no Dapr here"]
    assert gated([skipped]).exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("llm_steps_per_agent", 5.005, FAIL),
        ("effects_per_agent", 0.945, FAIL),
        ("failed_agents", 1.0, FAIL),
        ("llm_calls_per_agent", 6.1 * 1.249, PASS),
        ("llm_calls_per_agent", 6.1 * 1.251, FAIL),
        ("tokens_per_agent", 390 * 1.251, FAIL),
        ("store_operations_per_agent", 81 * 1.24, PASS),
        ("store_operations_per_agent", 81 * 1.26, FAIL),
        ("history_bytes_per_agent", 4100 * 1.26, FAIL),
    ],
)
def test_under_faults_a_cost_is_exact_or_within_its_tolerance(
    name: str, value: float, state: str
) -> None:
    """One run is enough; worse is 3."""
    result = gated([judged(values={name: value})], only=(COST,))

    assert states(result, COST)[name] == state
    assert result.exit_code == (3 if state == FAIL else 0)


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("llm_calls_per_agent", 6.105, FAIL),
        ("tokens_per_agent", 390 * 1.006, FAIL),
        ("store_operations_per_agent", 81 * 1.151, FAIL),
    ],
)
def test_without_faults_a_cost_is_held_tighter(name: str, value: float, state: str) -> None:
    """Nothing but the program decides what is called."""
    runs = [judged(scenario=QUIET, values={name: value})]
    result = gated(runs, baseline(scenario=QUIET), only=(COST,))

    assert states(result, COST)[name] == state


def test_less_than_the_baseline_passes_and_is_said() -> None:
    """So that it can be kept."""
    result = gated([judged(values={"llm_steps_per_agent": 4.0})], only=(COST,))

    assert result.exit_code == 0
    assert any("make a new one" in text for text in texts(result, PASS))


def test_what_neither_side_measured_is_neutral_and_visible() -> None:
    """With its reason."""
    none: dict[str, float | None] = {"store_operations_per_agent": None}
    result = gated(repeats(values=none), baseline(values=none))

    assert result.exit_code == 0
    assert states(result)["store_operations_per_agent"] == NOT_MEASURED
    assert texts(result, NOT_MEASURED) == ["store_operations_per_agent cannot be had"]


def test_what_only_the_baseline_measured_is_undecided() -> None:
    """A figure that vanished is not a figure that is well."""
    result = gated(repeats(values={"history_bytes_per_agent": None}))

    assert result.exit_code == 2
    assert texts(result, INCONCLUSIVE) == [
        "not measured now: history_bytes_per_agent cannot be had"
    ]


@pytest.mark.parametrize(
    ("factor", "state", "code"),
    [(1.0, PASS, 0), (1.5, FAIL, 3), (1.1, INCONCLUSIVE, 2), (0.5, PASS, 0)],
)
def test_a_timing_passes_fails_or_stays_open(factor: float, state: str, code: int) -> None:
    """By the interval of the ratio against 10 %."""
    result = gated(repeats(values={"agent_ms_p50": 7000 * factor}))

    assert states(result, TIMING)["agent_ms_p50"] == state
    assert result.exit_code == code


def test_an_open_timing_says_how_many_repeats_would_decide() -> None:
    """Or that it is too near."""
    near = gated(repeats(values={"agent_ms_p50": 7000 * 1.1}))
    open_ = gated(repeats(values={"agent_ms_p50": 7000 * 1.085}))

    assert "too near to decide" in texts(near, INCONCLUSIVE)[0]
    assert "repeats would decide" in texts(open_, INCONCLUSIVE)[0]


def test_two_repeats_are_too_few_for_timings() -> None:
    """2, with the least number; costs are gated all the same."""
    result = gated(repeats(2))

    assert result.exit_code == 2
    assert set(states(result, TIMING).values()) == {INCONCLUSIVE}
    assert "2 runs now and 3 in the baseline, at least 3 each" in texts(result, INCONCLUSIVE)[0]
    assert set(states(result, COST).values()) == {PASS}


def test_a_timing_of_nothing_has_no_ratio() -> None:
    """No division by zero, and no verdict."""
    result = gated(repeats(values={"own_ms_p50": 0.0}))

    assert states(result, TIMING)["own_ms_p50"] == INCONCLUSIVE
    assert result.exit_code == 2


def test_many_figures_need_stronger_evidence() -> None:
    """A slow-down that would fail alone stays open among many cells: Holm."""
    slow = {"agent_ms_p50": 7000 * 1.135}
    alone = gated(repeats(values=slow), tolerances={})
    names = [f"e{number}" for number in range(4)]
    cells = [cell for name in names for cell in baseline(engine=name).cells]
    many = gated(
        [
            run
            for name in names
            for run in repeats(engine=name, values=slow if name == "e0" else None)
        ],
        replace(baseline(), cells=tuple(cells)),
    )
    worst = [one for one in many.findings if one.cell.startswith("pod_kill.e0:")]

    assert states(alone, TIMING)["agent_ms_p50"] == FAIL
    assert {one.state for one in worst if one.name == "agent_ms_p50"} == {INCONCLUSIVE}


def test_a_tolerance_can_be_chosen() -> None:
    """For costs and timings alike."""
    values: dict[str, float | None] = {"agent_ms_p50": 7000 * 1.5, "llm_steps_per_agent": 5.4}
    chosen = {"agent_ms_p50": 1.0, "llm_steps_per_agent": 0.1}

    assert gated(repeats(values=values)).exit_code == 3
    assert gated(repeats(values=values), tolerances=chosen).exit_code == 0


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (repeats(seed=7), "seed: baseline 42, now 7"),
        (
            repeats(scenario=replace(SCENARIO, load=LoadSpec(agents=50))),
            "scenario field load.agents: baseline 100, now 50",
        ),
        (repeats(scenario=replace(SCENARIO, faults=())), "scenario field faults"),
        (repeats(facts={"durability": "D2"}), "durability: baseline D1, now D2"),
        (repeats(change=lambda run: replace(run, figures=())), "before there was a gate"),
        (repeats(change=lambda run: replace(run, schema=0)), "schema of the results: baseline 1"),
        (
            repeats(
                change=lambda run: replace(
                    run, assumptions=(Assumption(name="x", is_met=False, text="2 of 6 fired"),)
                )
            ),
            "repeat 0: x: 2 of 6 fired",
        ),
        (repeats(engine="crewai"), "the baseline has no cell pod_kill.crewai:default"),
        (
            [judged(), judged(repeat=1, seed=7)],
            "are not of one plan (seeds 7 and 42)",
        ),
        (
            [replace(run, plan=replace(run.plan, programs_sha256="other")) for run in repeats()],
            "the same seed and scenario draw others now",
        ),
    ],
)
def test_what_is_not_comparable_says_why_and_has_no_number(runs: list[Judged], told: str) -> None:
    """Exit code 2; promises are gated all the same."""
    result = gated(runs)

    assert result.exit_code == 2
    assert any(told in text for text in texts(result, NOT_COMPARABLE))
    assert states(result, COST) == states(result, TIMING) == {}
    assert PASS in states(result, CORRECTNESS).values()


@pytest.mark.parametrize("fact", ["machine", "system"])
def test_on_another_machine_costs_are_gated_and_timings_are_not(fact: str) -> None:
    """Said, and 2; who asks for correctness and cost alone gets a verdict."""
    there = repeats(facts={fact: "another"})
    result = gated(there)

    assert result.exit_code == 2
    assert set(states(result, COST).values()) == {PASS}
    assert states(result, TIMING) == {"comparison": NOT_COMPARABLE}
    assert gated(there, only=(CORRECTNESS, COST)).exit_code == 0


def test_what_may_differ_is_noted() -> None:
    """Another version is often what the gate is there for."""
    result = gated(repeats(facts={"python": "3.13.1"}))

    assert result.exit_code == 0
    assert "python: baseline 3.11.7, now 3.13.1" in texts(result, NOTE)


def test_summaries_and_thresholds_do_not_change_a_scenario() -> None:
    """They decide nothing that is run."""
    other = replace(SCENARIO, summary="other words", thresholds=("lost == 0",))

    assert gated(repeats(scenario=other)).exit_code == 0


def test_a_cell_that_was_not_run_is_missed() -> None:
    """A gate does not shrink in silence; --partial says that it may."""
    both = replace(baseline(), cells=(*baseline().cells, *baseline(engine="reference").cells))

    assert gated(repeats(), both).exit_code == 2
    assert gated(repeats(), both, is_partial=True).exit_code == 0


def test_a_baseline_of_another_schema_is_not_compared() -> None:
    """The sentence stands where the figures would."""
    result = gated(repeats(), "the baseline's schema is 9, this version compares 1")

    assert result.exit_code == 2
    assert texts(result, NOT_COMPARABLE) == ["the baseline's schema is 9, this version compares 1"]


def test_results_of_another_schema_are_named() -> None:
    """Though they could not even be read."""
    result = gate(
        baseline(),
        repeats(),
        against="",
        settings=Settings(),
        unread={"run": "its results have schema 7"},
    )

    assert result.exit_code == 2
    assert texts(result, NOT_COMPARABLE) == ["its results have schema 7"]


def test_the_engine_of_the_other_side_is_chosen_by_name() -> None:
    """As --against does."""
    slow = repeats(engine="reference", values={"agent_ms_p50": 14_000.0})
    result = gated(slow, against="dapr_workflow:default")

    assert result.exit_code == 3
    assert states(result, TIMING)["agent_ms_p50"] == FAIL


@pytest.mark.parametrize(("state", "code"), [("holds", 0), ("broken", 3), ("unknown", 2)])
def test_thresholds_of_the_scenario_count(state: str, code: int) -> None:
    """As they do without a gate."""
    row = ThresholdRow(threshold="lost == 0", state=state, text="lost is 1")
    runs = repeats(change=lambda run: replace(run, thresholds=(row,)))

    assert gated(runs).exit_code == code


@pytest.mark.parametrize(("refuted", "code"), [({}, 2), ({"S1": 4}, 0)])
def test_the_plain_loop_must_be_refuted(refuted: dict[str, int], code: int) -> None:
    """Where kills struck and it stands, green proves nothing."""
    naive = promise_rows(
        kills=6, refuted=refuted, unpromised=("L", "S1", "S2", "S3", "S4", "S5", "R")
    )
    more = {
        "engine": "control",
        "variant": "naive",
        "change": lambda run: replace(run, promises=naive),
    }
    result = gated(repeats(**more), only=(CORRECTNESS,))

    assert result.exit_code == code


def test_nothing_decided_is_no_pass() -> None:
    """An empty gate is 2."""
    assert gated([], only=(CORRECTNESS,)).exit_code == 2
    assert exit_code_of([]) == 2


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((("run", FAIL), (CORRECTNESS, FAIL)), 255),
        (((CORRECTNESS, FAIL), (COST, FAIL), (TIMING, INCONCLUSIVE)), 1),
        (((TIMING, FAIL), (CORRECTNESS, INCONCLUSIVE)), 3),
        ((("threshold", FAIL), (CORRECTNESS, PASS)), 3),
        (((CORRECTNESS, PASS), ("run", NOT_COMPARABLE)), 2),
        (((CORRECTNESS, PASS), (COST, NOT_MEASURED), ("run", NOTE)), 0),
        (((COST, NOT_MEASURED),), 2),
    ],
)
def test_the_worst_decides_the_exit_code(kinds: tuple[tuple[str, str], ...], code: int) -> None:
    """255, 1, 3, 2, 0."""
    findings = [
        Finding(kind=kind, cell="c", name="n", state=state, text="") for kind, state in kinds
    ]

    assert exit_code_of(findings) == code


def test_classes_that_were_not_asked_for_are_not_looked_at() -> None:
    """Each alone."""
    runs = repeats(refuted={"S1": 1}, values={"llm_steps_per_agent": 6.0, "agent_ms_p50": 20_000.0})

    assert [gated(runs, only=(name,)).exit_code for name in CLASSES] == [1, 3, 3]
