"""States, headlines and concerns: what a matrix says in its first lines."""

from dataclasses import replace

import pytest

from harness.results import MatrixResult
from harness.verdict import PROMISES
from reports.compare import State, bound_text, promise_state, run_detail, run_state, vector
from reports.concerns import concerns
from reports.headline import controls_line, headline, page_state
from tests import report_fixtures as fixtures
from tests import report_parts as parts


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("valid", State.VALID_BEYOND, "L, S1–S3, R hold; refuted, and not promised: S5."),
        ("invalid", State.INVALID, "breaks what its engine promises: S1, S2."),
        ("unknown", State.UNKNOWN, "unknown, which is not a pass."),
        ("unjudged", State.FAILED, "1 of 2 runs failed, which proves nothing"),
        ("default", State.VALID_BEYOND, "No engine broke what it promises in 2 runs"),
        ("controls", State.VALID_BEYOND, "Only controls were judged, and they did as they must."),
        ("wide", State.INVALID, "1 of 8 runs breaks what the engine promises"),
        ("empty", State.UNKNOWN, "Nothing ran"),
    ],
)
def test_headline_is_the_worst_news(name: str, state: State, words: str) -> None:
    """The first sentence of a page is its worst news, and never a pass without a verdict."""
    matrix = fixtures.MATRICES[name]()

    assert page_state(matrix) is state
    assert words in headline(matrix)


def test_refuted_without_a_promise_is_a_state_of_its_own() -> None:
    """Refuted and promised, and refuted and not promised, are never mixed."""
    states = {row.key: promise_state(row) for row in fixtures.invalid_run().promises}

    assert states["S1"] is State.REFUTED
    assert states["S5"] is State.REFUTED_UNPROMISED
    assert states["S4"] is State.NOT_OFFERED


def test_skipped_and_unmet_are_no_pass() -> None:
    """No run without a verdict, and none with an unmet assumption, counts as valid."""
    unmet = replace(fixtures.baseline_run(), assumptions=fixtures.unknown_run().assumptions)

    assert run_state(fixtures.unjudged_run()) is State.SKIPPED
    assert run_state(unmet) is State.UNKNOWN
    assert page_state(fixtures.matrix_of(fixtures.unjudged_run())) is State.UNKNOWN


def test_bound_counts_kills_first() -> None:
    """A pass under kills is bounded per kill; one without faults over everything checked."""
    under_kills = parts.promise_rows(kills=37)[1]
    without = parts.promise_rows(kills=0)[1]

    assert bound_text(under_kills) == "of 37 kills none: below 7.8 % per kill at 95 %"
    assert bound_text(without) == "no faults; below 0.030 % per step at 95 %"


def test_every_cell_has_its_source() -> None:
    """Each judged cell points to a note with the engine's own words."""
    found = vector(fixtures.wide_matrix())
    numbers = {note.number for note in found.notes}

    assert len(found.rows) == len(PROMISES)
    for row in found.rows:
        for column, cell in zip(found.columns, row.cells, strict=True):
            has_word = column.run.state == "judged" and cell.state is not State.NOT_APPLICABLE
            assert (cell.note in numbers) is has_word


def test_concerns_are_said_once() -> None:
    """An unmet assumption that is also noted as a doubt is one concern."""
    run = fixtures.unknown_run()
    run = replace(run, doubts=(run.assumptions[0].text,))

    found = concerns(fixtures.matrix_of(run))

    assert [concern.kind for concern in found] == ["assumption", "unknown"]
    assert found[1].subject == "L, S1–S5, R"


def test_a_run_on_a_cluster_says_so_beside_its_engine() -> None:
    """A pod there is another thing than a group of processes here."""
    run = fixtures.valid_run()
    there = replace(run, environment=run.environment | {"pods": "Kubernetes pods: 1.34.4"})

    assert "Kubernetes" not in run_detail(run)
    assert run_detail(there).endswith("on Kubernetes")


def test_an_engine_that_promises_nothing_is_unknown_for_that_reason() -> None:
    """Not for want of a judgement: every promise of the run has one."""
    silent = replace(
        fixtures.valid_run(),
        verdict="unknown",
        promises=parts.promise_rows(kills=6, unpromised=PROMISE_KEYS),
    )

    (found,) = [one for one in concerns(fixtures.matrix_of(silent)) if one.kind == "unknown"]

    assert "promises nothing that a run could hold it to" in found.text


def test_a_column_with_another_load_is_a_doubt() -> None:
    """Its durations cannot be compared with those beside it, and the top of the page says so."""
    alike = fixtures.valid_run()
    slower = replace(alike, engine="control", variant="guarded", summary="tools take 12 s")
    alone = replace(slower, scenario="another")

    (found,) = concerns(fixtures.matrix_of(alike, replace(alike, repeat=1), slower, alone))

    assert (found.kind, found.subject) == ("doubt", "load")
    assert "tools take 12 s" in found.text
    assert [column.run for column in found.columns] == [slower]


def test_control_that_stands_is_a_concern() -> None:
    """A naive control that kills could not break takes the page's green away."""
    naive, _ = fixtures.control_runs()
    standing = replace(naive, promises=parts.promise_rows(kills=6, unpromised=PROMISE_KEYS))
    matrix: MatrixResult = fixtures.matrix_of(fixtures.valid_run(), standing)

    assert run_state(naive) is State.BROKE_AS_MEANT
    assert run_state(standing) is State.UNKNOWN
    assert "control" in [concern.kind for concern in concerns(matrix)]
    assert "can both be reached" not in controls_line(matrix)
    assert "can both be reached" in controls_line(fixtures.default_matrix())


PROMISE_KEYS = [promise.key for promise in PROMISES]
