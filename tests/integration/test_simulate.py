"""A real run to a model and back: fitted, simulated, predicted, from the command line alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

RUN = (
    "load.agents=30",
    "load.rate_per_s=15",
    "load.warm_up_agents=0",
    "llm.latency_ms=200",
    'mix={"chain":1}',
)


def onceproof(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_real_run_is_fitted_and_predicts_another(tmp_path: Path) -> None:
    """Service times come from the run; the prediction stands beside the measurement."""
    sets = [word for override in RUN for word in ("--set", override)]
    for seed in ("1", "2", "3"):
        out = str(tmp_path / seed)
        run = onceproof(
            "run", "baseline", "--engine", "reference", *sets, "--seed", seed, "--out", out
        )
        assert run.returncode in (0, 2), run.stdout + run.stderr
    first, *others = map(str, sorted(tmp_path.glob("*/*/baseline.*")))
    page = tmp_path / "simulated.json"

    large = onceproof("simulate", first, "--agents", "5000", "--pods", "9", "--json", str(page))
    predicted = onceproof("simulate", first, "--validate", *others)

    assert large.returncode == 0, large.stderr
    outcome = json.loads(page.read_text())["outcome"]
    assert outcome["completed_count"] == 5000
    assert outcome["settings"]["worker"]["ms"] > 0
    assert predicted.returncode in (0, 2), predicted.stderr
    assert "agent p50" in predicted.stdout
