"""The driver against stub pods and a stub witness, over real sockets, as a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from harness.load import config, histograms, result
from harness.load.events import EventKind
from tests.integration.load_stub import ROOT, Engine, Pod, Run, Witness

pytestmark = pytest.mark.integration


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "live").mkdir()
    engine = Engine()
    witness = Witness(engine)
    found = Run(directory=tmp_path, engine=engine, witness=witness)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.wait()
    engine.is_closing = True
    witness.server.stop()


@contextmanager
def serving(*pods: Pod) -> Iterator[None]:
    try:
        yield
    finally:
        for pod in pods:
            pod.server.stop()


def test_every_agent_starts_by_the_clock_and_ends_with_its_outcome(run: Run) -> None:
    """100 agents at 200/s: invoke, ok and ended each, the times right, all of it counted."""
    pod = Pod(run.engine)
    with serving(pod):
        run.plan(100)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=200.0)
        found = run.wait()

    kinds = Counter(event.kind for event in run.events())
    assert kinds == {EventKind.INVOKE: 100, EventKind.OK: 100, EventKind.ENDED: 100}
    assert (found.planned, found.started, found.accepted) == (100, 100, 100)
    assert (found.completed, found.failed, found.unfinished, found.reason) == (
        100,
        0,
        0,
        "all ended",
    )
    assert found.late_count == 0
    intended = [e.intended_ns for e in run.events() if e.kind is EventKind.INVOKE]
    assert intended == [found.t0_ns + i * 5_000_000 for i in range(100)]
    assert all(e.t_ns >= e.intended_ns for e in run.events())
    assert set(run.engine.intake.values()) == {1}
    assert len(run.engine.outcomes) == 100
    assert {
        "agent": "a000007",
        "status": "completed",
        "text": "<<a000007.1>>",
    } in run.engine.outcomes
    saved = histograms.load(
        (run.directory / "live/histograms.json").read_bytes(), source="histograms"
    )
    assert {name: h.count for name, h in saved.items()} == {
        "lateness": 100,
        "start": 100,
        "agent": 100,
    }
    rows = {row.name: row for row in found.locust}
    assert (rows["start"].requests, rows["agent"].requests) == (100, 100)
    assert found.agent_latency.ms_p50 is not None
    assert rows["agent"].ms_p50 == pytest.approx(found.agent_latency.ms_p50, rel=0.1)
    progress = json.loads((run.directory / result.PROGRESS_FILE).read_bytes())
    assert (progress["planned"], progress["ended"]) == (100, 100)


def test_asks_are_few(run: Run) -> None:
    """An agent that ends when its last answer is seen costs about one GET, not a poll a second."""
    pod = Pod(run.engine)
    run.engine.run_s = 2.0
    with serving(pod):
        run.plan(50)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=None)
        run.wait()

    assert run.engine.requests["get"] <= 100
    assert run.engine.requests["bulk"] == 0


def test_failed_agents_have_ended(run: Run) -> None:
    """`failed` is terminal: an outcome, an ended event, and a count of its own."""
    pod = Pod(run.engine)
    run.engine.status = "failed"
    with serving(pod):
        run.plan(5)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start()
        found = run.wait()

    assert (found.completed, found.failed, found.reason) == (0, 5, "all ended")
    assert {outcome["status"] for outcome in run.engine.outcomes} == {"failed"}


def test_a_refused_start_waits_for_the_next_incarnation(run: Run) -> None:
    """No one listens: fail, and one POST to the slot's new incarnation under its new port."""
    gone = Pod(run.engine)
    old_url = gone.server.url
    gone.server.stop()
    run.plan(10)
    run.pods(("agents-0.1", old_url, "ready"))
    run.start(rate_per_s=None)
    run.until(lambda: sum(e.kind is EventKind.FAIL for e in run.events()) == 10)
    new = Pod(run.engine)
    with serving(new):
        run.pods(("agents-0.2", new.server.url, "ready"))
        found = run.wait()

    assert run.kinds_of("a000003") == ["invoke", "fail", "invoke", "ok", "ended"]
    assert found.completed == 10
    assert found.late_count == 0
    assert set(new.posts.values()) == {1}


def test_a_refused_start_goes_to_the_next_pod_when_any_pod_answers(run: Run) -> None:
    """With shared intake another live pod takes the start at once."""
    gone, other = Pod(run.engine), Pod(run.engine)
    old_url = gone.server.url
    gone.server.stop()
    with serving(other):
        run.plan(6)
        run.pods(("agents-0.1", old_url, "ready"), ("agents-1.1", other.server.url, "ready"))
        run.start(any_pod_answers=True)
        found = run.wait()

    assert found.completed == 6
    assert run.kinds_of("a000000") == ["invoke", "fail", "invoke", "ok", "ended"]
    assert [e.caller for e in run.events() if e.kind is EventKind.OK] == ["agents-1.1"] * 6


def test_no_second_post_before_the_reaping(run: Run) -> None:
    """A reset is info; 404 of the new incarnation allows another POST only once the old is gone."""

    async def cut(agent: str, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    old, new = Pod(Engine(), intake=cut), Pod(run.engine)
    with serving(old, new):
        run.plan(4)
        run.pods(("agents-0.1", old.server.url, "ready"))
        run.start(rate_per_s=None)
        run.until(lambda: sum(e.kind is EventKind.INFO for e in run.events()) == 4)
        run.pods(("agents-0.1", old.server.url, "down"), ("agents-0.2", new.server.url, "ready"))
        run.until(lambda: run.engine.requests["get"] >= 8)
        assert not new.posts
        run.pods(("agents-0.2", new.server.url, "ready"))
        found = run.wait()

    assert run.kinds_of("a000002") == ["invoke", "info", "invoke", "ok", "ended"]
    assert set(old.posts.values()) == {1}
    assert set(new.posts.values()) == {1}
    assert found.completed == 4


def test_a_lost_answer_is_found_and_not_repeated(run: Run) -> None:
    """The pod accepted and cut the connection: one POST, and ok by a GET."""

    async def accept_and_cut(agent: str, request: web.Request) -> web.Response:
        run.engine.accept(agent)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    pod = Pod(run.engine, intake=accept_and_cut)
    with serving(pod):
        run.plan(8)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.engine.run_s = 0.6
        run.start(rate_per_s=None)
        found = run.wait()

    assert run.kinds_of("a000001") == ["invoke", "info", "ok", "ended"]
    assert {e.status for e in run.events() if e.kind is EventKind.OK} == {"200 found by GET"}
    assert set(pod.posts.values()) == {1}
    assert found.completed == 8


def test_a_silent_pod_is_info_and_no_second_post(run: Run) -> None:
    """A timeout is info; while its pod is not reaped the start is asked for, never repeated."""

    async def hang(agent: str, request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response(status=202)

    pod = Pod(run.engine, intake=hang)
    with serving(pod):
        run.plan(3)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=None, request_timeout_s=0.3, deadline_s=2.5)
        found = run.wait()

    assert run.kinds_of("a000000") == ["invoke", "info", "info"]
    assert run.events()[-1].status == "left over (deadline): start undecided"
    assert set(pod.posts.values()) == {1}
    assert (found.reason, found.unfinished, found.accepted) == ("deadline", 3, 0)


def test_a_clear_no_is_fail_and_final(run: Run) -> None:
    """409 is fail with its text; the driver neither repeats it nor waits for the agent."""

    async def refuse(agent: str, request: web.Request) -> web.Response:
        return web.Response(status=409, text="no such kind")

    pod = Pod(run.engine, intake=refuse)
    with serving(pod):
        run.plan(3)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start()
        found = run.wait()

    assert run.kinds_of("a000000") == ["invoke", "fail"]
    assert run.events()[-1].status == "409 no such kind"
    assert (found.rejected, found.unfinished, found.reason) == (3, 0, "all ended")


@pytest.mark.parametrize("has_bulk", [True, False])
def test_agents_without_an_end_are_asked_now_and_then(run: Run, has_bulk: bool) -> None:
    """A silent feed costs time, not agents: the slow rhythm finds them, in bulk where offered."""
    pod = Pod(run.engine, has_bulk=has_bulk)
    run.engine.is_feed_silent = True
    with serving(pod):
        run.plan(20)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=None, ask_interval_s=1.0)
        found = run.wait()

    assert found.completed == 20
    assert run.engine.requests["bulk"] >= 1
    assert bool(run.engine.requests["get"]) is not has_bulk


@pytest.mark.parametrize("by_signal", [True, False])
def test_it_stops_within_two_seconds(run: Run, by_signal: bool) -> None:
    """SIGTERM or the stop file: leftovers are info, results are written, exit 0."""
    pod = Pod(run.engine)
    run.engine.run_s = 60
    with serving(pod):
        run.plan(1_000)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=50.0, deadline_s=60.0)
        run.until(lambda: sum(e.kind is EventKind.OK for e in run.events()) >= 20)
        began = time.monotonic()
        assert run.process is not None
        if by_signal:
            os.kill(run.process.pid, signal.SIGTERM)
        else:
            (run.directory / "live/stop").touch()
        found = run.wait()

    assert time.monotonic() - began < 2
    assert found.reason == "stopped"
    assert found.accepted <= found.started < 1_000
    left = [e for e in run.events() if e.kind is EventKind.INFO]
    assert len(left) == found.started
    assert left[0].status.startswith("left over (stopped)")


def test_events_survive_sigkill(run: Run) -> None:
    """After SIGKILL every start that a pod took has its invoke on file, in whole lines."""
    pod = Pod(run.engine)
    with serving(pod):
        run.plan(2_000)
        run.pods(("agents-0.1", pod.server.url, "ready"))
        run.start(rate_per_s=400.0)
        run.until(lambda: len(run.engine.intake) >= 200)
        assert run.process is not None
        run.process.kill()
        run.process.wait()

    invoked = {e.agent for e in run.events() if e.kind is EventKind.INVOKE}
    assert set(run.engine.intake) <= invoked


def test_a_bad_configuration_is_said_at_once(run: Run) -> None:
    """An unknown field: exit 254, nothing started."""
    (run.directory / config.FILE).write_text('{"schema": 1, "speed": 3}')
    found = subprocess.run(
        [sys.executable, "-m", "harness.load.driver", "--run", str(run.directory)],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )

    assert found.returncode == 254
    assert b"no driver configuration" in found.stderr
