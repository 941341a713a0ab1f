"""The keeper: a one-thread process that outlives the harness and leaves nothing behind.

`keep` forks the harness and waits. When the harness has ended, by whatever cause, every descendant
is killed until none is left: grandchildren such as a database's backends survive the death signal
of their parent, but as a *subreaper* the keeper inherits them. When the keeper itself is killed,
the harness gets SIGKILL from the kernel, and its children follow.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SWEEP_S = 10.0
"""Bound on ending all descendants."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep(harness: Callable[[], int]) -> int:
    """Run ``harness`` in a child and return its exit code; 255 when it was killed or broke.

    Must be called before any thread exists. SIGINT, SIGTERM and SIGHUP are passed on to the
    harness, which sits in a process group of its own so that Ctrl-C reaches it once.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    keeper = os.getpid()
    flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(255)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _end_with(harness)

    def pass_on(number: int, _frame: object) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            return

    handlers = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = _wait_for(child)
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
    end_descendants(keeper)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return code


def flush() -> None:
    """Write out what is buffered: a fork would double it, ``_exit`` would lose it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


def _end_with(harness: Callable[[], int]) -> NoReturn:
    """Run the harness and exit with its code; what breaks out of it is printed and is 255."""
    code = None
    try:
        code = harness()
    finally:
        if code is None:
            traceback.print_exc()
        flush()
        os._exit(255 if code is None else code)


def _wait_for(child: int) -> int:
    """Reap children until ``child`` is among them; orphans that come to the keeper too."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 255


def end_descendants(root: int) -> list[int]:
    """SIGKILL and reap every descendant of ``root`` until none is left; returns who stayed."""
    deadline = time.monotonic() + SWEEP_S
    while True:
        alive = descendants(root)
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            pass
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def descendants(root: int) -> list[int]:
    """Process ids below ``root``, zombies left out, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            tail = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if tail[0] != "Z":
            children.setdefault(int(tail[1]), []).append(int(entry.name))
    found: list[int] = []
    frontier = [root]
    while frontier:
        frontier = [child for parent in frontier for child in children.get(parent, [])]
        found += frontier
    return found
