"""The keeper leaves nothing behind, whoever dies first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SWEEP_S = 10.0
pytestmark = pytest.mark.integration

KEPT = """
import asyncio, os, pathlib, signal, subprocess, sys, time
from harness.cluster.keeper import keep
from harness.cluster.processes import Processes
from harness.clock import SystemClock

folder = pathlib.Path(sys.argv[1])

def say(name, pid):
    (folder / name).with_suffix(".new").write_text(str(pid))
    (folder / name).with_suffix(".new").rename(folder / f"{name}.pid")

def daemon():
    # The classical double fork: its parent is gone at once, its session is its own.
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    say("daemon", os.getpid())
    time.sleep(300)
    os._exit(0)

async def start():
    processes = Processes(run=folder, logs=folder / "logs", clock=SystemClock())
    child = processes.start("child", ("/bin/sleep", "300"))
    say("child", child.pid)

def harness():
    say("harness", os.getpid())
    asyncio.run(start())
    if "daemons" in sys.argv:
        daemon()
        own = subprocess.Popen(["/bin/sh", "-c", "sleep 300 & wait"], start_new_session=True)
        say("stranger", own.pid)
    counted = []
    signal.signal(signal.SIGINT, lambda *_: counted.append(1))
    signal.signal(signal.SIGTERM, lambda *_: counted.append(100))
    say("ready", os.getpid())
    while not (folder / "stop").exists():
        time.sleep(0.02)
    (folder / "counted").write_text(str(sum(counted)))
    return 7

sys.exit(keep(harness))
"""


@contextmanager
def kept(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A keeper with a harness and what that started; whatever is left is ended in the end."""
    command = (sys.executable, "-c", KEPT, str(folder), *words)
    keeper = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        until("the harness is ready", (folder / "ready.pid").exists)
        yield keeper
    finally:
        keeper.kill()
        keeper.wait()
        for pid in pids(folder).values():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def pids(folder: Path) -> dict[str, int]:
    return {path.stem: int(path.read_text()) for path in folder.glob("*.pid")}


def is_alive(pid: int) -> bool:
    """There, and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(what: str, is_so: Callable[[], bool], deadline_s: float = SWEEP_S) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


def test_a_killed_harness_leaves_no_descendant(tmp_path: Path) -> None:
    """Children, a daemon by double fork, and a grandchild in a session of its own."""
    with kept(tmp_path, "daemons") as keeper:
        until("the daemon runs", (tmp_path / "daemon.pid").exists)
        left = pids(tmp_path)
        grandchildren = children_of(left["stranger"])
        assert grandchildren
        os.kill(left["harness"], signal.SIGKILL)

        assert keeper.wait(SWEEP_S) == 255
        alive = [name for name, pid in left.items() if is_alive(pid)]
        assert alive == []
        assert [pid for pid in grandchildren if is_alive(pid)] == []


def test_a_killed_keeper_takes_the_harness_and_its_children_along(tmp_path: Path) -> None:
    """The kernel sends the signal: nobody is left who could."""
    with kept(tmp_path) as keeper:
        left = pids(tmp_path)
        keeper.kill()
        keeper.wait()

        until("harness and child are gone", lambda: not any(map(is_alive, left.values())))


def test_ctrl_c_reaches_the_harness_once(tmp_path: Path) -> None:
    """A terminal signals the whole group; the harness has a group of its own."""
    with kept(tmp_path) as keeper:
        os.killpg(keeper.pid, signal.SIGINT)
        time.sleep(0.2)
        (tmp_path / "stop").touch()

        assert keeper.wait(SWEEP_S) == 7
        assert (tmp_path / "counted").read_text() == "1"


def test_sigterm_is_passed_on(tmp_path: Path) -> None:
    """A CI that ends the keeper ends the harness in order."""
    with kept(tmp_path) as keeper:
        keeper.terminate()
        time.sleep(0.2)
        (tmp_path / "stop").touch()

        assert keeper.wait(SWEEP_S) == 7
        assert (tmp_path / "counted").read_text() == "100"


def test_the_harness_s_exit_code_is_the_keepers_and_its_daemons_are_ended(tmp_path: Path) -> None:
    """A harness that ends in good order may have lost track of a grandchild."""
    with kept(tmp_path, "daemons") as keeper:
        until("the daemon runs", (tmp_path / "daemon.pid").exists)
        left = pids(tmp_path)
        (tmp_path / "stop").touch()

        assert keeper.wait(SWEEP_S) == 7
        assert [name for name, pid in left.items() if is_alive(pid)] == []


@pytest.mark.parametrize(
    ("harness", "code", "told"),
    [
        ("lambda: print('inside') or 3", 3, ""),
        ("lambda: 1 / 0", 255, "ZeroDivisionError"),
    ],
)
def test_output_is_neither_lost_nor_doubled(harness: str, code: int, told: str) -> None:
    """Into a pipe both sides of a fork have a buffer; what breaks the harness is shown."""
    script = f"""
import sys
from harness.cluster.keeper import keep
print("before")
sys.exit(keep({harness}))
"""
    command = (sys.executable, "-c", script)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SWEEP_S
    )

    assert done.returncode == code
    assert done.stdout.splitlines() == (["before", "inside"] if code == 3 else ["before"])
    assert told in done.stderr


def children_of(pid: int) -> list[int]:
    found = []
    until("the grandchild runs", lambda: bool(_children(pid)))
    found += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
