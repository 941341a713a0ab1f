"""The sink as a process, and a whole run whose spans it takes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from harness.cluster.ports import Ports, is_free
from harness.spans import read_spans
from tests.integration.test_real_runs import (
    assert_spans_are_measured,
    of_run,
    places_of,
    run_folder,
    sinks_of,
    started,
    wait_for,
)
from tests.spans import exported, wire_span

pytestmark = pytest.mark.integration

HEADERS = {"content-type": "application/x-protobuf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A sink of a test."""

    process: subprocess.Popen[bytes]
    port: int
    file: Path


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Server]:
    port = Ports(int(time.monotonic_ns())).take()
    file = tmp_path / "spans.jsonl"
    command = [sys.executable, "-m", "harness.otlp.server", "--port", str(port)]
    process = subprocess.Popen([*command, "--file", str(file), "--run", "r"])
    until = time.monotonic() + 20
    while is_free(port) and time.monotonic() < until:
        time.sleep(0.05)
    yield Server(process=process, port=port, file=file)
    process.kill()
    process.wait(timeout=10)


def test_sink_listens_on_loopback_and_closes_its_file(sink: Server) -> None:
    """After SIGTERM the file is whole, and the port is free."""
    listening = [
        address.laddr.ip
        for address in psutil.Process(sink.process.pid).net_connections(kind="inet")
        if address.status == psutil.CONN_LISTEN
    ]
    url = f"http://127.0.0.1:{sink.port}/v1/traces"
    answer = httpx.post(url, content=exported(wire_span(1)), headers=HEADERS)

    sink.process.send_signal(signal.SIGTERM)

    assert (answer.status_code, listening) == (200, ["127.0.0.1"])
    assert sink.process.wait(timeout=10) == 0
    assert is_free(sink.port)
    log = read_spans(sink.file.read_bytes())
    assert (len(log.spans), log.problems) == (1, ())


def test_killed_sink_keeps_what_it_answered(sink: Server) -> None:
    """A line is written before its answer; that the last line lacks is a problem."""
    url = f"http://127.0.0.1:{sink.port}/v1/traces"
    with httpx.Client() as client:
        for number in range(1, 101):
            client.post(url, content=exported(wire_span(number)), headers=HEADERS)
            if number == 100:
                sink.process.kill()
    sink.process.wait(timeout=10)

    log = read_spans(sink.file.read_bytes())

    assert len(log.spans) == 100
    assert any("ended before it was asked to" in problem for problem in log.problems)


def test_sink_waits_for_no_client(sink: Server) -> None:
    """A connection that was opened and says nothing does not hold it back."""
    with socket.create_connection(("127.0.0.1", sink.port)):
        sink.process.send_signal(signal.SIGTERM)

        assert sink.process.wait(timeout=10) == 0


def test_file_that_is_there_is_not_written_over(sink: Server) -> None:
    """A second sink on the same file is a mistake; it says so and ends."""
    command = [sys.executable, "-m", "harness.otlp.server", "--port", "1", "--run", "r"]
    second = subprocess.run(
        [*command, "--file", str(sink.file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 254
    assert "File exists" in second.stderr


def test_spans_of_a_framework_without_a_sidecar_are_taken_and_measured(tmp_path: Path) -> None:
    """Those of Dapr's engines are looked at in test_real_runs.py, in runs that are made anyway."""
    run = started(
        tmp_path, "langgraph:sqlite-sync", "tracing=true", "load.agents=30", "load.rate_per_s=6",
        "pods=2", "faults.0.in_flight_min=3", "exposures_min=3",
    )  # fmt: skip
    wait_for("2 pods ready", run)
    folder = run_folder(tmp_path)
    listening, sinks = places_of(alive := of_run(folder)), sinks_of(alive)
    text, _ = run.communicate(timeout=180)
    result = json.loads((folder / "results.json").read_text())

    assert listening == {"127.0.0.1"}
    assert len(sinks) == 1
    assert of_run(folder) == []
    assert result["state"] == "judged", text
    assert_spans_are_measured(folder, result, agents_min=25)


def test_run_without_tracing_has_no_sink(tmp_path: Path) -> None:
    """It is opt-in: no process, no file, no figure."""
    run = started(tmp_path, "control:guarded", "load.agents=20", "load.rate_per_s=20")
    wait_for("load: agents", run)
    folder = run_folder(tmp_path)
    sinks = sinks_of(of_run(folder))
    run.communicate(timeout=120)

    assert sinks == []
    assert not (folder / "live" / "spans.jsonl").exists()
    assert json.loads((folder / "results.json").read_text())["tracing"] is None
