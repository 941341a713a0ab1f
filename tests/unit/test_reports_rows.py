"""Tables of one run: phases, percentiles, sums."""

from dataclasses import replace

from reports import rows
from reports.commits import commits_table
from reports.footprint import footprint_of
from reports.overview import at_a_glance
from reports.witnesses import refutations, run_place
from tests import report_fixtures as fixtures
from tests import report_parts as parts
from tests.report_commits import commits_of_run
from tests.report_parts import HOSTILE


def test_phases_cover_every_bin_once() -> None:
    """Each bin has one phase, and the lengths add up to the whole run."""
    run = fixtures.valid_run()
    table = rows.throughput(run)

    assert table is not None
    lengths = [row[1].sort or 0 for row in table.rows]
    assert sum(lengths) == table.foot[0][1].sort == len(run.series.start_s)
    assert [row[0].text for row in table.rows] == list(rows.PHASES.values())


def test_bin_that_touches_a_window_is_inside() -> None:
    """The bins of a fault that fires at 8.0 s and heals at 11.3 s are 8 to 11."""
    run = replace(fixtures.valid_run(), faults=parts.fault_rows(1))

    phases = rows.phase_of_bins(run)

    assert [index for index, phase in enumerate(phases) if phase == "during"] == [8, 9, 10, 11]
    assert phases[7] == "before"
    assert phases[12] == "after"


def test_fault_that_never_healed_lasts_to_the_end() -> None:
    """Nothing is "after" a fault that never healed."""
    fault = replace(parts.fault_rows(1)[0], healed_s=-1.0)

    phases = rows.phase_of_bins(replace(fixtures.valid_run(), faults=(fault,)))

    assert set(phases) == {"before", "during"}


def test_unfired_fault_is_loud() -> None:
    """A fault that never fired is in the table, with no number that looks measured."""
    table = rows.faults(fixtures.unknown_run())

    assert table is not None
    assert "3 of 4 planned faults fired" in table.caption
    assert [value.text for value in table.rows[3]].count("–") == 8
    assert table.rows[3][3].text == "never fired"
    assert [row[1].text for row in table.rows] == ["1", "2", "3", "–"]


def test_percentile_needs_samples() -> None:
    """Twelve samples have a median and a maximum, no p95 and no p99."""
    table = rows.latency(fixtures.valid_run())

    assert table is not None
    few = next(row for row in table.rows if row[1].sort == 12)
    assert [value.text for value in few[2:]] == ["990 ms", "–", "–", "2.50 s"]


def test_no_footprint_of_an_engine_that_nobody_measured() -> None:
    """The harness's own processes alone would read as an engine that costs nothing."""
    run = fixtures.valid_run()
    blind = replace(run, processes=tuple(replace(row, is_engine=False) for row in run.processes))

    assert footprint_of(blind) is None
    assert footprint_of(run) is not None


def test_footprint_keeps_the_harness_apart() -> None:
    """The engine's sum leaves our own processes out; our share is of all CPU."""
    sums = footprint_of(fixtures.valid_run())

    assert sums is not None
    assert round(sums.engine_cpu_s, 1) == 187.8
    assert round(sums.harness_ratio, 3) == round(35.6 / 223.4, 3)
    assert round(sums.per_thousand(sums.engine_cpu_s), 1) == 93.9


def test_witness_is_the_smallest_of_its_kind() -> None:
    """Of each anomaly the one with the fewest records is shown, the promised ones first."""
    found = refutations(fixtures.invalid_run())

    assert [one.key for one in found] == ["S1", "S2", "S5"]
    for one in found:
        for group in one.groups:
            shown = group.smallest.seqs.count(",")
            assert all(shown <= other.seqs.count(",") for other in group.others)


def test_explain_command_is_safe_to_paste(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A hostile agent id stays one word of the shell; an absolute folder is shortened."""
    run = fixtures.hostile_matrix().runs[0]
    witness = refutations(run)[0].groups[0].smallest

    assert witness.command.startswith("onceproof explain run-1 '")
    assert "\x1b" not in witness.command
    assert HOSTILE not in witness.command
    assert not run_place(run, tmp_path / "runs" / "m").startswith("/")
    assert run_place(run, tmp_path / "runs" / "m").endswith("runs/m/run-1")


def test_repeats_after_the_commit_stand_beside_s2_and_s3() -> None:
    """With the doubt of the clocks, the bound on the asking, and no p99 of few samples."""
    run = fixtures.valid_run()
    table = commits_table(replace(run, commits=commits_of_run(struck=2)))
    few = commits_of_run(struck=2)
    few = replace(few, lag=replace(few.lag, count=99))
    short = commits_table(replace(run, commits=few))

    assert table is not None and short is not None
    assert [row[1].text for row in table.rows] == [
        "4",
        "42",
        "10",
        "0",
        "14.2 ms",
        "120.0 ms",
        "21.8 ms",
        "160.0 ms",
    ]
    assert "12 agents were left out" in table.rows[3][2].text
    assert "1 ms are allowed for time stamps and 0.2 ms" in table.note
    assert "68 of 80 agents" in table.note
    assert short.rows[-3][1].text == "–"


def test_without_a_history_the_table_says_why() -> None:
    """The reason is there, and no number that looks measured."""
    run = fixtures.valid_run()
    table = commits_table(replace(run, commits=commits_of_run(struck=1, reason="no dates")))

    assert table is not None
    assert [value.text for value in table.rows[0]] == ["history", "–", "no dates"]
    assert commits_table(replace(run, commits=None)) is None


def test_what_a_framework_adds_is_at_a_glance() -> None:
    """Its own calls, their share of all tokens, and requests per used step, beside the waste."""
    run = fixtures.valid_run()
    added = replace(
        run.repeats,
        wasted_tokens=100,
        useful_tokens=500,
        auxiliary_count=7,
        auxiliary_tokens=400,
        requests_per_used_step=2.25,
    )
    table = at_a_glance(fixtures.matrix_of(replace(run, repeats=added), run))

    assert table is not None
    shown = dict(zip((head.text for head in table.head), table.rows[0], strict=True))
    assert {name: shown[name].text for name in shown if "ramework" in name} == {
        "Framework's calls": "7",
        "Framework's tokens": "40 %",
    }
    assert shown["Requests per step"].text == "2.25"
