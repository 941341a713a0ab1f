"""`onceproof report`: what it writes, and what it says of files that it cannot use."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.cli import main
from harness.cli.job_summary import VARIABLE, tell_job
from harness.results import encode
from reports.pages import JOB_SUMMARY_MAX, write_plots
from tests import report_fixtures as fixtures


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A matrix of one run, as the runner leaves it."""
    matrix = fixtures.valid_matrix()
    for run in matrix.runs:
        (tmp_path / run.directory).mkdir()
        (tmp_path / run.directory / "results.json").write_bytes(encode(run))
    (tmp_path / "matrix.json").write_bytes(encode(matrix))
    return tmp_path


def code_of(*words: object) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code


def test_every_form_is_written(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page, Markdown, cases; on request the cases elsewhere; on GitHub the job's summary."""
    monkeypatch.setenv(VARIABLE, str(stored / "job.md"))

    assert code_of("report", stored, "--junit", stored / "cases.xml") == 0

    names = {"report.html", "report.md", "junit.xml", "cases.xml", "job.md"}
    assert names <= {path.name for path in stored.iterdir()}
    assert (stored / "job.md").read_text() == (stored / "report.md").read_text()


def test_plots_are_files(tmp_path: Path) -> None:
    """Each plot of the page as SVG and PNG, none with a stand-in for a colour."""
    written = write_plots(fixtures.default_matrix(), tmp_path)

    assert len(written) == 2 * len({path.stem for path in written})
    assert {
        "comparison-1",
        "run-1-throughput",
        "run-1-phases",
        "run-1-latency",
        "run-1-resume",
    } <= {path.stem for path in written}
    for path in written:
        data = path.read_bytes()
        assert data.startswith(b"<svg" if path.suffix == ".svg" else b"\x89PNG")
        assert b"#01020" not in data
        assert b"var(" not in data


def test_full_job_summary_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub drops a summary that is over its limit, so nothing is added to one."""
    full = tmp_path / "job.md"
    full.write_bytes(b"x" * JOB_SUMMARY_MAX)

    tell_job(fixtures.valid_matrix(), tmp_path, {VARIABLE: str(full)})

    assert full.stat().st_size == JOB_SUMMARY_MAX
    assert "full" in capsys.readouterr().out


def test_several_matrices_make_one_page(
    stored: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the section of both platforms, and commands that name each run's own folder."""
    away = tmp_path_factory.mktemp("away")
    run = replace(fixtures.valid_run(), platform="kubernetes", directory="cell", name="there")
    (away / "cell").mkdir()
    (away / "cell" / "results.json").write_bytes(encode(run))
    monkeypatch.chdir(stored.parent)
    here, there = Path(stored.name), Path(os.path.relpath(away))

    assert code_of("report", here, there / "cell", "-o", here / "both") == 0

    page = (stored / "both" / "report.md").read_text()
    assert "Recovery, local pods beside Kubernetes" in page
    assert f"onceproof repro {here}/{fixtures.valid_run().directory}\n" in page
    assert f"onceproof repro {there}/cell\n" in page
    assert not (stored / "report.html").exists()


def test_runs_of_several_seeds_make_no_page(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does a page without a place of its own."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "results.json").write_bytes(encode(replace(fixtures.valid_run(), seed=7)))

    assert code_of("report", stored, other) == 254
    assert "say where the page goes" in capsys.readouterr().err
    assert code_of("report", stored, other, "-o", tmp_path / "page") == 254
    assert "runs of the seeds 7, 42" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def change(path: Path, **fields: object) -> None:
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | fields))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("schema", "schema is 9, this version reads 1"),
        ("cut", "results.json: "),
        ("gone", "no results.json; run `onceproof check"),
        ("matrix", "matrix.json: schema is 9"),
        ("empty", "no results.json"),
        ("missing", "no results.json"),
    ],
)
def test_what_cannot_be_read_is_said(
    stored: Path, capsys: pytest.CaptureFixture[str], damage: str, words: str
) -> None:
    """254, the file, what is wrong with it and the next move; never a page of half a result."""
    results = stored / fixtures.valid_run().directory / "results.json"
    asked = stored
    if damage == "schema":
        change(results, schema=9)
    elif damage == "cut":
        results.write_bytes(results.read_bytes()[:900])
    elif damage == "gone":
        results.unlink()
    elif damage == "matrix":
        change(stored / "matrix.json", schema=9)
    elif damage == "empty":
        (asked := stored / "nothing").mkdir()
    else:
        asked = stored / "nowhere"

    assert code_of("report", asked) == 254

    assert words in capsys.readouterr().err
    assert not (stored / "report.html").exists()
