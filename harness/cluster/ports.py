"""Loopback ports from 20000 to 32000, below the ephemeral range, kept for the run.

A port of the ephemeral range could be taken by any outgoing connection between two incarnations.
Nobody listens on a port between its choice and its server's start, nor between two incarnations, so
each is reserved among the harnesses of a machine: by a lock on a file of its own, which the kernel
takes back when the process ends, however it ends.
"""

import fcntl
import os
import socket
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from harness.errors import MachineError

FIRST, LAST = 20_000, 31_999


class Ports:
    """Hands out ports that are free now and that it will not hand out again."""

    def __init__(self, start: int, *, last: int = LAST) -> None:
        """``start`` spreads harnesses on one machine; any integer will do."""
        count = last - FIRST + 1
        self._last = last
        self._candidates: Iterator[int] = iter(
            FIRST + (start * 97 + number) % count for number in range(count)
        )
        self.taken: set[int] = set()
        self._locks: list[int] = []
        weakref.finalize(self, _close, self._locks)

    def take(self) -> int:
        """Return a free port.

        Raises:
            MachineError: none is left.
        """
        for port in self._candidates:
            lock = _reserve(port)
            if lock is None:
                continue
            self._locks.append(lock)
            if is_free(port):
                self.taken.add(port)
                return port
        raise MachineError(
            f"no free port from {FIRST} to {self._last} on 127.0.0.1; "
            "see `onceproof doctor --sweep`"
        )


def _reserve(port: int) -> int | None:
    """A lock on the port's file; None when another harness of this user holds it."""
    folder = Path(tempfile.gettempdir()) / f"onceproof-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _close(locks: list[int]) -> None:
    for lock in locks:
        os.close(lock)


def is_free(port: int) -> bool:
    """Whether a server could bind to the port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
