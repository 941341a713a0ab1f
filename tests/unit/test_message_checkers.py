"""Messages beyond the anomalies: counts and their sum, brokers' counters, verdicts, the page."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from harness.checkers import CHECKERS
from harness.errors import HarnessError
from harness.evidence import from_tables, to_tables
from harness.explain import explain
from harness.history import NONE, Declared, Evidence
from harness.measures.messages import figures_of, latencies_of
from harness.messages import MessageFigures
from harness.results import PromiseRow, RunResult
from harness.runner.judge import judge
from harness.verdict import CheckResult, Verdict
from mock_llm.ledger import Message, Note
from reports import compare, messages
from reports.compare import State
from reports.junit import SKIPPED, suite_of
from reports.text import render_text
from tests import report_fixtures as fixtures
from tests import report_parts as parts
from tests.histories.build import (
    CALLER,
    Told,
    ask,
    counted,
    evidence_of,
    fired,
    healed,
    message,
    note,
    outcome,
    sent,
)
from tests.histories.random_runs import Run
from tests.histories.stored import store

AGENT = (ask("a1", "1"), outcome("a1"))
LOOSE = Declared(delivery="at least once")


def seen(*told: Told, **more: object) -> Evidence:
    return evidence_of(*AGENT, *told, declared=LOOSE, **more)  # type: ignore[arg-type]


def m_of(evidence: Evidence) -> CheckResult:
    return CHECKERS["M"].check(evidence)


def counts(evidence: Evidence) -> MessageFigures:
    found = figures_of(evidence)
    assert found is not None
    return found


def had(id: str, **more: object) -> Told:
    return message("delivered", id, **more)  # type: ignore[arg-type]


def test_without_broker_and_messages_it_does_not_apply() -> None:
    """Neither a pass nor a doubt, and on damaged evidence neither."""
    for evidence in (seen(), seen(problems=("records are missing",))):
        result = m_of(evidence)

        assert (result.verdict, result.is_applicable) == (Verdict.UNKNOWN, False)
        assert figures_of(evidence) is None


def test_a_broker_without_messages_is_unknown() -> None:
    """The plan names one, and nothing went through it."""
    result = m_of(seen(broker="b"))

    assert (result.verdict, result.is_applicable) == (Verdict.UNKNOWN, True)
    assert result.reason == "no acknowledged messages to judge"


def test_each_acknowledged_message_is_in_one_part_of_the_sum() -> None:
    """Delivered, dead, stranded, lost; what was never acknowledged stands beside."""
    evidence = seen(
        *(sent(f"a1/{name}") for name in ("had", "dead", "left", "gone", "twice")),
        had("a1/had"),
        had("a1/twice"),
        had("a1/twice"),
        message("dead_letter", "a1/dead"),
        message("residue", "a1/left"),
        message("publishing", "a1/open"),
        message("publishing", "a1/came"),
        message("refused", "a1/came"),
        had("a1/came"),
        counted(),
    )

    found = counts(evidence)

    assert found.acknowledged_count == 5
    assert (found.delivered_count, found.dead_letter_count) == (2, 1)
    assert (found.stranded_count, found.lost_count, found.unknown_count) == (1, 1, 0)
    assert (found.unacknowledged_count, found.unacknowledged_delivered_count) == (2, 1)
    assert (found.published_count, found.again_count) == (7, 1)


def test_what_was_left_must_have_been_looked_at() -> None:
    """Without it a message is neither lost nor stranded, and nothing passes."""
    evidence = seen(sent("a1/m"))

    result = m_of(evidence)

    assert counts(evidence).unknown_count == 1
    assert (result.verdict, result.violations_count) == (Verdict.UNKNOWN, 0)
    assert "was not collected" in result.reason
    assert m_of(seen(sent("a1/m"), counted())).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("counters", "verdict"),
    [
        ({"left": 0, "published": 2}, Verdict.VALID),
        ({"left": 0, "published": 3}, Verdict.VALID),
        ({"left": 1}, Verdict.UNKNOWN),
        ({"published": 4}, Verdict.UNKNOWN),
        ({"published": 1}, Verdict.UNKNOWN),
    ],
)
def test_the_brokers_own_counters_must_agree(counters: dict[str, int], verdict: Verdict) -> None:
    """What it was given lies between the acknowledgements and the publishings."""
    told = [one for name in ("a1/m", "a1/n") for one in (sent(name), had(name))]
    evidence = seen(*told, message("publishing", "a1/o"), counted(**counters))

    result = m_of(evidence)

    assert result.verdict is verdict
    assert ("the sums disagree" in result.reason) is (verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "verdict"), [("broker_kill", Verdict.VALID), ("broker_swap", Verdict.UNKNOWN)]
)
def test_a_broker_that_was_cut_off_may_have_been_given_more(kind: str, verdict: Verdict) -> None:
    """A sidecar repeats what such a fault cuts off, and tells nobody; never may it have less."""
    evidence = seen(fired("agents-0.1"), sent("a1/m"), had("a1/m"), counted(left=0, published=2))
    fault = replace(evidence.faults[0], kind=kind)
    exposed = replace(evidence, faults=(fault,), exposures_min=0)

    assert m_of(exposed).verdict is verdict


def test_damage_refutes_nothing_that_a_lost_record_could_feign() -> None:
    """The delivery may have been in the gap."""
    evidence = seen(sent("a1/m"), counted(), problems=("records are missing",))

    assert m_of(evidence).verdict is Verdict.UNKNOWN


def test_exposed_is_what_was_on_its_way_while_a_fault_lasted() -> None:
    """Published before the heal, and come after the strike."""
    evidence = seen(
        sent("a1/before"),
        had("a1/before"),
        sent("a1/over"),
        fired(CALLER),
        had("a1/over"),
        sent("a1/inside"),
        had("a1/inside"),
        healed(),
        sent("a1/after"),
        had("a1/after"),
        counted(),
        exposures_min=2,
    )

    assert m_of(evidence).exposed_count == 2
    assert m_of(evidence).verdict is Verdict.VALID
    assert m_of(replace(evidence, exposures_min=3)).verdict is Verdict.UNKNOWN


def test_a_fault_on_its_way_excuses_a_dead_letter_but_not_without() -> None:
    """A handler that was killed could not tell of its tries."""
    bound = note("retry-bound", "b", {"deliveries_max": 2})
    dead = message("dead_letter", "a1/m")

    excused = m_of(seen(bound, sent("a1/m"), had("a1/m"), fired(CALLER), healed(), dead, counted()))
    blamed = m_of(seen(bound, sent("a1/m"), had("a1/m"), dead, counted()))

    assert (excused.violations_count, excused.not_judged_count) == (0, 1)
    assert blamed.violations_count == 1
    poison = [message(what, "a1/m", is_poison=True) for what in ("publishing", "acknowledged")]
    assert m_of(seen(*poison, dead, counted())).violations_count == 0


def test_a_first_step_done_twice_by_one_run_is_no_second_start() -> None:
    """Its next request carries both results, and only one run can have both."""

    def both(entries: list[tuple[str, str, int, int]]) -> list[tuple[str, str, int, int]]:
        role, kind, value, latest = entries[-1]
        return [*entries, (role, kind, value, latest - 2)]

    start, one = (sent("a1/start"), had("a1/start")), ask("a1", "1")
    last = outcome("a1", path="2")
    joined = evidence_of(
        *start, one, one, ask("a1", "2", change=both), last, counted(), declared=LOOSE
    )
    apart = evidence_of(
        *start, one, ask("a1", "2"), one, ask("a1", "2"), last, counted(), declared=LOOSE
    )

    assert (m_of(joined).violations_count, m_of(apart).violations_count) == (0, 1)


def test_a_shared_fault_excuses_an_order_that_a_kill_does_not() -> None:
    """A broker that was switched on the way owes no order across the switch."""
    order = Declared(delivery="at least once", is_ordered=True)
    one, two = ({"key": "k", "number": number} for number in (0, 1))

    def violations(is_shared: bool) -> int:
        evidence = evidence_of(
            *AGENT,
            sent("a1/m0", **one),
            sent("a1/m1", **two),
            fired(CALLER, is_shared=is_shared),
            healed(),
            had("a1/m1"),
            had("a1/m0"),
            counted(),
            declared=order,
        )
        return m_of(evidence).violations_count

    assert (violations(is_shared=False), violations(is_shared=True)) == (1, 0)


def test_published_side_by_side_has_no_order() -> None:
    """The second was on its way before the first was acknowledged."""
    order = Declared(delivery="at least once", is_ordered=True)
    one, two = ({"key": "k", "number": number} for number in (0, 1))
    evidence = evidence_of(
        *AGENT,
        message("publishing", "a1/m0", **one),
        message("publishing", "a1/m1", **two),
        message("acknowledged", "a1/m0"),
        message("acknowledged", "a1/m1"),
        had("a1/m1"),
        had("a1/m0"),
        counted(),
        declared=order,
    )

    assert m_of(evidence).violations_count == 0


def test_latency_and_silence() -> None:
    """A second a line: acknowledged to delivered, and the longest wait of somebody's message."""
    evidence = seen(
        sent("a1/m0"),
        had("a1/m0"),
        *(note("phase", "idle") for _ in range(30)),
        sent("a1/m1"),
        *(note("phase", "swap") for _ in range(4)),
        had("a1/m1"),
        counted(),
    )

    found = counts(evidence)

    (latency,) = latencies_of(evidence)
    assert found.silence_s == 5.0
    assert (latency.count, latency.ms_max) == (2, 5000.0)
    assert latencies_of(seen()) == ()


def test_notes_about_brokers_are_read_and_the_unreadable_is_a_problem() -> None:
    """The last note counts; what nobody said is none."""
    evidence = seen(
        note("broker", "redis"),
        note("retry-bound", "b", {"deliveries_max": 4}),
        counted(left=3),
        counted(left=0, published=9),
    )

    rows = {one.name: one for one in evidence.brokers}
    assert (rows["b"].deliveries_max, rows["b"].left, rows["b"].published) == (4, 0, 9)
    assert (rows["b"].is_counted, rows["redis"].is_counted) == (True, False)
    assert rows["b"].declared == LOOSE
    assert (rows["redis"].left, rows["redis"].deliveries_max) == (NONE, NONE)
    broken = seen(note("residue", "b", {"left": "many"}))
    assert len(broken.problems) == 1
    assert "unreadable" in broken.problems[0]


def test_tables_of_messages_come_back_and_contradictions_are_refused() -> None:
    """Brokers, their counters and all columns; a broker without a row is no evidence."""
    evidence = seen(sent("a1/m"), had("a1/m"), counted(left=0))

    back = from_tables(to_tables(evidence))

    assert back.brokers == evidence.brokers
    assert back.messages.seq.tolist() == evidence.messages.seq.tolist()
    assert m_of(back) == m_of(evidence)
    with pytest.raises(HarnessError, match="brokers"):
        to_tables(replace(evidence, brokers=()))


def judged(root: Path, *, broker: str, fates: tuple[str, ...]) -> RunResult:
    """A right run of agents, with a message of each fate behind it."""
    chance = next(seed for seed in range(99) if Run(Random(seed), agents=2, kills=0).post is None)
    run = Run(Random(chance), agents=2, kills=0)
    run.play()

    def add(what: str, number: int) -> None:
        seq, t_ns = run.tick()
        told = {"id": f"a0/m{number}", "topic": "t", "key": "", "number": -1, "caller": "-"}
        run.records.append(
            Message(seq=seq, t_ns=t_ns, what=what, broker=broker, **told)  # type: ignore[arg-type]
        )

    for number, fate in enumerate(fates):
        for what in ("publishing", "acknowledged", *([fate] if fate else [])):
            add(what, number)
    if fates:
        seq, t_ns = run.tick()
        run.records.append(Note(seq=seq, t_ns=t_ns, kind="residue", subject=broker, detail="{}"))
    store(run, root, broker=broker if fates else "none")
    return judge(root)


def row_of(result: RunResult) -> PromiseRow:
    return next(row for row in result.promises if row.key == "M")


def test_a_run_without_messages_is_judged_as_ever(tmp_path: Path) -> None:
    """No verdict, headline or code depends on a promise that does not apply."""
    result = judged(tmp_path, broker="redis", fates=())

    row = row_of(result)
    assert (row.is_applicable, row.expectation, row.is_surprise) == (False, "unstated", False)
    assert "M" not in result.headline
    assert result.messages is None
    assert result.verdict == "valid"
    assert "· n/a" in render_text(result)
    case = next(case for case in suite_of(result).cases if case.name.startswith("M:"))
    assert case.outcome == SKIPPED
    assert [table.key for table in messages.tables(result)] == []


@pytest.mark.parametrize(
    ("broker", "fate", "state", "code"),
    [
        ("redis", "delivered", State.HOLDS, 0),
        ("redis", "", State.REFUTED, 1),
        ("in-memory", "", State.REFUTED_UNPROMISED, 0),
        ("nobody's", "residue", State.REFUTED_UNPROMISED, 0),
    ],
)
def test_the_brokers_word_decides_the_exit_code(
    tmp_path: Path, broker: str, fate: str, state: State, code: int
) -> None:
    """A promise that is broken is exit 1; what was never promised is a finding."""
    result = judged(tmp_path, broker=broker, fates=("delivered", fate))

    assert compare.promise_state(row_of(result)) is state
    assert result.exit_code == code
    assert ("M" in result.headline) is True


def test_the_page_adds_up_the_messages(tmp_path: Path) -> None:
    """A row a part, the sum below, and the brokers' counters."""
    result = judged(tmp_path, broker="redis", fates=("delivered", "delivered", "residue", ""))

    parts, brokers = messages.tables(result)

    shown = {row[0].text: row[1].text for row in parts.rows}
    assert (shown["acknowledged"], shown["delivered"]) == ("4", "2")
    assert (shown["stranded"], shown["lost"], shown["unknown"]) == ("1", "1", "0")
    assert "2 + 0 + 1 + 1 + 0 = 4." in parts.note
    assert [cell.text for cell in brokers.rows[0]] == [
        "redis", "at least once", "none", "4", "–", "1", "–",
    ]  # fmt: skip
    text = render_text(result)
    assert "stranded" in text
    assert "broker: promised" in text
    assert "engine: promised" in text
    assert "agent a0, message m3: acknowledged, delivered to nobody" in text.replace("\n     ", "")
    assert "message: acknowledged to first deli" in text


def test_the_text_matrix_has_the_column_only_with_messages() -> None:
    """Eight columns leave little room for names; no line is too long with them either."""
    matrix = fixtures.wide_matrix()
    with_messages = replace(
        matrix,
        runs=tuple(
            replace(run, promises=parts.promise_rows(kills=6, has_messages=True))
            for run in matrix.runs
        ),
    )

    for found, has_column in ((matrix, False), (with_messages, True)):
        lines = render_text(found).splitlines()
        head = next(line for line in lines if line.strip().startswith("L "))
        assert (head.split()[-1] == "M") is has_column
        assert max(map(len, lines)) <= 100


def test_explain_tells_an_agents_messages_between_its_calls() -> None:
    """In the ledger's order, with topic and broker."""
    lines = explain(seen(sent("a1/m"), sent("other/m"), had("a1/m")), "a1").splitlines()

    told = [line.split("tells: ")[1] for line in lines if "tells: " in line]
    assert told == [
        "message a1/m publishing, topic t of b",
        "message a1/m acknowledged, topic t of b",
        "message a1/m delivered, topic t of b",
    ]
    assert "tells" in lines[-1]
