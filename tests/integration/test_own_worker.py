"""A worker of the user's own: the examples under kills, and what is said of one that misbehaves."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.engines.external.adapter import spec_of_said
from harness.errors import UsageError
from harness.runner.own import ask

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).with_name("bad_worker.py")
PORTS = Ports(os.getpid() + 7)
SYSTEM_PYTHON = "/usr/bin/python3"
EXAMPLES = {
    "plain-python": (SYSTEM_PYTHON, "examples/python/worker.py"),
    "plain-node": ("node", "examples/node/worker.mjs"),
}
"""Both in an interpreter of their own, where no package of ours is installed."""
FEW = ("load.agents=6", "load.rate_per_s=20", "steps=2", "llm.latency_ms=50", "liveness_s=3")


def ran(
    scenario: str, command: tuple[str, ...], *words: str, out: Path, sets: tuple[str, ...]
) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output and results.json of a run with a worker of one's own."""
    every = (*sets, "load.warm_up_agents=0", "pods=2", "run_s=60")
    settings = [word for one in every for word in ("--set", one)]
    asked = ["run", scenario, "--worker", shlex.join(command), *words, *settings]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *asked, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    text = done.stdout + done.stderr
    (result,) = out.glob("*/*/results.json")
    return done.returncode, text, json.loads(result.read_text())


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_an_example_keeps_what_it_promises(tmp_path: Path, name: str) -> None:
    """Pods are killed under it, and all that examples/promises.yaml says holds."""
    command = EXAMPLES[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here; install it (Node.js 18 or later for {name})")
    code, text, result = ran(
        "pod_kill",
        command,
        *("--expectations", "examples/promises.yaml"),
        out=tmp_path,
        sets=(
            *("load.agents=60", "load.rate_per_s=25", "llm.latency_ms=700", "exposures_min=10"),
            *("faults.0.count=2", "faults.0.progress_from=0.3", "faults.0.progress_to=0.7"),
        ),
    )

    assert code == 0, text
    assert f"external:{name}" in text
    assert result["agents_completed"] == 60
    assert len(result["faults"]) == 2
    assert {row["key"] for row in result["promises"] if row["verdict"] == "valid"} >= {
        *("L", "S1", "S2", "S3", "S4", "R")
    }


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_an_example_is_under_80_lines(name: str) -> None:
    """As docs/bring-your-own.md says; blank lines are not counted."""
    lines = (ROOT / EXAMPLES[name][1]).read_text().splitlines()

    assert len([line for line in lines if line.strip()]) < 80


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("dies", r"ended at its start \(exit 1\).*no such database: agents.db"),
        ("hangs", r"not ready within 1 s \(.*ConnectError\)"),
        ("never_ready", r"not ready within 1 s \(.*HTTP 503\)"),
        ("listens_elsewhere", r"listens on port \d+, expected \d+: take the port from ONCEPROOF_"),
        ("greets", r"GET /about answered <html>Welcome!</html>; expected JSON"),
        ("forgets", r"it lacks recovery; expected engine, recovery"),
        ("boasts", r"recovery is 'hopefully', expected one of native, assisted, none"),
        ("dances", r"kinds has dance, expected some of say"),
    ],
)
def test_each_misbehaviour_is_told_before_the_load(how: str, told: str) -> None:
    """One message with the value, the expectation and the next move; nothing is left running."""
    command = (sys.executable, str(BAD), how)
    ready_s = 1.0 if "within 1 s" in told or "listens" in how else 30.0

    with pytest.raises(UsageError) as caught:
        said = ask(command, variant="", clock=SystemClock(), ports=PORTS, ready_s=ready_s)
        spec_of_said(said, command, has_sidecar=False)

    assert re.search(told, str(caught.value), re.DOTALL), str(caught.value)
    running = subprocess.run(["pgrep", "-f", f"{BAD} {how}$"], capture_output=True, check=False)
    assert running.stdout == b""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("refuses", '6 starts were refused: 500 {"reason": "no cheese"}; 404 by GET; expected 202'),
        ("mumbles", "6 agents never ended, and their last status was: unreadable status"),
        ("claims", "R ✗ REFUTED"),
        ("rephrases", "6 LLM calls came without a marker, and of 6 accepted agents 6 made none"),
        ("confuses", "outcomes are another agent's; expected GET /agents/{id} to tell of the"),
        ("leaks", "MB of memory, expected at most 100 MB, and was killed and restarted"),
    ],
)
def test_each_lie_under_load_is_told_on_the_page(tmp_path: Path, how: str, told: str) -> None:
    """The run ends in time, and never valid."""
    code, text, _ = ran(
        "baseline",
        (sys.executable, str(BAD), how),
        *("--expectations", "examples/promises.yaml"),
        out=tmp_path,
        sets=(*FEW, 'mix={"chain":1}', "pod_memory_mb=100"),
    )

    assert code in {1, 2}, text
    assert told in " ".join(text.split())
