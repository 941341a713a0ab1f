"""Pages of many runs: the scoreboard, what is folded, what has room, claims."""

from dataclasses import replace

from matplotlib.backends.backend_agg import FigureCanvasAgg

from harness.verdict import PROMISE_KEYS
from reports.claims import claim_rows
from reports.compare import State, columns
from reports.comparison import comparison_drawings
from reports.drawing import LIGHT
from reports.markdown import BYTES_MAX, render_markdown
from reports.overview import exit_of
from reports.room import EXAMPLES_MAX, PICTURES_MAX, rooms
from reports.scoreboard import scoreboard
from tests import report_fixtures as fixtures
from tests.report_big import big_matrix, claims

BIG = big_matrix()


def test_zero_is_called_valid_only_of_valid_runs() -> None:
    """A comparison ends with it whatever was found, and says so."""
    assert exit_of(fixtures.valid_matrix()) == "valid"
    assert exit_of(fixtures.default_matrix()).startswith("a comparison")
    assert exit_of(replace(BIG, exit_code=2)) == "unknown or inconclusive"


def test_every_run_has_its_row() -> None:
    """Grouped by scenario, in the order of the matrix, a mark a promise."""
    board = scoreboard(BIG)
    rows = [row for group in board.groups for row in group.rows]

    assert [group.scenario for group in board.groups] == ["pod_kill", "baseline", "throttle"]
    assert sorted(row.column.number for row in rows) == list(range(1, 41))
    assert {len(row.marks) for row in rows} == {len(PROMISE_KEYS)}


def test_promised_and_refuted_is_the_worst() -> None:
    """It stands in capitals, sorts last, and says how often; nothing else does all three."""
    marks = [mark for group in scoreboard(BIG).groups for row in group.rows for mark in row.marks]
    loud = [mark for mark in marks if mark.state is State.REFUTED]

    assert {mark.short for mark in loud} == {"✗ REFUTED"}
    assert min(mark.severity for mark in loud) > max(
        mark.severity for mark in marks if mark.state is not State.REFUTED
    )
    assert {mark.violations for mark in loud} == {"123", "2"}
    assert {mark.violations for mark in marks if mark.state is State.HOLDS} == {""}


def test_few_runs_are_open_many_are_folded() -> None:
    """Up to four runs nothing has to be opened; of many the first invalid ones are open."""
    few, many = rooms(fixtures.default_matrix()), rooms(BIG)

    assert not any(room.is_folded for room in few)
    assert all(room.is_folded for room in many)
    assert [number for number, room in enumerate(many, start=1) if room.is_open] == [7, 35]


def test_pictures_are_shared_out_the_invalid_first() -> None:
    """Fifty over the page, and an invalid run has one before a valid run has two."""
    found = rooms(BIG)

    assert sum(len(room.pictures) for room in found) == PICTURES_MAX
    assert len(found[6].pictures) == max(len(room.pictures) for room in found)
    alone = replace(BIG, runs=(BIG.runs[6],))
    assert len(rooms(alone)[0].pictures) == min(PICTURES_MAX, len(BIG.runs[6].timelines))
    assert all(
        room.pictures == tuple(one.agent for one in run.timelines)[: len(room.pictures)]
        for room, run in zip(found, BIG.runs, strict=True)
    )


def test_examples_are_shared_out() -> None:
    """However many kinds of violation there are, their examples have a bound."""
    kinds = sum(
        len({(row.key, one.name) for row in run.promises for one in row.anomalies})
        for run in BIG.runs
    )

    assert sum(room.examples for room in rooms(BIG)[:1]) * kinds <= EXAMPLES_MAX
    assert rooms(fixtures.invalid_matrix())[0].examples == 49


def test_runs_of_one_engine_are_told_apart_by_their_place() -> None:
    """In every label; the plot's rows have what differs, and its title what does not."""
    run = replace(fixtures.valid_run(), store="sqlite-shared")
    matrix = fixtures.matrix_of(*(replace(run, broker=broker) for broker in ("none", "kafka")))
    (drawing,) = comparison_drawings(matrix)
    names = drawing.draw(LIGHT).axes[0].get_yticklabels()

    assert [column.label for column in columns(matrix)] == [
        "dapr_workflow in pod_kill (sqlite-shared)",
        "dapr_workflow in pod_kill (sqlite-shared · kafka)",
    ]
    assert drawing.title == "pod_kill · dapr_workflow · sqlite-shared"
    assert [name.get_text() for name in names] == ["none", "kafka"]


def test_a_plot_cuts_nothing_off() -> None:
    """Long names begin on the paper, and marks that lie close together end before its edge."""
    run = fixtures.valid_run()
    named = replace(run, variant="a-variant-with-a-name", store="sqlite-shared", broker="rabbitmq")
    (drawing,) = comparison_drawings(fixtures.matrix_of(run, named))
    figure = drawing.draw(LIGHT)
    FigureCanvasAgg(figure).draw()
    first, *_, rates = figure.axes

    assert min(name.get_window_extent().x0 for name in first.get_yticklabels()) >= 0
    assert rates.get_xlim()[1] >= 1.05 * rates.dataLim.x1


def test_claims_lead_to_their_runs() -> None:
    """Each verdict has its sign; a run that is not on the page is no link."""
    rows = claim_rows(BIG)
    stranger = replace(claims()[0], verdict="certain", runs=("elsewhere",))
    (odd,) = claim_rows(replace(BIG, claims=(stranger,)))

    assert [row.symbol for row in rows] == ["✓", "✗", "?", "⊘"]
    assert rows[0].columns[0].number == 1
    assert (odd.symbol, odd.columns) == ("?", ())
    assert claim_rows(fixtures.default_matrix()) == ()


def test_claims_that_one_test_decides_share_a_row() -> None:
    """With all their words, and the source as far as it is the same; another reason is another."""
    one = replace(claims()[0], text="a: L (first)", quote="safe", source="Text, page 1, top")
    again = replace(one, text="a: L (the same)", quote="sound", source="Text, page 1, end")
    other = replace(one, reason="another one")

    rows = claim_rows(replace(BIG, claims=(one, other, again)))

    assert [(row.quotes, row.source) for row in rows] == [
        (("safe", "sound"), "Text, page 1"),
        (("safe",), "Text, page 1, top"),
    ]


def test_markdown_of_forty_runs_decides_on_its_first_screen() -> None:
    """Under 64 KiB; headline, counts and every run's verdicts in the first 60 lines."""
    text = render_markdown(BIG)
    first = "\n".join(text.splitlines()[:60])

    assert len(text.encode()) < BYTES_MAX
    assert "2 of 40 runs break what the engine promises" in first
    assert all(f"| {number} " in first for number in range(1, 41))
    assert "contradicted" in text
