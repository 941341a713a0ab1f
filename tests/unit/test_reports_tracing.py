"""What spans show, on the page: only where a run collected them, and with what it rests on."""

from dataclasses import replace
from pathlib import Path

from harness.results import MatrixResult, RunResult, Tracing
from reports.html import render_html
from reports.markdown import render_markdown
from reports.tracing import tracing_table, tracings
from tests import report_fixtures as fixtures
from tests.report_parts import TRACED as FOUND

NONE = "not implemented: none by default"


def traced(found: Tracing = FOUND) -> RunResult:
    return replace(fixtures.valid_run(), tracing=found)


def matrix_of(*runs: RunResult) -> MatrixResult:
    return replace(fixtures.MATRICES["default"](), runs=runs)


def cells(found: Tracing) -> dict[str, str]:
    table = tracing_table(traced(found))
    assert table is not None
    return {row[0].text: row[1].text for row in table.rows}


def test_figures_are_shares_of_what_was_counted() -> None:
    """Each with its counts beside it."""
    table = tracing_table(traced())

    assert table is not None
    assert cells(FOUND) == {
        "spans": "800",
        "steps with a span": "90 %",
        "executions with a span": "80 %",
        "spans per step": "8.00",
        "orphan spans": "5.0 %",
        "spans of no agent": "25 %",
        "agents in one trace": "90 %",
        "traces that outlive a kill": "70 %",
    }
    assert table.rows[0][2].text == "How they leave: the sidecar's."
    assert table.rows[-1][2].text == (
        "7 of 10 agents interrupted; 1 went on in another trace, 2 have no span on one side"
    )


def test_run_without_tracing_has_no_section() -> None:
    """On no form of the report."""
    plain = matrix_of(fixtures.valid_run())

    assert tracing_table(fixtures.valid_run()) is None
    assert "spans show" not in render_html(plain, Path("runs/m"))
    assert "spans show" not in render_markdown(plain, Path("runs/m"))


def test_engine_without_spans_says_why_and_shows_no_share() -> None:
    """Nought of nought is no figure."""
    table = tracing_table(traced(replace(FOUND, exports=NONE, spans_count=0)))

    assert table is not None
    assert [row[0].text for row in table.rows] == ["spans"]
    both = tracings(matrix_of(traced(), traced(replace(FOUND, spans_count=0, exports=NONE))))
    assert both is not None
    assert [value.text for value in both.rows[1][1:]] == ["0", *6 * ["–"]]
    assert "not implemented: none by default" in table.rows[0][2].text


def test_engine_that_exports_and_sent_nothing_shows_it() -> None:
    """Nought of its steps have a span: that is a finding."""
    found = replace(FOUND, spans_count=0, steps_spanned_count=0, orphans_count=0)

    assert cells(found)["steps with a span"] == "0 %"


def test_run_without_faults_has_no_share_of_kills() -> None:
    """There is nothing that a trace could outlive."""
    found = replace(FOUND, interrupted_count=0, survived_count=0, cut_count=0, lost_count=0)

    assert "traces that outlive a kill" not in cells(found)


def test_what_is_not_whole_is_said() -> None:
    """A full file above the rules, and what was not taken in a row of its own."""
    found = replace(FOUND, left_out_count=12, refused_count=3, problems=("the file was full",))
    table = tracing_table(traced(found))

    assert table is not None
    assert table.note.startswith("The file was full.")
    assert cells(found)["not taken"] == "15"


def test_both_forms_show_the_run_and_the_comparison() -> None:
    """The section of each run, and a row a run where two have spans."""
    two = matrix_of(traced(), fixtures.valid_run(), traced(replace(FOUND, survived_count=3)))
    table = tracings(two)

    assert table is not None
    assert [row[-1].text for row in table.rows] == ["70 %", "30 %"]
    assert tracings(matrix_of(traced(), fixtures.valid_run())) is None
    for text in (render_html(two, Path("runs/m")), render_markdown(two, Path("runs/m"))):
        assert text.count("traces that outlive a kill") == 2
        assert text.count("Traces that outlive a kill") == 1
