"""The self-test on real processes: a worker's configured knee and a quota, found by a ladder."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.capacity.record import decode

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("bounded_worker.py")
SLOTS, SECONDS = 6, 0.4
KNEE = SLOTS / SECONDS
CALLS, RPM = 3, 1440
"""8 agents a second of 3 calls each."""


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "capacity", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_the_configured_knee_and_quota_are_found(tmp_path: Path) -> None:
    """6 slots of 0.4 s are 15 agents/s; what binds is inside the engine, then the quota.

    The same ladder answers again for another target without a run.
    """
    worker = shlex.join([sys.executable, str(WORKER), str(SLOTS), str(SECONDS)])
    sets = ("pods=1", f"steps={CALLS}", "llm.latency_ms=50", "llm.burst=0.02")
    done = ran(
        *("--worker", worker, "--levels", "5", "--seconds", "6", "--parked", "0"),
        *(word for one in sets for word in ("--set", one)),
        *("--rpm", str(RPM), "--minutes", "6", "--out", str(tmp_path)),
    )
    (page,) = tmp_path.glob("*/capacity.json")
    result = decode(page.read_bytes(), source=str(page))

    # Slots bind, not the machine: strangers on it, a doubt of any capacity, do not move this one.
    unknowns = [one for one in result.unknowns if "strangers" not in one]
    assert (unknowns, done.returncode) == ([], 2 if result.unknowns else 0), done.stdout
    assert result.capacity.holds(KNEE), result.capacity
    assert result.bindings[0].what == "", result.bindings[0]
    assert result.quota is not None
    assert result.quota.ceiling_per_s == pytest.approx(RPM / 60 / CALLS, rel=0.01)
    assert result.quota.measured.value is not None
    assert result.quota.measured.low <= result.quota.ceiling_per_s
    assert result.quota.measured.high >= result.quota.floor_per_s
    steady = [one for one in result.levels if one.side == "free" and not one.is_saturated]
    assert {one.little.state for one in steady if one.little} <= {"holds", "unchecked"}
    assert result.fault is not None
    assert result.fault.kills_count == 2
    again = ran("--from", str(page.parent), "--target", "1000", "--nodes-max", "3")
    assert again.returncode == 2
    assert "--nodes-max is 3" in again.stdout
    assert json.loads(page.read_bytes())["exit_code"] == 2
