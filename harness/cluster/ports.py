"""Loopback ports from 20000 to 32000, below the ephemeral range, kept for the run.

A port of the ephemeral range could be taken by any outgoing connection between two incarnations.
"""

import socket
from collections.abc import Iterator

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

    def take(self) -> int:
        """Return a free port.

        Raises:
            MachineError: none is left.
        """
        for port in self._candidates:
            if is_free(port):
                self.taken.add(port)
                return port
        raise MachineError(
            f"no free port from {FIRST} to {self._last} on 127.0.0.1; "
            "see `onceproof doctor --sweep`"
        )


def is_free(port: int) -> bool:
    """Whether a server could bind to the port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
