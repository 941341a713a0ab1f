"""Records become columns; what is wrong with them becomes words."""

import msgspec
import pytest

from harness.errors import HarnessError
from harness.evidence import DriverEvent, evidence_of, from_tables, to_tables
from harness.history import NONE, Evidence, Kind, MessageEvent, RequestOutcome
from mock_llm.ledger import Begin, Message, Note, Opened, Outcome, Record
from tests.histories import build
from tests.histories.build import SEED, Teller, ask, begin, chain, end, outcome, tools
from tests.histories.random_runs import correct_run, lying_run


def records_of(*told: build.Told, programs: tuple[str, ...] = ("a1",)) -> list[Record]:
    teller = Teller({agent: chain(agent, "1", "2") for agent in programs})
    for one in told:
        one.line(teller)
    return teller.records


def join(records: list[Record], *events: DriverEvent) -> Evidence:
    return evidence_of(
        seed=SEED,
        programs=[chain("a1", "1", "2")],
        records=records,
        driver_events=events,
        faults_planned=0,
        liveness_ns=1,
        exposures_min=0,
        problems=(),
    )


def test_a_request_joins_its_begin_and_its_end() -> None:
    """One row has what both records say."""
    requests = join(records_of(ask("a1", "1"), ask("a1", "2"))).requests

    assert requests.count == 2
    assert requests.end_seq.tolist() == [2, 4]
    assert requests.mark.tolist() == requests.begin_seq.tolist() == [1, 3]
    assert requests.outcome.tolist() == [RequestOutcome.ANSWERED] * 2
    assert requests.context_start.tolist() == [0, 1, 3]


def test_a_request_without_an_end_is_open() -> None:
    """The run stopped first: nothing was executed as far as anybody knows."""
    requests = join(records_of(begin("a1", "1"))).requests

    assert requests.outcome.tolist() == [RequestOutcome.OPEN]
    assert requests.end_seq.tolist() == [NONE]
    assert requests.receipt.tolist() == [0]


def test_the_warm_up_is_no_evidence() -> None:
    """Agents of the warm-up, and nobody's calls before the load, are left out without a word."""
    aux = Begin(
        seq=1,
        t_ns=1,
        caller="-",
        agent="",
        path="",
        turn=0,
        kind="aux",
        retry=-1,
        model="",
        prompt_tokens=0,
        max_tokens=0,
        is_last=False,
        account="",
        key="",
        context=[],
    )
    warm = msgspec.structs.replace(aux, seq=2, agent="w000001", path="1", kind="step")
    load = Note(seq=3, t_ns=5, kind="phase", subject="load", detail="{}")
    late = msgspec.structs.replace(aux, seq=4, t_ns=9)

    evidence = join([aux, warm, load, late])

    assert evidence.requests.begin_seq.tolist() == [4]
    assert evidence.requests.kind.tolist() == [Kind.AUXILIARY]
    assert evidence.phases == {"load": 5}
    assert evidence.problems == ()


def test_a_strangers_step_stays_without_an_agent() -> None:
    """A request of an agent that is in no program is evidence against the engine."""
    evidence = join(records_of(ask("a1", "1"), ask("a9", "1"), programs=("a1", "a9")))

    assert evidence.requests.agent.tolist() == [0, NONE]
    assert evidence.problems == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda records: [*records, records[0]], "in the ledger twice"),
        (lambda records: [*records, records[1]], "ends twice"),
        (lambda records: records[1:], "ends that never began"),
        (lambda records: [records[2], *records[:2], *records[3:]], "out of order"),
        (lambda records: [_opened(), *records], "of another run"),
        (
            lambda records: [msgspec.structs.replace(records[0], seq=2**70), *records[1:]],
            "does not fit",
        ),
        (
            lambda records: [msgspec.structs.replace(records[0], kind="dance"), *records[1:]],
            "does not fit",
        ),
        (
            lambda records: [records[0], msgspec.structs.replace(records[1], mark=77)],
            "another request's mark",
        ),
        (
            lambda records: [records[0], msgspec.structs.replace(records[1], seq=0)],
            "ends before it began",
        ),
        (
            lambda records: [
                *records,
                Outcome(seq=99, t_ns=1, agent="a7", status="completed", receipt=0, mark=-1),
            ],
            "in no program",
        ),
    ],
)
def test_damage_becomes_a_problem(change: object, problem: str) -> None:
    """Doubled, lost, moved, foreign or misshapen records are said, not raised."""
    records = records_of(ask("a1", "1"), ask("a1", "2"))

    evidence = join(change(records))  # type: ignore[operator]

    assert any(problem in text for text in evidence.problems)
    to_tables(evidence)


def test_a_completed_agent_without_its_mark_is_a_problem() -> None:
    """The driver's events and the ledger must tell the same story."""
    event = DriverEvent(
        t_ns=1, kind="ended", agent="a1", intended_ns=0, caller="", status="completed"
    )

    (problem,) = join([], event).problems

    assert "no outcome mark" in problem


def test_driver_events_fold_into_one_row() -> None:
    """The first time of each kind counts; posts of the supervisor are counted apart."""
    events = [
        DriverEvent(
            t_ns=t_ns, kind=kind, agent="a1", intended_ns=5, caller="", status="", origin=origin
        )
        for t_ns, kind, origin in [
            (10, "invoke", "driver"),
            (11, "info", "driver"),
            (12, "invoke", "driver"),
            (13, "ok", "driver"),
            (14, "invoke", "supervisor"),
        ]
    ]

    starts = join([], *events).starts

    assert starts.intended_ns.tolist() == [5]
    assert starts.sent_ns.tolist() == [10]
    assert starts.accepted_ns.tolist() == [13]
    assert starts.posts.tolist() == [2]
    assert starts.resubmits.tolist() == [1]
    assert starts.is_info.tolist() == [True]
    assert starts.ended_ns.tolist() == [NONE]


def test_a_program_that_cannot_be_folded_is_a_problem() -> None:
    """Without an oracle nothing is judged, and that is said."""
    evidence = evidence_of(
        seed=SEED,
        programs=[chain("a1")],
        records=[],
        driver_events=[],
        faults_planned=0,
        liveness_ns=1,
        exposures_min=0,
        problems=("earlier",),
    )

    assert evidence.problems[0] == "earlier"
    assert "cannot be judged" in evidence.problems[1]


@pytest.mark.parametrize("seed", range(3))
def test_tables_come_back_as_they_were(seed: int) -> None:
    """Taking evidence apart and joining it again changes no table."""
    for evidence in (correct_run(seed), lying_run(seed)):
        once = to_tables(evidence)
        twice = to_tables(from_tables(once))

        assert once.keys() == twice.keys()
        for name, columns in once.items():
            assert {column: values.tolist() for column, values in columns.items()} == {
                column: values.tolist() for column, values in twice[name].items()
            }


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("requests", "begin_seq", -5),
        ("requests", "agent", 77),
        ("requests", "mark", 1234),
        ("requests", "context_count", 99),
        ("expected", "agent", 9),
        ("outcomes", "agent", -1),
        ("predecessors", "row", 10_000),
        ("run", "json", "{}"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(
    table: str, column: str, value: object
) -> None:
    """A changed file is found before a checker stumbles over it."""
    tables = to_tables(build.evidence_of(ask("a1", "1"), ask("a1", "2"), outcome("a1")))
    tables[table][column] = tables[table][column].copy()
    tables[table][column][-1] = value

    with pytest.raises(HarnessError):
        from_tables(tables)


def test_a_missing_column_is_refused() -> None:
    """It is said which."""
    tables = to_tables(build.evidence_of(ask("a1", "1")))
    del tables["requests"]["receipt"]

    with pytest.raises(HarnessError, match="receipt"):
        from_tables(tables)


def test_an_effect_keeps_its_key() -> None:
    """Keys become numbers; an effect without one has none."""
    evidence = build.evidence_of(
        ask("a1", "1"),
        ask("a1", "2", 0),
        ask("a1", "2.t0.c0", key="k1"),
        begin("a1", "2.t0.c0"),
        end("a1", "2.t0.c0", is_applied=False),
        programs=[tools("a1")],
    )

    assert evidence.names.keys == ("k1",)
    assert evidence.requests.key.tolist() == [NONE, NONE, 0, NONE]
    assert evidence.requests.is_applied.tolist() == [False, False, True, False]


def _opened() -> Opened:
    return Opened(schema=1, run="r", seed=SEED + 1, wall_ns=0, mono_ns=0, pid=1)


def told(seq: int, what: str, id: str = "a1/2", **more: object) -> Message:
    fields = {"topic": "plans", "key": "a1", "number": 0, "broker": "redis", "caller": "p.0"}
    return Message(seq=seq, t_ns=seq, what=what, id=id, **{**fields, **more})  # type: ignore[arg-type]


def test_what_happened_to_a_message_is_a_row() -> None:
    """Names become numbers; agent and path are those of the id."""
    evidence = join(
        [
            told(1, "publishing", is_poison=True),
            told(2, "acknowledged", "stranger", key="", number=-1, broker=""),
            told(3, "delivered", "a1/start", topic="starts", caller="p.1"),
        ]
    )

    rows, names = evidence.messages, evidence.names
    assert rows.what.tolist() == [
        MessageEvent.PUBLISHING,
        MessageEvent.ACKNOWLEDGED,
        MessageEvent.DELIVERED,
    ]
    assert [names.messages[place] for place in rows.message] == ["a1/2", "stranger", "a1/start"]
    assert rows.agent.tolist() == [0, NONE, 0]
    assert [names.paths[rows.path[place]] for place in (0, 2)] == ["2", "start"]
    assert rows.path[1] == rows.key[1] == rows.number[1] == rows.broker[1] == NONE
    assert [names.callers[place] for place in rows.caller] == ["p.0", "p.0", "p.1"]
    assert names.topics == ("plans", "starts")
    assert rows.is_poison.tolist() == [True, False, False]


def test_a_note_names_the_broker_of_what_is_published() -> None:
    """Where a worker cannot know it; what is delivered may still come from the one before."""
    swapped = Note(seq=3, t_ns=3, kind="broker", subject="kafka", detail="")
    unsaid = [told(seq, "acknowledged", f"a1/{seq}", broker="") for seq in (1, 4)]
    first = Note(seq=0, t_ns=0, kind="broker", subject="redis", detail="")

    evidence = join([first, unsaid[0], swapped, unsaid[1], told(5, "delivered", broker="")])

    names = evidence.names.brokers
    assert [names[place] for place in evidence.messages.broker[:2]] == ["redis", "kafka"]
    assert evidence.messages.broker[2] == NONE


def test_messages_of_the_warm_up_are_no_evidence() -> None:
    """As its agents are none."""
    assert join([told(1, "publishing", "w000001/start")]).messages.count == 0


def test_a_doubled_message_record_is_a_problem() -> None:
    """One row stays; the evidence counts as damaged."""
    evidence = join([told(2, "delivered"), told(1, "publishing"), told(2, "delivered")])

    assert evidence.messages.seq.tolist() == [1, 2]
    assert evidence.problems == ("a message's record is in the ledger twice (sequence number 2)",)


def test_a_message_record_that_fits_no_column_is_a_problem() -> None:
    """It leaves no half row."""
    evidence = join([told(1, "teleported"), told(2, "delivered", number=2**70)])

    assert evidence.messages.count == 0
    assert len(evidence.problems) == 2
