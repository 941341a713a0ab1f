"""Real child processes: groups, logs, exits, and death with whoever started them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from harness.clock import SystemClock
from harness.cluster.health import until_healthy
from harness.cluster.means import Means
from harness.cluster.pods import Pods, PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes
from harness.errors import HarnessError, MachineError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.integration

SLEEP = ("/bin/sleep", "300")
SERVE = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["ONCEPROOF_PORT"])), Handler).serve_forever()
"""


def perform(folder: Path, act: Callable[[Processes], Awaitable[None]]) -> Processes:
    """Act with real processes; end what is left."""
    processes = Processes(run=folder, logs=folder / "logs", clock=SystemClock())

    async def run() -> None:
        try:
            async with asyncio.timeout(30):
                await act(processes)
        finally:
            await processes.kill([p for p in processes.all if p.exit is None])

    asyncio.run(run())
    return processes


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", "exit 0"), ("exit 3", "exit 3"), ("kill -TERM $$", "signal SIGTERM")],
)
def test_an_exit_is_reaped_with_its_status(tmp_path: Path, script: str, status: str) -> None:
    """The proof of a strike is what the kernel says."""

    async def act(processes: Processes) -> None:
        process = processes.start("child", ("/bin/sh", "-c", script))
        await process.exited.wait()
        assert process.exit is not None
        assert process.exit.status == status

    perform(tmp_path, act)


def test_what_a_child_says_is_in_its_log(tmp_path: Path) -> None:
    """Both streams, appended over incarnations of one name; messages show the end."""

    async def act(processes: Processes) -> None:
        for word in ("one", "two"):
            script = f"echo {word}; echo err-{word} >&2"
            await processes.start("child", ("/bin/sh", "-c", script)).exited.wait()
        assert processes.all[-1].last_lines(2) == "two\nerr-two"

    perform(tmp_path, act)

    assert (tmp_path / "logs" / "child.log").read_text() == "one\nerr-one\ntwo\nerr-two\n"


def test_a_killed_group_takes_every_member_along(tmp_path: Path) -> None:
    """A pod's deletion ends worker and sidecar, and what they started in their group."""

    async def act(processes: Processes) -> None:
        leader = processes.start("sidecar", ("/bin/sh", "-c", "sleep 300 & echo $!; wait"))
        member = processes.start("worker", SLEEP, group=leader.group)
        while not leader.log.read_text():
            await asyncio.sleep(0.01)
        grandchild = int(leader.log.read_text())
        assert os.getpgid(member.pid) == os.getpgid(grandchild) == leader.group

        await processes.kill([leader])
        await member.exited.wait()
        assert [p.exit.status for p in (leader, member) if p.exit] == ["signal SIGKILL"] * 2
        while is_alive(grandchild):
            await asyncio.sleep(0.01)

    perform(tmp_path, act)


def test_killing_one_leaves_the_others_of_its_group(tmp_path: Path) -> None:
    """kill-worker leaves the sidecar alone, also when the worker led the group."""

    async def act(processes: Processes) -> None:
        leader = processes.start("sidecar", SLEEP)
        member = processes.start("worker", SLEEP, group=leader.group)
        await processes.kill_one(leader)
        assert leader.exit is not None
        assert member.exit is None
        assert is_alive(member.pid)

    perform(tmp_path, act)


def test_every_exit_is_told_to_who_listens(tmp_path: Path) -> None:
    """The supervisor learns of a death without asking."""

    async def act(processes: Processes) -> None:
        exits: asyncio.Queue[Process] = asyncio.Queue()
        processes.on_exit.append(exits)
        process = processes.start("child", ("/bin/true",))
        assert await exits.get() is process

    perform(tmp_path, act)


def test_stop_asks_first(tmp_path: Path) -> None:
    """SIGTERM gives a server the time to end in order."""
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"

    async def act(processes: Processes) -> None:
        process = processes.start("child", ("/bin/sh", "-c", script))
        while "up" not in process.last_lines():
            await asyncio.sleep(0.01)
        await processes.stop([process])
        assert process.exit is not None
        assert process.exit.status == "exit 0"
        assert process.last_lines(1) == "bye"

    perform(tmp_path, act)


def test_what_does_not_end_in_time_is_named(tmp_path: Path) -> None:
    """Every wait has a deadline."""

    async def act(processes: Processes) -> None:
        process = processes.start("child", SLEEP)
        with pytest.raises(HarnessError, match=rf"not ended within 0\.05 s.*child \({process.pid}"):
            await processes._exits([process], 0.05)

    perform(tmp_path, act)


def test_killing_the_dead_is_safe(tmp_path: Path) -> None:
    """A victim may die by itself in the moment before the strike."""

    async def act(processes: Processes) -> None:
        process = processes.start("child", ("/bin/true",))
        await process.exited.wait()
        await processes.kill([process])
        await processes.kill_one(process)
        await processes.stop([process])
        assert process.exit is not None
        assert process.exit.status == "exit 0"

    perform(tmp_path, act)


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before the fork: not as exit 127 of a stranger in some log."""

    async def act(processes: Processes) -> None:
        with pytest.raises(MachineError, match="no command 'no-such-command'"):
            processes.start("child", ("no-such-command",))

    assert perform(tmp_path, act).all == []


def test_strays_can_be_found_by_their_run(tmp_path: Path) -> None:
    """And little of the caller's environment goes along."""

    async def act(processes: Processes) -> None:
        process = processes.start("child", ("/usr/bin/env",), environ={"OWN": "1"})
        await process.exited.wait()

    perform(tmp_path, act)
    lines = (tmp_path / "logs" / "child.log").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines}

    assert f"ONCEPROOF_RUN={tmp_path.resolve()}" in lines
    assert "OWN=1" in lines
    assert not {name for name in names if name.startswith("PYTEST")}


def test_a_child_started_from_another_thread_is_refused(tmp_path: Path) -> None:
    """It would die with that thread, at a moment that nobody chose."""
    caught: list[BaseException] = []

    async def act(processes: Processes) -> None:
        def start() -> None:
            try:
                processes.start("child", SLEEP)
            except HarnessError as error:
                caught.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()

    assert perform(tmp_path, act).all == []
    assert "main thread" in str(caught[0])


def test_children_die_with_the_harness(tmp_path: Path) -> None:
    """SIGKILL of the parent: the kernel passes it on."""
    script = f"""
import asyncio, pathlib, time
from harness.clock import SystemClock
from harness.cluster.processes import Processes
async def main():
    folder = pathlib.Path({str(tmp_path)!r})
    processes = Processes(run=folder, logs=folder, clock=SystemClock())
    child = processes.start("child", ("/bin/sh", "-c", "echo up; exec sleep 300"))
    while not child.log.read_text():
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await asyncio.sleep(300)
asyncio.run(main())
"""
    with subprocess.Popen(
        (sys.executable, "-c", script), cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    end = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.01)

    assert not is_alive(child)


def test_cpu_of_the_dead_is_exact(tmp_path: Path) -> None:
    """wait4 says what the child used."""

    async def act(processes: Processes) -> None:
        busy = "x = sum(range(6_000_000))"
        process = processes.start("child", (sys.executable, "-c", busy))
        await process.exited.wait()
        assert process.exit is not None
        assert 0.03 < process.exit.cpu_s < 20

    perform(tmp_path, act)


def pods_of(folder: Path, processes: Processes, http: httpx.AsyncClient, worker: str) -> Pods:
    template = PodTemplate(
        worker=(sys.executable, "-c", worker),
        environ={"ONCEPROOF_VARIANT": "default"},
        witness="http://127.0.0.1:1",
        state=folder / "slots",
        sidecar=None,
        ready_s=15.0,
    )
    return Pods(
        template,
        ("agents-1",),
        Means(processes=processes, ports=Ports(os.getpid()), clock=SystemClock(), http=http),
        address_book=folder / "pods.json",
    )


def test_a_pod_becomes_ready_is_killed_and_replaced(tmp_path: Path) -> None:
    """New port and next incarnation; the address book always tells the truth."""

    async def act(processes: Processes) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            pods = pods_of(tmp_path, processes, http, SERVE)
            pod = pods.by_slot["agents-1"]
            pods.launch(pod)
            assert '"state":"down"' in (tmp_path / "pods.json").read_text()
            await pods.until_ready(pod)
            first = pod.url
            assert f'"url":"{first}","state":"ready"' in (tmp_path / "pods.json").read_text()

            struck = await pods.kill(pod, "pod")
            assert [process.exit.status for process in struck if process.exit] == ["signal SIGKILL"]
            assert '"state":"down"' in (tmp_path / "pods.json").read_text()

            pods.launch(pod)
            await pods.until_ready(pod)
            assert pod.caller == "agents-1.2"
            assert pod.url != first
            await pods.stop()

    perform(tmp_path, act)

    assert (tmp_path / "slots" / "agents-1").is_dir()


def test_a_worker_that_dies_at_its_start_is_told_at_once(tmp_path: Path) -> None:
    """With its exit status and the end of its log, long before the deadline."""

    async def act(processes: Processes) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            pods = pods_of(tmp_path, processes, http, "raise SystemExit('no such model')")
            pod = pods.by_slot["agents-1"]
            pods.launch(pod)
            with pytest.raises(MachineError, match=r"exit 1(?s:.*)no such model"):
                await pods.until_ready(pod)
            assert not pod.is_ready

    perform(tmp_path, act)


def test_a_server_that_never_answers_has_a_deadline(tmp_path: Path) -> None:
    """The message says what was asked and what was seen."""

    async def act(processes: Processes) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/healthz"
            process = processes.start("mute", SLEEP)
            async with httpx.AsyncClient(trust_env=False) as http:
                with pytest.raises(MachineError, match=r"mute was not ready within 0\.2 s"):
                    await until_healthy(http, url, process, clock=SystemClock(), deadline_s=0.2)

    perform(tmp_path, act)
