"""What a run says of its state store follows from its counts; beside it is what was declared."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.expectations import FILE, expectation_of, load_stores
from harness.measures.state_store import StoreSaid, state_store_of
from harness.results import RunResult
from harness.state_store import KEPT, LOST, RED, UNDECIDED, StoreCheck
from harness.stores import STORES
from harness.stores.state_api import CHECKS
from harness.verdict import ENGINE_KEYS
from reports.markdown import render_markdown
from reports.stores import store_table, store_tables
from reports.text import render_text
from scenarios.matrices import STORE_PODS
from scenarios.matrices import STORES as MATRIX
from tests import report_fixtures as fixtures
from tests.report_parts import promise_rows

SAID = StoreSaid(
    figures={"bytes": 500_000.0, "writes": 25_000.0},
    sources={"bytes": "its files", "writes": "its header"},
    reason="it says nothing of operations",
)

FELL = promise_rows(kills=6, refuted={"L": 10})
OPEN = promise_rows(kills=6, unknown=("L",), reason="no heal")


def calm(**changes: object) -> RunResult:
    """A run without kills in which every agent completed."""
    run = replace(fixtures.run_of(kills=0), agents_completed=2000, agents_failed=0)
    return replace(run, **changes)  # type: ignore[arg-type]


def killed(**changes: object) -> RunResult:
    """The same with kills that interrupted agents."""
    run = replace(fixtures.run_of(), agents_completed=2000, agents_failed=0)
    return replace(run, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "said", "seen"),
    [
        (calm(), SAID, KEPT),
        (killed(), SAID, KEPT),
        (killed(agents_completed=1999, agents_failed=1), SAID, LOST),
        (killed(agents_completed=1990, agents_unfinished=10, promises=FELL), SAID, LOST),
        (killed(agents_completed=1999, agents_unfinished=1), SAID, KEPT),
        (killed(agents_completed=1990, agents_unfinished=10, promises=OPEN), SAID, UNDECIDED),
        (killed(promises=promise_rows(kills=6, refuted={"R": 3})), SAID, LOST),
        (killed(promises=promise_rows(kills=6, refuted={"S2": 3, "S3": 2})), SAID, KEPT),
        (killed(resume=calm().resume), SAID, UNDECIDED),
        (calm(agents_accepted=0, agents_completed=0), SAID, UNDECIDED),
        (calm(), replace(SAID, ending="interrupted"), UNDECIDED),
        (killed(state="failed", state_reason="broken: redis"), SAID, UNDECIDED),
        (calm(), replace(SAID, trouble="SQLITE_BUSY", troubles_count=7), RED),
    ],
)
def test_what_became_of_the_state_follows_from_the_counts(
    run: RunResult, said: StoreSaid, seen: str
) -> None:
    """A repeat is no loss, nor is a start that nobody decided, which L leaves out; a kill that met
    nobody proves nothing; a store that refuses is red.
    """
    assert state_store_of(run, said).seen == seen


@pytest.mark.parametrize(
    ("expected", "is_as_expected"), [("kept", True), ("lost", False), ("", None)]
)
def test_the_outcome_is_held_against_what_was_declared(
    expected: str, is_as_expected: bool | None
) -> None:
    """Nothing declared, nothing said."""
    assert state_store_of(calm(), SAID, expected=expected).is_as_expected is is_as_expected


def test_an_undecided_outcome_is_neither_as_expected_nor_otherwise() -> None:
    """Unknown is not a pass."""
    found = state_store_of(killed(resume=calm().resume), SAID, expected="kept")

    assert found.is_as_expected is None


def test_figures_are_by_the_answers_of_the_load_and_say_where_they_come_from() -> None:
    """106.4 a second over 93.9 s are 9,991 steps; what is missing has its reason."""
    figures = {one.name: one for one in state_store_of(calm(), SAID).figures}

    assert figures["writes"].per_step == pytest.approx(25_000 / 9_991)
    assert figures["writes"].source == "its header"
    assert (figures["operations"].total, figures["operations"].per_step) == (None, None)
    assert figures["operations"].reason == "the store redis does not count it"


def test_with_kills_a_step_has_no_price() -> None:
    """What was repeated would be in it."""
    assert {one.total for one in state_store_of(killed(), SAID).figures} == {None}


def test_the_matrix_has_every_store_with_every_broker_and_an_outcome_for_each() -> None:
    """Each cell has the pods that its outcome was declared for."""
    declared = load_stores(FILE)
    cells = {
        (entry.cell.store, entry.cell.broker): entry
        for entry in MATRIX.entries
        if entry.scenario == "pod_kill"
    }

    assert {name: one.pods for name, one in declared.items()} == STORE_PODS
    assert set(STORE_PODS) == set(STORES) - {"none"}
    assert set(cells) == {
        (store, broker)
        for store in STORE_PODS
        for broker in ("in-memory", "redis", "kafka", "rabbitmq", "nats")
    }
    for (store, _), entry in cells.items():
        assert f"pods={STORE_PODS[store]}" in entry.overrides


def test_on_a_store_that_loses_state_the_engine_gave_no_word() -> None:
    """So that an honest loss is no broken promise; on all others its own word stands."""
    words = {
        store: {
            key: expectation_of("dapr_workflow", "default", key, store).word for key in ENGINE_KEYS
        }
        for store in STORE_PODS
    }

    assert words["redis"] == words["postgres"] == words["sqlite"]
    assert words["redis"]["L"] == words["redis"]["R"] == "promised"
    assert words["in-memory"]["L"] == words["in-memory"]["R"] == "not promised"
    assert words["sqlite-shared"]["L"] == "unstated"


def test_what_a_store_does_not_promise_is_a_check_of_ours() -> None:
    """A name that no check has would excuse nothing."""
    for one in load_stores(FILE).values():
        assert set(one.unpromised) <= set(CHECKS)


@pytest.mark.parametrize("change", ["killed: gone", "calm: gone", "source: x"])
def test_a_broken_word_of_a_store_is_refused(tmp_path: Path, change: str) -> None:
    """Whichever of its words is none that we know."""
    words = {"pods": "1", "killed": "kept", "calm": "kept", "source": "here"}
    key, _, value = change.partition(": ")
    entry = ", ".join(f"{name}: {one}" for name, one in {**words, key: value}.items())
    path = tmp_path / "expectations.yaml"
    path.write_text(
        f"schema: 1\nsources: {{here: x}}\nengines: {{}}\nstores: {{s: {{{entry}, quote: q}}}}"
    )

    with pytest.raises(UsageError, match=f"store s: .*{value}"):
        load_stores(path)


def on(store: str, run: RunResult, **said: object) -> RunResult:
    """The run on that store."""
    found = state_store_of(run, SAID, **said)  # type: ignore[arg-type]
    return replace(run, store=store, state_store=found)


def test_the_tables_show_outcomes_and_prices_and_what_was_skipped() -> None:
    """In Markdown and on the terminal alike; prices of the run without kills alone."""
    skipped = replace(fixtures.unjudged_run(), store="postgres", state_reason="no PostgreSQL here")
    lost = killed(agents_completed=1990, agents_unfinished=10, promises=FELL)
    checks = (
        StoreCheck(name="first", verdict="valid", text="so"),
        StoreCheck(name="halves", verdict="invalid", text="seen", is_promised=False),
    )
    redis = on("redis", calm(), expected="kept", source="here", quote="sure")
    assert redis.state_store is not None
    matrix = fixtures.matrix_of(
        replace(redis, state_store=replace(redis.state_store, checks=checks)),
        on("in-memory", lost, expected="kept", source="here", quote="sure"),
        skipped,
    )
    outcomes, costs = store_tables(matrix)

    assert [[cell.text for cell in row][4:8] for row in outcomes.rows] == [
        ["kept", "kept", "✓ as expected", "△ 1 of 2"],
        ["kept", "lost", "✗ otherwise", "–"],
        ["–", "⊘ skipped", "–", "–"],
    ]
    assert "Halves, △ refuted, not promised: seen" in outcomes.rows[0][8].text
    assert outcomes.rows[2][8].text == "No PostgreSQL here."
    assert [[cell.text for cell in row] for row in costs.rows] == [
        ["1 redis", "3", "21.3", "50.0", "–", "2.50", "–"]
    ]
    assert "redis, writes: its header" in costs.note
    assert "✗ otherwise" in render_markdown(matrix)
    assert "✗ otherwise" in render_text(matrix)


def test_one_store_alone_is_no_comparison() -> None:
    """Its own table stands with the run."""
    one = on("redis", calm(), expected="kept", source="here", quote="sure")

    assert list(store_tables(fixtures.matrix_of(one, one))) == []
    table = store_table(one)
    assert table is not None
    assert table.rows[0][1].text == "kept; expected kept"
    assert "“sure” — here" in table.note


def test_a_run_without_a_store_says_nothing_of_one() -> None:
    """Engines that keep their state themselves."""
    assert store_table(fixtures.run_of()) is None
