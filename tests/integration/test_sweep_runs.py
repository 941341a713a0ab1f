"""Real sweeps: strikes meet their calls, on the controls and on the real Dapr runtime."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import MachineError
from harness.provide.redis import find_redis
from harness.provide.runtime import find_runtime
from harness.results import RunResult, decode_run

pytestmark = pytest.mark.integration


def swept(out: Path, engine: str, *options: str) -> RunResult:
    """Run a sweep and read its results."""
    command = [sys.executable, "-m", "harness", "sweep", engine, "--out", str(out), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    results = list(out.glob("*/*/results.json"))
    assert len(results) == 1, ran.stdout + ran.stderr
    return decode_run(results[0].read_bytes(), source=str(results[0]))


def outcomes(result: RunResult, point: str) -> dict[str, str]:
    return {cell.call: cell.outcomes[0] for cell in result.sweep if cell.point == point}


@pytest.mark.parametrize("engine", ["control:guarded", "reference"])
def test_every_point_is_met_and_proven(tmp_path: Path, engine: str) -> None:
    """All 25 cells have their proof; what was executed and not told is executed again."""
    result = swept(tmp_path, engine, "--victims", "pod", "--repeats", "1")

    assert [cell.proofs for cell in result.sweep if not all(cell.proofs)] == []
    assert len(result.sweep) == 25
    assert set(outcomes(result, "before_call").values()) == {"once"}
    assert outcomes(result, "during")["1 turn 0"] == "repeated"
    assert outcomes(result, "before_answer")["2.t0.c0"] == "S5"


def test_engine_that_forgets_is_told_from_one_that_remembers(tmp_path: Path) -> None:
    """control:naive recomputes what was used; the cell names S2."""
    options = ("--victims", "pod", "--points", "after_use", "--repeats", "1")
    result = swept(tmp_path, "control:naive", *options)

    assert "S2" in outcomes(result, "after_use")["1 turn 0"]


def test_dapr_workflow_is_met_at_a_chosen_call(tmp_path: Path) -> None:
    """The sidecar dies while the answer waits: the call is made again, with proof."""
    try:
        find_runtime(None, lambda _: None)
        find_redis(None, lambda _: None)
    except MachineError as error:
        pytest.skip(str(error))
    options = ("--victims", "sidecar", "--points", "before_answer", "--repeats", "1")
    result = swept(tmp_path, "dapr_workflow", *options)

    assert [cell.proofs for cell in result.sweep if not all(cell.proofs)] == []
    assert outcomes(result, "before_answer")["1 turn 0"] == "repeated"


def test_sweep_is_judged_again_and_repeated_from_its_files(tmp_path: Path) -> None:
    """`check` finds the same cells."""
    options = ("--victims", "pod", "--points", "during", "--repeats", "1")
    result = swept(tmp_path, "control:guarded", *options)
    (run,) = tmp_path.glob("*/*/plan.json")
    before = run.read_bytes()
    with pytest.raises(SystemExit):
        main(["check", str(run.parent)])
    data = (run.parent / "results.json").read_bytes()

    assert decode_run(data, source="again").sweep == result.sweep
    assert run.read_bytes() == before
