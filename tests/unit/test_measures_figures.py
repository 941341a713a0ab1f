"""Figures for the page: repeats and their price, recovery, latency, series."""

import numpy as np
import pytest

from harness.history import NONE
from harness.measures.latency import distribution, latencies_of, resume_of
from harness.measures.lineage import Graph, reach, reach_each
from harness.measures.recovery import EmptyFaultError, in_flight, victim_resume_ns
from harness.measures.repeats import repeats, repeats_by_fault, repeats_of, steps_used
from harness.measures.series import series_of
from tests.histories.build import (
    S,
    ask,
    begin,
    chain,
    end,
    evidence_of,
    fired,
    healed,
    outcome,
    tools,
    used,
)


def test_repeats_are_executions_beyond_the_first() -> None:
    """LLM and tool repeats are counted apart; calls without effect are none."""
    evidence = evidence_of(
        ask("a1", "1"),
        ask("a1", "1", outcome="limited"),
        ask("a1", "1", outcome="client_gone"),
        ask("a1", "2", 0),
        ask("a1", "2.t0.c0"),
        ask("a1", "2.t0.c0"),
        programs=[tools("a1", turns=1)],
    )

    price = repeats_of(evidence)

    assert repeats(evidence) == 2
    assert (price.llm_count, price.tool_count, price.tool_applied_extra_count) == (1, 1, 1)
    assert (price.limited_count, price.requests_count) == (1, 6)


def test_wasted_tokens_are_those_the_outcome_does_not_rest_on() -> None:
    """Prompt and answer of a discarded attempt; the used ones are useful."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "1"), ask("a1", "2"), outcome("a1"), used("a1", "1")
    )

    price = repeats_of(evidence)

    assert (price.wasted_tokens, price.useful_tokens) == (15, 30)
    assert price.auxiliary_count == 1
    assert price.requests_per_used_step == pytest.approx(1.5)


def test_auxiliary_answers_have_a_price() -> None:
    """What the framework asks for itself is paid, though no receipt comes with it."""
    evidence = evidence_of(
        ask("a1", "1"),
        used("a1", "1", is_answered=True),
        used("a1", "1"),
        ask("a1", "2"),
        outcome("a1"),
    )

    price = repeats_of(evidence)

    assert (price.auxiliary_count, price.auxiliary_tokens, price.useful_tokens) == (2, 15, 30)


def test_repeats_are_told_by_the_fault_that_explains_them() -> None:
    """Each repeat counts once, for the fault on its victim first."""
    evidence = evidence_of(
        begin("a1", "1"),
        fired("agents-9.1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        healed("kill_pod-1"),
        healed("kill_pod-0"),
        ask("a1", "1", caller="agents-0.2"),
        ask("a2", "1"),
        ask("a2", "1"),
    )

    assert repeats_by_fault(evidence) == {"kill_pod-0": 0, "kill_pod-1": 1}


def test_steps_used_counts_planned_results_that_went_on() -> None:
    """An answer that nobody carried is not used."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), ask("a1", "2"))

    assert steps_used(evidence) == 1


def test_resume_time_runs_from_fire_to_the_first_new_use() -> None:
    """Per victim; one that never went on is -1."""
    evidence = evidence_of(
        begin("a1", "1"),
        begin("a2", "1"),
        fired("agents-0.1"),
        end("a1", "1", outcome="client_gone"),
        healed(),
        ask("a1", "1", caller="agents-0.2"),
        used("a1", "1"),
    )
    (fault,) = evidence.faults

    assert in_flight(evidence) == {"kill_pod-0": 2}
    assert victim_resume_ns(evidence, fault).tolist() == [5 * S, NONE]
    assert resume_of(evidence).count == 1


def test_only_what_is_used_after_the_fire_is_progress() -> None:
    """A use before it is history; the victim goes on with its next one."""
    evidence = evidence_of(
        ask("a1", "1"),
        begin("a1", "2"),
        fired("agents-0.1"),
        end("a1", "2", outcome="client_gone"),
        ask("a1", "2", caller="agents-0.2"),
        outcome("a1"),
    )

    assert victim_resume_ns(evidence, evidence.faults[0]).tolist() == [4 * S]


def test_a_step_used_before_the_fault_is_not_in_flight() -> None:
    """What was used is safe."""
    evidence = evidence_of(ask("a1", "1"), used("a1", "1"), fired("agents-0.1"))

    assert in_flight(evidence) == {"kill_pod-0": 0}
    with pytest.raises(EmptyFaultError):
        victim_resume_ns(evidence, evidence.faults[0])


def test_a_limit_that_was_answered_before_the_fault_is_not_in_flight() -> None:
    """A call that had no effect and is over was not interrupted; one that is open was."""
    over = evidence_of(ask("a1", "1", outcome="limited"), fired("agents-0.1"))
    open_ = evidence_of(begin("a1", "1"), fired("agents-0.1"), end("a1", "1", outcome="limited"))

    assert in_flight(over) == {"kill_pod-0": 0}
    assert in_flight(open_) == {"kill_pod-0": 1}


def test_a_shared_fault_strikes_all() -> None:
    """A broker or store that falls is everybody's."""
    evidence = evidence_of(
        begin("a1", "1"), begin("a2", "1", caller="agents-1.1"), fired(is_shared=True)
    )

    assert in_flight(evidence) == {"kill_pod-0": 2}


def test_a_fault_that_never_struck_has_no_recovery() -> None:
    """Nothing to recover from."""
    evidence = evidence_of(begin("a1", "1"), fired("agents-0.1", proof=""))

    with pytest.raises(EmptyFaultError):
        victim_resume_ns(evidence, evidence.faults[0])


def test_distributions_keep_full_precision() -> None:
    """Percentiles come from the samples, in milliseconds."""
    found = distribution("x", np.arange(1, 101) * 1_000_000)

    assert (found.count, found.ms_p50, found.ms_max) == (100, 50.5, 100.0)
    assert distribution("x", np.zeros(0, np.int64)).count == 0


def test_latencies_are_of_agents_starts_and_steps() -> None:
    """Agent: intended start to end. Step: begin to end at the witness."""
    evidence = evidence_of(ask("a1", "1"), outcome("a1"))

    found = {entry.name: entry for entry in latencies_of(evidence)}

    assert (found["agent"].count, found["agent"].ms_max) == (1, 4000.0)
    assert (found["step"].count, found["step"].ms_max) == (1, 1000.0)
    assert found["start"].count == 1


def test_series_count_per_bin_from_the_begin_of_the_load() -> None:
    """Answers, limits, starts and ends; `running` is at the end of the bin."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "2", outcome="limited"), ask("a1", "2"), outcome("a1")
    )

    series = series_of(evidence, bin_s=2.0)

    assert series.start_s == (0.0, 2.0, 4.0, 6.0)
    assert series.steps_per_s == (0.0, 0.5, 0.0, 0.5)
    assert series.limited_per_s == (0.0, 0.0, 0.5, 0.0)
    assert series.running == (1.0, 1.0, 1.0, 0.0)


def test_series_of_nothing_are_one_empty_bin() -> None:
    """No request, no agent: a flat line."""
    series = series_of(evidence_of(programs=[chain("a1", "1")]))

    assert series.steps_per_s == (0.0,)


def test_reach_walks_a_graph_with_shared_ancestors_once() -> None:
    """A diamond: 3 rests on 1 and 2, both on 0; 4 is apart."""
    graph = Graph(start=np.array([0, 0, 1, 2, 4, 4]), target=np.array([0, 0, 1, 2]))

    assert reach(graph, np.array([3, 3])).tolist() == [True, True, True, True, False]
    assert [part.tolist() for part in reach_each(graph, np.array([1, 3]))] == [
        [0, 1, 1, 1],
        [0, 0, 1, 2],
    ]
