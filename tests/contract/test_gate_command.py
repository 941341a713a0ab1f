"""`gate` and `baseline` from the command line, over stored runs: every exit code, and its words."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.cli import main
from harness.results import decode_run, encode
from harness.scenario import to_json
from reports.gate_sides import Judged
from tests.gate_fixtures import repeats
from tests.report_fixtures import matrix_of

Said = pytest.CaptureFixture[str]


def stored(root: Path, runs: list[Judged]) -> Path:
    """Runs in folders, as a matrix leaves them."""
    for run in runs:
        folder = root / run.result.name
        folder.mkdir(parents=True)
        (folder / "plan.json").write_bytes(to_json(run.plan))
        (folder / "results.json").write_bytes(encode(run.result))
    return root


def code_of(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A baseline of three repeats, made by the command."""
    path = tmp_path / "base.json"
    runs = stored(tmp_path / "base", repeats())
    assert code_of("baseline", runs, "-o", path, "--reason", "first") == 0
    return path


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (repeats(), (0, "✓ PASS")),
        (repeats(refuted={"S1": 1}), (1, "✗ FAIL correctness")),
        (repeats(values={"agent_ms_p50": 14_000.0}), (3, "✗ FAIL timing")),
        (repeats(values={"tokens_per_agent": 500.0}), (3, "✗ FAIL cost")),
        (repeats(2), (2, "at least 3 each")),
        (repeats(seed=7), (2, "seed: baseline 42, now 7")),
    ],
)
def test_stored_runs_are_gated(
    tmp_path: Path, base: Path, capsys: Said, runs: list[Judged], expected: tuple[int, str]
) -> None:
    """The exit code is the verdict; the files lie beside the runs."""
    root = stored(tmp_path / "now", runs)
    code, told = expected

    assert code_of("gate", root, "--baseline", base) == code
    assert told in " ".join(capsys.readouterr().out.split())
    assert json.loads((root / "gate.json").read_text())["exit_code"] == code
    assert (root / "gate.md").exists()
    assert (root / "gate.xml").exists()


def test_results_of_another_schema_are_not_comparable(
    tmp_path: Path, base: Path, capsys: Said
) -> None:
    """2 and the reason, though they cannot even be read."""
    root = stored(tmp_path / "now", repeats())
    path = next(root.glob("*/results.json"))
    path.write_bytes(msgspec.json.encode({"schema": 7}))

    assert code_of("gate", root, "--baseline", base) == 2
    assert "its results have schema 7" in " ".join(capsys.readouterr().out.split())


def test_the_other_side_may_lie_beside(tmp_path: Path, capsys: Said) -> None:
    """Runs of two engines: one is what the other is compared with."""
    slow = repeats(engine="reference", values={"agent_ms_p50": 14_000.0})
    root = stored(tmp_path / "both", [*slow, *repeats()])

    assert code_of("gate", root, "--against", "dapr_workflow") == 3
    assert "against dapr_workflow:default, run beside it" in capsys.readouterr().out
    assert code_of("gate", root, "--against", "crewai:flow") == 2


def test_equal_sides_measure_the_noise(tmp_path: Path, capsys: Said) -> None:
    """A/A: six repeats in turns A B B A A B; a planted difference of the sides is no pass."""
    assert code_of("gate", stored(tmp_path / "six", repeats(6)), "--aa") == 0
    assert "3 a side find a slow-down of" in " ".join(capsys.readouterr().out.split())

    runs = repeats(6)
    for place in (1, 2, 5):
        runs[place] = repeats(6, values={"agent_ms_p50": 14_000.0})[place]
    assert code_of("gate", stored(tmp_path / "odd", runs), "--aa") == 3


def test_without_a_baseline_it_says_how_to_make_one(tmp_path: Path, capsys: Said) -> None:
    """254, and nothing is read."""
    root = stored(tmp_path / "now", repeats())

    assert code_of("gate", root, "--baseline", tmp_path / "none.json") == 254
    assert code_of("gate", root) == 254
    said = capsys.readouterr().err
    assert "none.json: No such file or directory; make one: `onceproof run" in said
    assert said.count("onceproof baseline runs/DIRECTORY -o FILE") == 2
    assert code_of("gate", root, "--only", "correctness") == 0


def test_everything_that_is_wrong_is_said_at_once(capsys: Said) -> None:
    """One message, 254."""
    words = ("--only", "speed", "--tolerance", "x=1", "--tolerance", "agent_ms_p50=much", "--aa")

    assert code_of("gate", *words, "--baseline", "none.json") == 254
    said = capsys.readouterr().err
    for told in (
        "--only: unknown 'speed'; known: correctness, cost, timing",
        "name folders of runs, or what to run",
        "--aa compares runs with their own kind",
        "--tolerance: unknown figure 'x'",
        "--tolerance agent_ms_p50=much: expected FIGURE=RATIO",
        "none.json: No such file",
    ):
        assert told in said


def test_a_bad_run_becomes_no_baseline(tmp_path: Path, capsys: Said) -> None:
    """254, and no file."""
    root = stored(tmp_path / "bad", repeats(refuted={"S1": 1}))

    assert code_of("baseline", root, "-o", tmp_path / "b.json", "--reason", "x") == 254
    assert "broke what its engine promises (S1)" in capsys.readouterr().err
    assert not (tmp_path / "b.json").exists()


def test_a_doctored_result_is_refused(tmp_path: Path, base: Path, capsys: Said) -> None:
    """What is no result has no verdict: 254."""
    root = stored(tmp_path / "now", repeats())
    next(root.glob("*/results.json")).write_text("{")

    assert code_of("gate", root, "--baseline", base) == 254
    assert "run `onceproof check` on the run" in capsys.readouterr().err


def test_the_job_summary_gets_the_gate(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a GitHub job asks for it."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    assert code_of("gate", stored(tmp_path / "now", repeats()), "--baseline", base) == 0
    assert "### Gate: ✓ PASS" in summary.read_text()


def test_the_page_of_a_gated_matrix_has_the_gate(tmp_path: Path, base: Path, capsys: Said) -> None:
    """The page is written again with the gate's section; it says what the exit code says."""
    root = stored(tmp_path / "now", repeats(refuted={"S1": 1}))
    runs = [decode_run(path.read_bytes(), source="") for path in root.glob("*/results.json")]
    named = [replace(run, directory=run.name) for run in runs]
    (root / "matrix.json").write_bytes(encode(matrix_of(*named)))

    assert code_of("gate", root, "--baseline", base) == 1
    assert "report.html" in capsys.readouterr().out
    page = (root / "report.html").read_text()
    assert '<section id="gate"' in page
    assert "Exit code 1." in page
