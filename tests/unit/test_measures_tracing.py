"""What spans show: each figure is right where spans are, and falls where they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.history import Evidence
from harness.measures.tracing import agent_named, matched, tracing_of
from harness.results import Tracing
from harness.spans import Span, SpanLog
from tests.histories.build import S, ask, begin, chain, end, evidence_of, fired, healed, outcome
from tests.spans import span

MS = 1_000_000


def shown(evidence: Evidence, *spans: Span) -> Tracing:
    return tracing_of(evidence, SpanLog(spans=spans), exports="by test")


def quiet() -> Evidence:
    """Two agents, two steps each, nothing struck."""
    return evidence_of(
        ask("a1", "1"), ask("a1", "2"), ask("a2", "1"), ask("a2", "2"), outcome("a1"), outcome("a2")
    )


def around(evidence: Evidence, row: int, number: str, **more: object) -> Span:
    """A span of a piece of work around one request, for the request's agent."""
    requests = evidence.requests
    agent = evidence.names.agents[int(requests.agent[row])]
    return span(
        number,
        begin_ns=int(requests.begin_ns[row]) - MS,
        end_ns=int(requests.end_ns[row]) + MS,
        is_piece=True,
        **({"agent": agent} | more),  # type: ignore[arg-type]
    )


def test_every_step_has_a_span() -> None:
    """A span around each of four executions."""
    evidence = quiet()

    found = shown(evidence, *(around(evidence, row, f"s{row}") for row in range(4)))

    assert (found.steps_spanned_count, found.steps_count) == (4, 4)
    assert (found.executions_spanned_count, found.executions_count) == (4, 4)
    assert (found.orphans_count, found.strangers_count) == (0, 0)


def test_no_span_is_no_coverage() -> None:
    """The steps are counted from the ledger all the same."""
    found = shown(quiet())

    assert (found.steps_spanned_count, found.steps_count, found.agents_count) == (0, 4, 0)


def test_span_elsewhere_covers_nothing() -> None:
    """Another agent's, one that ends too soon, one that begins too late, one of the whole agent."""
    evidence = quiet()
    right = around(evidence, 0, "s")
    begin_ns, end_ns = int(evidence.requests.begin_ns[0]), int(evidence.requests.end_ns[0])
    wrong = (
        replace_span(right, attributes=right.attributes | {"durabletask.task.instance_id": "a2"}),
        replace_span(right, end_ns=end_ns - 2 * MS),
        replace_span(right, begin_ns=begin_ns + 2 * MS),
        replace_span(right, attributes={"durabletask.task.instance_id": "a1"}),
    )

    assert shown(evidence, right).steps_spanned_count == 1
    assert [shown(evidence, one).steps_spanned_count for one in wrong] == [0, 0, 0, 0]


def replace_span(one: Span, **changes: object) -> Span:
    return Span(
        **{name: changes.get(name, getattr(one, name)) for name in one.__struct_fields__}  # type: ignore[arg-type]
    )


def test_one_span_covers_one_execution() -> None:
    """A span around everything stands for one piece of work."""
    evidence = quiet()
    wide = span("s", agent="a1", begin_ns=0, end_ns=10**15, is_piece=True)

    assert shown(evidence, wide).steps_spanned_count == 1


@pytest.mark.parametrize("which", [0, 1])
def test_repeat_without_a_span_leaves_its_step_with_one(which: int) -> None:
    """One execution's span died with its pod; the other one has one."""
    evidence = evidence_of(
        begin("a1", "1", caller="p.1"),
        fired("p.1"),
        end("a1", "1", outcome="client_gone"),
        ask("a1", "1", caller="p.2"),
        healed(),
        outcome("a1"),
        programs=[chain("a1", "1")],
    )

    found = shown(evidence, around(evidence, which, "s"))

    assert (found.steps_spanned_count, found.steps_count) == (1, 1)
    assert (found.executions_spanned_count, found.executions_count) == (1, 2)


def test_what_was_not_executed_is_no_step() -> None:
    """A call that the limiter turned away asks for no span."""
    evidence = evidence_of(
        ask("a1", "1", outcome="limited"),
        ask("a1", "1"),
        outcome("a1"),
        programs=[chain("a1", "1")],
    )

    assert shown(evidence).executions_count == 1


def test_of_nested_pieces_the_innermost_counts() -> None:
    """The sidecar's span around the worker's does not cover a second execution."""
    evidence = quiet()
    outer = span("out", agent="a1", begin_ns=0, end_ns=10**15, is_piece=True)
    between = span("mid", agent="a1", parent="out", begin_ns=0, end_ns=10**15)
    inner = around(evidence, 0, "in", parent="mid")

    assert shown(evidence, outer, between, inner).steps_spanned_count == 1
    assert shown(evidence, outer, replace_span(inner, parent="")).steps_spanned_count == 2


def test_span_belongs_to_the_nearest_that_names_an_agent() -> None:
    """Through parents that name nobody; an instance that an agent started is part of it."""
    evidence = quiet()
    root = span("r", agent="a1-2.b0")
    middle = span("m", parent="r")
    leaf = around(evidence, 0, "l", parent="m", agent="")
    stranger, warm_up = span("x"), span("w", agent="w000001")

    found = shown(evidence, root, middle, leaf, stranger, warm_up)

    assert (found.agents_count, found.strangers_count) == (1, 2)
    assert found.steps_spanned_count == 1


def test_parent_of_another_trace_is_no_parent() -> None:
    """Ids are of a trace: the same number elsewhere is another span, and the child an orphan."""
    found = shown(quiet(), span("r", agent="a1"), span("c", parent="r", trace="other"))

    assert (found.orphans_count, found.strangers_count) == (1, 1)


def test_orphans_are_those_whose_parent_never_came() -> None:
    """A root is none; a circle of parents is none, and ends."""
    spans = (
        span("r"),
        span("c", parent="r"),
        span("o", parent="gone"),
        span("p", parent="q"),
        span("q", parent="p"),
    )

    assert shown(quiet(), *spans).orphans_count == 1


def test_agents_in_one_trace_are_told_from_others() -> None:
    """a1 has two traces, a2 has one."""
    found = shown(
        quiet(),
        span("1", agent="a1"),
        span("2", agent="a1", trace="u"),
        span("3", agent="a2"),
        span("4", agent="a2"),
    )

    assert (found.agents_one_trace_count, found.agents_count) == (1, 2)


def struck() -> tuple[Evidence, int]:
    """An agent whose step a kill finds in flight, and the moment of the strike."""
    evidence = evidence_of(
        ask("a1", "1", caller="p.1"),
        begin("a1", "2", caller="p.1"),
        fired("p.1"),
        end("a1", "2", outcome="client_gone"),
        ask("a1", "2", caller="p.2"),
        healed(),
        outcome("a1"),
        ask("a2", "1", caller="q.1"),
        outcome("a2"),
        programs=[chain("a1", "1", "2"), chain("a2", "1")],
    )
    return evidence, evidence.faults[0].firing_ns


@pytest.mark.parametrize(
    ("traces", "fate"),
    [
        (("t", "t"), "survived"),
        (("t", "u"), "cut"),
        (("t", ""), "lost"),
        (("", "t"), "lost"),
        (("", ""), "lost"),
    ],
)
def test_trace_outlives_a_kill_when_it_has_spans_on_both_sides(
    traces: tuple[str, str], fate: str
) -> None:
    """Of the one agent that the kill found in flight; the other one does not count."""
    evidence, at_ns = struck()
    times = (at_ns - S, at_ns + 10 * S)
    spans = [
        span(f"s{end_ns}", agent="a1", trace=trace, end_ns=end_ns)
        for trace, end_ns in zip(traces, times, strict=True)
        if trace
    ]
    spans += [span("o", agent="a2", trace="z", end_ns=times[0])]

    found = shown(evidence, *spans)
    counts = {
        "survived": found.survived_count,
        "cut": found.cut_count,
        "lost": found.lost_count,
    }

    assert found.interrupted_count == 1
    assert counts == {"survived": 0, "cut": 0, "lost": 0} | {fate: 1}


def test_span_over_the_kill_is_none_before_it() -> None:
    """It exists only since it ended: a span of the whole agent shows one side, not both."""
    evidence, at_ns = struck()

    found = shown(evidence, span("s", agent="a1", begin_ns=at_ns - S, end_ns=at_ns + 10 * S))

    assert (found.survived_count, found.lost_count) == (0, 1)


def test_run_without_faults_interrupts_nobody() -> None:
    """There is no share to tell then."""
    assert shown(quiet(), span("s", agent="a1")).interrupted_count == 0


def test_problems_and_counts_of_the_sink_are_passed_on() -> None:
    """A page must be able to say that the spans are not whole."""
    log = SpanLog(
        spans=(), left_out_count=3, refused_count=1, bad_requests_count=2, problems=("cut",)
    )

    found = tracing_of(quiet(), log, exports="by test")

    assert (found.left_out_count, found.refused_count, found.problems) == (3, 3, ("cut",))


def test_evidence_without_agents_has_figures() -> None:
    """Nothing is divided, nothing breaks."""
    assert shown(replace(evidence_of(), problems=()), span("s")).strangers_count == 1


@pytest.mark.parametrize(
    ("spans", "work", "count"),
    [
        ([(0, 100)], [(10, 20)], 1),
        ([(0, 100), (0, 100)], [(10, 20), (30, 40)], 2),
        ([(0, 100), (0, 25)], [(10, 20), (30, 40)], 2),
        ([(0, 25), (0, 25)], [(10, 20), (30, 40)], 1),
        ([(0, 50), (0, 100)], [(10, 90), (20, 40)], 2),
        ([(15, 30), (0, 60)], [(10, 50), (16, 20)], 2),
        ([(40, 100)], [(10, 20)], 0),
    ],
)
def test_as_many_as_can_be_are_matched(
    spans: list[tuple[int, int]], work: list[tuple[int, int]], count: int
) -> None:
    """A wide span is left to the work that only it fits; times in milliseconds."""
    scaled = [(begin * 10 * MS, end * 10 * MS) for begin, end in spans]

    found = matched(scaled, [(begin * 10 * MS, end * 10 * MS) for begin, end in work])

    assert sum(found) == count


def test_instances_are_named_after_their_agent() -> None:
    """The longest name that is an agent's; a stranger's has none."""
    agents = {"a1", "a1-2"}

    assert [agent_named(one, agents) for one in ("a1", "a1-2-3", "a1-3", "b1-2", "", "-")] == [
        "a1",
        "a1-2",
        "a1",
        "",
        "",
        "",
    ]
