"""Whole runs from the command line: real Dapr, what listens, what is left, what is believed."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.cli import main
from harness.errors import MachineError
from harness.patterns import FAILING, MESSAGED, PATTERN_STEPS
from harness.provide.redis import find_redis
from harness.provide.runtime import find_runtime
from mock_llm.ledger import read_ledger

pytestmark = pytest.mark.integration

SMALL = (
    "load.agents=40",
    "load.rate_per_s=10",
    "load.warm_up_agents=0",
    "faults.0.count=1",
    "faults.0.progress_from=0.3",
    "faults.0.progress_to=0.7",
    "faults.0.in_flight_min=5",
    "exposures_min=5",
)

CALM = sorted(set(PATTERN_STEPS) - FAILING - MESSAGED)
EVERY_PATTERN = "mix=" + json.dumps(dict.fromkeys(CALM, 1))


def started(out: Path, engine: str, *overrides: str) -> subprocess.Popen[str]:
    """Start one small run into a relative folder, as `make` does; its output is one stream."""
    sets = [word for override in (*SMALL, *overrides) for word in ("--set", override)]
    command = [sys.executable, "-m", "harness", "run", "pod_kill", "--engine", engine, *sets]
    return subprocess.Popen(
        [*command, "--out", out.name],
        cwd=out.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def judged_again(run: Path) -> tuple[int, str]:
    """Judge a stored run from its files: the exit code, and what is said, as one line."""
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main(["check", str(run)])
    assert isinstance(ended.value.code, int)
    return ended.value.code, re.sub(r"\s+", " ", said.getvalue())


def of_run(folder: Path) -> list[psutil.Process]:
    """Living processes that carry a run's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ONCEPROOF_RUN") == str(folder.resolve()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def places_of(processes: list[psutil.Process]) -> set[str]:
    """The addresses that they listen on."""
    return {
        address.laddr.ip
        for process in processes
        for address in process.net_connections(kind="inet")
        if address.status == psutil.CONN_LISTEN
    }


def sinks_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that take spans."""
    return [process for process in processes if "harness.otlp.server" in process.cmdline()]


def assert_spans_are_measured(folder: Path, result: dict[str, Any], *, agents_min: int) -> None:
    """All but what died with its pod has a span, and the page says what they show."""
    tracing = result["tracing"]
    assert tracing["problems"] == []
    assert tracing["refused_count"] == tracing["left_out_count"] == 0
    # A batch that is not yet sent dies with its pod: seconds of work of one of two.
    assert tracing["steps_spanned_count"] > 0.6 * tracing["steps_count"] > 0
    assert tracing["agents_count"] > agents_min
    assert tracing["interrupted_count"] > 0
    assert "What its spans show" in (folder.parent / "report.html").read_text()


def wait_for(line: str, run: subprocess.Popen[str]) -> str:
    """Read the run's output up to a line that has ``line`` in it."""
    assert run.stdout is not None
    seen = []
    for text in run.stdout:
        seen.append(text)
        if line in text:
            return "".join(seen)
    raise AssertionError(f"{line!r} never came:\n{''.join(seen)}")


def run_folder(out: Path) -> Path:
    """The one run below ``out``."""
    (plan,) = out.glob("*/*/plan.json")
    return plan.parent


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of control:guarded, to be copied."""
    out = tmp_path_factory.mktemp("guarded")
    run = started(out, "control:guarded")
    text, _ = run.communicate(timeout=120)
    assert "S1 ✓ holds" in text, text
    yield run_folder(out)


def has_runtime() -> str:
    """Why the real runtime cannot be used without building it; empty when it can."""
    try:
        find_runtime(None, lambda _: None)
        find_redis(None, lambda _: None)
    except MachineError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("engine", ["dapr_workflow", "dapr_agents"])
def test_dapr_resumes_its_agents_on_loopback_alone(tmp_path: Path, engine: str) -> None:
    """All patterns, a killed pod: judged, none failed; all listen on loopback; nothing is left.

    The engine's own history of the agents that were hit is read, and dates results; its spans are
    taken by one sink, and measured.
    """
    if reason := has_runtime():
        pytest.skip(reason)
    run = started(tmp_path, engine, EVERY_PATTERN, "park_s=8", "pods=2", "tracing=true")
    wait_for("2 pods ready", run)
    folder = run_folder(tmp_path)
    listening, sinks = places_of(alive := of_run(folder)), sinks_of(alive)
    text, _ = run.communicate(timeout=180)
    result = json.loads((folder / "results.json").read_text())

    assert listening == {"127.0.0.1"}
    assert len(sinks) == 1
    assert result["state"] == "judged", text
    assert result["agents_completed"] + result["agents_unfinished"] == 40
    assert [fault["kind"] for fault in result["faults"]] == ["kill_pod"]
    assert "signal SIGKILL" in result["faults"][0]["proof"]
    commits = result["commits"]
    assert commits["reason"] == "", commits
    assert commits["read_count"] == commits["chosen_count"] <= commits["commits_count"]
    assert of_run(folder) == []
    assert_spans_are_measured(folder, result, agents_min=35)


def test_count_of_the_ledger_is_the_count_of_the_page(guarded: Path) -> None:
    """The number of requests on the page is the number of begin records of the load's agents."""
    result = json.loads((guarded / "results.json").read_text())
    records = read_ledger(guarded / "live").records
    begun = [record for record in records if type(record).__name__ == "Begin"]

    assert result["repeats"]["requests_count"] == len(begun)


@pytest.mark.parametrize("damage", ["dropped", "doubled", "altered", "cut"])
def test_doctored_ledger_is_never_valid(guarded: Path, tmp_path: Path, damage: str) -> None:
    """A ledger with a frame dropped, doubled or altered, or cut off, makes the run unknown."""
    run = tmp_path / "run"
    shutil.copytree(guarded, run)
    (run / "manifest.json").unlink()
    ledger = run / "live" / "ledger-0001.bin"
    data = ledger.read_bytes()
    offset, frames = 4, []
    while offset < len(data):
        size = 8 + int.from_bytes(data[offset : offset + 4], "little")
        frames.append(data[offset : offset + size])
        offset += size
    middle = len(frames) // 2
    doctored = {
        "dropped": [*frames[:middle], *frames[middle + 1 :]],
        "doubled": [*frames[:middle], frames[middle], *frames[middle:]],
        "altered": [*frames[:middle], frames[middle][:-1] + b"\x00", *frames[middle + 1 :]],
        "cut": frames[:middle],
    }[damage]
    ledger.write_bytes(data[:4] + b"".join(doctored))

    code, said = judged_again(run)

    assert code in {1, 2}, said
    assert "✓ holds" not in said


def test_changed_file_of_a_sealed_run_is_named(guarded: Path, tmp_path: Path) -> None:
    """The manifest's digest of each file is compared before anything is believed."""
    run = tmp_path / "run"
    shutil.copytree(guarded, run)
    with (run / "live" / "driver.jsonl").open("ab") as events:
        events.write(b"\n")

    code, said = judged_again(run)

    assert code == 2
    assert "driver.jsonl is not as it was when the run was sealed" in said


@pytest.mark.parametrize("victim", ["keeper", "harness", "witness"])
def test_nothing_outlives_a_killed_part(tmp_path: Path, victim: str) -> None:
    """SIGKILL of keeper, harness or witness leaves no process and no verdict of valid."""
    run = started(tmp_path, "control:guarded", "load.agents=200")
    wait_for("load: agents", run)
    folder = run_folder(tmp_path)
    alive = of_run(folder)
    keeper = psutil.Process(run.pid)
    (witness,) = [p for p in alive if "mock_llm.server" in " ".join(p.cmdline())]
    target = {"keeper": keeper, "harness": keeper.children()[0], "witness": witness}[victim]

    os.kill(target.pid, signal.SIGKILL)
    run.communicate(timeout=90)
    until = time.monotonic() + 10
    while of_run(folder) and time.monotonic() < until:
        time.sleep(0.1)

    assert of_run(folder) == []
    assert judged_again(folder)[0] in {2, 255}
