"""Local pods beside Kubernetes: what is a pair, and what its ratios say."""

from dataclasses import replace

from harness.results import Distribution, RunResult
from reports.html import render_html
from reports.platforms import pairs, platform_tables
from reports.tables import Table
from tests import report_fixtures as fixtures

LOCAL = fixtures.valid_run()
SLOWER = Distribution(
    name="victim resume",
    count=200,
    ms_p50=7220,
    ms_p95=16_200,
    ms_p99=17_000,
    ms_max=18_000,
    ms_p50_range=(6960, 7580),
    ms_p95_range=None,
)


def on_kubernetes(run: RunResult = LOCAL, **fields: object) -> RunResult:
    return replace(run, platform="kubernetes", **fields)  # type: ignore[arg-type]


def tables(*runs: RunResult) -> dict[str, Table]:
    return {table.key: table for table in platform_tables(fixtures.matrix_of(*runs))}


def column(table: Table, head: str) -> list[tuple[str, str]]:
    place = [one.text for one in table.head].index(head)
    return [(row[place].text, row[place].doubt) for row in table.rows]


def test_a_pair_is_the_same_plan_on_both() -> None:
    """Another seed, another number of agents, or other steps of a judged run make none."""
    other = on_kubernetes()
    for stranger in (
        replace(other, seed=7),
        replace(other, agents_planned=3),
        replace(other, steps_expected=3),
        replace(other, engine="dapr_agents"),
        LOCAL,
    ):
        assert pairs(fixtures.matrix_of(LOCAL, stranger)) == ()
    (pair,) = pairs(fixtures.matrix_of(other, replace(LOCAL, seed=7), LOCAL))
    assert (pair.local.number, pair.other.number) == (3, 1)


def test_repeats_are_paired_one_by_one() -> None:
    """No run stands in two pairs."""
    found = pairs(fixtures.matrix_of(LOCAL, LOCAL, on_kubernetes(), on_kubernetes()))

    assert [(one.local.number, one.other.number) for one in found] == [(1, 3), (2, 4)]


def test_results_of_before_the_platform_was_a_field_are_paired() -> None:
    """Their environment says that they ran on a cluster."""
    old = replace(LOCAL, environment={"pods": "Kubernetes pods: v1.34.1, context c"})

    assert len(pairs(fixtures.matrix_of(LOCAL, old))) == 1


def test_a_ratio_has_its_doubt() -> None:
    """From the far ends of both intervals; none where one side has no interval."""
    found = tables(LOCAL, on_kubernetes(resume=SLOWER))["platform-recovery"]

    assert column(found, "Resume p50") == [
        ("3.61 s", "3.48 s to 3.79 s"),
        ("7.22 s", "6.96 s to 7.58 s"),
        ("× 2.00", "× 1.84 to × 2.18"),
    ]
    assert column(found, "Resume p95")[2] == ("× 3.00", "")


def test_what_was_not_measured_has_no_ratio() -> None:
    """Too few samples, no heal, no rate: a dash, never a nought."""
    few = on_kubernetes(resume=replace(SLOWER, count=19), faults=(), agents_per_s=0.0)
    found = tables(replace(LOCAL, agents_per_s=0.0), few)

    assert column(found["platform-recovery"], "Resume p95")[1:] == [("–", ""), ("–", "")]
    assert column(found["platform-recovery"], "Healed after p50")[1:] == [("–", ""), ("–", "")]
    assert column(found["platform-work"], "Agents/s")[2] == ("–", "")


def test_a_skipped_side_is_shown_with_its_reason() -> None:
    """Without figures and without a ratio."""
    skipped = on_kubernetes(state="skipped", state_reason="no cluster: make one", steps_expected=0)
    found = tables(LOCAL, skipped)["platform-work"]

    assert column(found, "Verdict")[1] == ("⊘ skipped", "")
    assert column(found, "Agents/s")[1:] == [("–", "")]
    assert "Skipped: No cluster: make one." in found.note


def test_a_run_without_a_pair_is_named() -> None:
    """So that nobody takes the section for the whole page."""
    alone = on_kubernetes(scenario="other")
    found = tables(LOCAL, on_kubernetes(), alone)["platform-work"]

    assert "No run of the same plan on the other platform: run 3." in found.note


def test_the_page_has_the_section_only_where_both_are() -> None:
    """Two local runs are a comparison of something else."""
    both = render_html(fixtures.matrix_of(LOCAL, on_kubernetes()))
    local = render_html(fixtures.matrix_of(LOCAL, fixtures.baseline_run()))

    assert 'id="platforms-section"' in both
    assert "who brings a deleted pod back" in both
    assert 'id="platforms-section"' not in local
