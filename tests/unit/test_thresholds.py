"""Thresholds: what may be said, what becomes of it, and the exit code that follows."""

from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.plan import Cell
from harness.protocols import Progress
from harness.results import Figure
from harness.runner.driving import DriverProgress
from harness.runner.figured import exit_code_with
from harness.runner.order import Order, problems_of_order
from harness.runner.watch import live_figures
from harness.scenario import Scenario
from harness.thresholds import NAMES, broken_live, parse_threshold, problems_of_thresholds, rows_of
from reports.concerns import concerns
from tests.report_fixtures import matrix_of, run_of

RUN = replace(run_of(), agents_unfinished=0, agents_failed=3)


@pytest.mark.parametrize(
    ("text", "state", "told"),
    [
        ("lost == 0", "holds", "lost is 0"),
        ("failed < 3", "broken", "failed is 3"),
        ("failed <= 3 else abort", "holds", "failed is 3"),
        ("resume_p99 < 1ms", "broken", "resume_p99 is "),
        ("tokens_per_agent < 400", "unknown", "tokens_per_agent was not measured"),
        ("lost / failed < 10%", "holds", "failed is 3, lost is 0"),
        ("lost / lost < 10%", "unknown", "nothing to divide by"),
    ],
)
def test_a_threshold_holds_or_not_or_is_unknown(text: str, state: str, told: str) -> None:
    """With the figures that decided; what was not measured decides nothing."""
    (row,) = rows_of((text,), RUN)

    assert (row.threshold, row.state) == (text, state)
    assert told in row.text


def test_a_figure_that_was_measured_is_read() -> None:
    """The gate's figures have names in thresholds."""
    run = replace(RUN, figures=(Figure(name="tokens_per_agent", value=389.5),))

    assert rows_of(("tokens_per_agent < 390",), run)[0].state == "holds"


def test_what_ended_the_load_stays_broken() -> None:
    """The run may end with better figures than those that ended it."""
    run = replace(RUN, state_reason="aborted: limited < 5 else abort: limited is 5")

    assert [
        row.state for row in rows_of(("limited < 5 else abort", "failed < 9 else abort"), run)
    ] == ["broken", "holds"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lost == 0 else stop", "expected `else abort`"),
        ("lost == 0 else abort", "lost is known only after the run; what may abort: started"),
        ("1 == 1", "names no figure"),
        ("lots == 0", "unknown name 'lots'; see `onceproof list`"),
    ],
)
def test_a_wrong_threshold_is_refused(text: str, told: str) -> None:
    """Before anything starts."""
    with pytest.raises(UsageError, match=told):
        parse_threshold(text)


def test_every_wrong_threshold_is_said_before_the_start() -> None:
    """All of them, in the message of the order, with what else is wrong."""
    scenario = Scenario(name="x", summary="", pods=0, thresholds=("lots == 0", "lost = 0"))
    problems = problems_of_order(Order(scenario=scenario, cell=Cell(engine="reference")))

    assert len(problems) == 3
    assert problems_of_thresholds(scenario.thresholds) == problems[1:]


def test_the_load_ends_at_the_first_threshold_that_aborts() -> None:
    """Those without `else abort` wait for the end."""
    lines = ("failed < 1", "limited < 9 else abort", "elapsed < 5s else abort")
    thresholds = tuple(parse_threshold(text) for text in lines)
    seen = DriverProgress(planned=9, started=9, accepted=9, ended=3, failed=2)
    progress = Progress(answered_steps=1, limited=7, ended_agents=3, unused={})

    assert broken_live(thresholds, live_figures(seen, progress, 4_900_000_000)) == ""
    assert (
        broken_live(thresholds, live_figures(seen, progress, 5_000_000_000))
        == "elapsed < 5s else abort: elapsed is 5 s"
    )


def test_what_may_abort_is_known_during_the_load() -> None:
    """The names that say so, and no others."""
    progress = Progress(answered_steps=0, limited=0, ended_agents=0, unused={})

    assert set(live_figures(DriverProgress(), progress, 0)) == {
        name for name, entry in NAMES.items() if entry.is_live
    }


def test_every_name_can_be_read() -> None:
    """A run has each figure, or says that it has not."""
    for name, entry in NAMES.items():
        value = entry.read(RUN)
        assert value is None or value == pytest.approx(float(value)), name


@pytest.mark.parametrize(
    ("states", "code", "expected"),
    [
        (set(), 0, 0),
        ({"holds"}, 0, 0),
        ({"holds", "broken"}, 0, 3),
        ({"broken", "unknown"}, 2, 3),
        ({"broken"}, 1, 1),
        ({"broken"}, 255, 255),
        ({"unknown"}, 0, 2),
        ({"unknown"}, 1, 1),
    ],
)
def test_a_broken_threshold_is_a_regression(states: set[str], code: int, expected: int) -> None:
    """3, below a refuted promise and a broken run, above unknown."""
    assert exit_code_with(states, code) == expected


def test_a_broken_threshold_is_among_the_first_concerns_of_a_report() -> None:
    """Those that hold are not talked about."""
    rows = rows_of(("lost == 0", "failed < 3", "tokens_per_agent < 1"), RUN)
    every = concerns(matrix_of(replace(RUN, thresholds=rows)))
    found = [one for one in every if one.kind == "threshold"]

    assert [one.title for one in found] == [
        "Threshold: failed < 3 broken",
        "Threshold: tokens_per_agent < 1 unknown",
    ]
    assert found[0].text == "Failed is 3."
