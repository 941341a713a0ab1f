"""The gate on real runs: a planted double effect and a planted slow-down have their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("load.agents=12", "load.rate_per_s=40", "steps=2", "llm.latency_ms=20")


def gated(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run and gate the small scenario of .ci/run, made smaller."""
    sets = [word for override in SMALL for word in ("--set", override)]
    command = [sys.executable, "-m", "harness", "gate", "--scenario", str(ROOT / ".ci/gate.yaml")]
    return subprocess.run(
        [*command, *sets, "--out", str(out), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_engines_are_run_in_turns_and_the_slow_one_is_caught(tmp_path: Path) -> None:
    """One repeat decides costs, never timings; the figures of both sides are those of the runs."""
    words = ("--engine", "reference:slow", "--against", "reference", "--repeats", "1")
    done = gated(tmp_path, *words)
    (root,) = tmp_path.iterdir()
    found = json.loads((root / "gate.json").read_text())
    timings = {one["name"]: one for one in found["findings"] if one["kind"] == "timing"}

    assert done.returncode == found["exit_code"] == 2, done.stdout + done.stderr
    assert "1 runs now and 1 in the baseline, at least 3 each" in timings["agent_ms_p50"]["text"]
    assert {one["state"] for one in found["findings"] if one["kind"] == "cost"} == {
        "pass",
        "not measured",
    }
    own = {
        run["variant"]: figure["value"]
        for run in json.loads((root / "matrix.json").read_text())["runs"]
        for figure in run["figures"]
        if figure["name"] == "own_ms_p50"
    }
    assert own["slow"] - own["default"] > 150


def test_a_double_effect_is_invalid(tmp_path: Path) -> None:
    """1, whatever it costs and however fast it is."""
    words = (
        "--engine",
        "reference:double-applied@1",
        "--only",
        "correctness",
        "--set",
        "mix.tools=9",
    )
    done = gated(tmp_path, *words, "--repeats", "1")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL correctness" in done.stdout
