"""The gate's figures: counted from the ledger, and what cannot be had says why."""

from dataclasses import replace

import numpy as np
import pytest

from harness.history import Evidence
from harness.measures.figures import FIGURES, Counted, figures_of
from harness.measures.latency import distribution
from harness.measures.own_time import own_time_ns
from harness.measures.repeats import repeats_of
from harness.results import Figure, ProcessRow
from tests.histories.build import ask, chain, driver, evidence_of, fired, healed, outcome

NOTHING = distribution("agent", np.zeros(0, np.int64))
ROW = ProcessRow(name="worker", count=1, is_engine=True, cpu_s=0.5, rss_mb_max=1.0)
COUNTED = Counted(
    processes=(ROW, replace(ROW, name="witness", is_engine=False)),
    store={"operations": 30.0, "bytes": 900.0},
)


def found(evidence: Evidence, counted: Counted = COUNTED) -> dict[str, Figure]:
    figures = figures_of(
        evidence,
        repeats=repeats_of(evidence),
        failed=1,
        agent=NOTHING,
        resume=NOTHING,
        counted=counted,
    )
    assert [figure.name for figure in figures] == [spec.name for spec in FIGURES]
    return {figure.name: figure for figure in figures}


def two_agents(*, again: bool) -> Evidence:
    lines = [ask("a1", "1"), ask("a1", "2"), ask("a2", "1"), ask("a2", "2")]
    if again:
        lines = [ask("a1", "1"), fired("agents-0.1"), healed(), *lines]
    return evidence_of(
        *lines,
        outcome("a1"),
        outcome("a2"),
        programs=[chain("a1", "1", "2"), chain("a2", "1", "2")],
    )


def test_a_repeat_costs_calls_and_tokens_and_is_no_further_step() -> None:
    """What the program demands stays exact under kills; what kills add is apart."""
    once, twice = found(two_agents(again=False)), found(two_agents(again=True))

    assert once["llm_steps_per_agent"].value == twice["llm_steps_per_agent"].value == 2
    assert once["llm_calls_per_agent"].value == 2
    assert twice["llm_calls_per_agent"].value == 2.5
    assert (twice["tokens_per_agent"].value or 0) > (once["tokens_per_agent"].value or 0) > 0


def test_what_the_harness_counted_is_shared_out() -> None:
    """By agents; processes beside the engine cost nothing."""
    figures = found(two_agents(again=False))

    assert figures["store_operations_per_agent"].value == 15
    assert figures["history_bytes_per_agent"].value == 450
    assert figures["cpu_ms_per_agent"].value == 250
    assert figures["failed_agents"].value == 1


def test_what_was_not_measured_has_a_reason_and_no_value() -> None:
    """Never a zero."""
    figures = found(two_agents(again=False), Counted(store_reason="the store x counts nothing"))

    for name in ("store_operations_per_agent", "history_bytes_per_agent"):
        assert figures[name] == Figure(name=name, value=None, reason="the store x counts nothing")
    for name in ("agent_ms_p50", "resume_ms_p50", "cpu_ms_per_agent"):
        assert figures[name].value is None
        assert figures[name].reason


def timed(*spans: tuple[str, int, int], sent: dict[str, int]) -> Evidence:
    """Agents with calls at given times, by a doctored clock."""
    agents = sorted(sent)
    evidence = evidence_of(
        *(driver("invoke", agent) for agent in agents),
        *(ask(agent, str(1 + sum(name == agent for name, _, _ in spans[:place])))
          for place, (agent, _, _) in enumerate(spans)),
        programs=[chain(agent, "1", "2", "3", "4") for agent in agents],
    )  # fmt: skip
    return replace(
        evidence,
        requests=replace(
            evidence.requests,
            begin_ns=np.array([begin for _, begin, _ in spans], np.int64),
            end_ns=np.array([end for _, _, end in spans], np.int64),
        ),
        starts=replace(
            evidence.starts, sent_ns=np.array([sent[agent] for agent in agents], np.int64)
        ),
    )


@pytest.mark.parametrize(
    ("spans", "own"),
    [
        ([("a1", 110, 120)], 10),
        ([("a1", 110, 120), ("a1", 125, 130)], 15),
        ([("a1", 110, 150), ("a1", 120, 130), ("a1", 140, 160)], 10),
        ([("a1", 110, 150), ("a1", 120, 130), ("a1", 155, 160)], 15),
        ([("a1", 100, 200)], 0),
    ],
)
def test_own_time_is_what_no_call_covers(spans: list[tuple[str, int, int]], own: int) -> None:
    """Overlapping and nested calls cover once."""
    assert own_time_ns(timed(*spans, sent={"a1": 100})).tolist() == [own]


def test_own_times_of_agents_do_not_mix() -> None:
    """However their calls interleave."""
    spans = [("a1", 110, 120), ("a2", 205, 300), ("a1", 150, 160), ("a2", 310, 320)]

    assert own_time_ns(timed(*spans, sent={"a1": 100, "a2": 200})).tolist() == [40, 15]


def test_without_a_request_there_is_no_own_time() -> None:
    """An empty run measures nothing."""
    assert own_time_ns(evidence_of(programs=[chain("a1", "1", "2")])).tolist() == []
