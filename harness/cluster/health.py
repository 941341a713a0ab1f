"""Waiting for a server: poll its health until a deadline, and give up at once when it has died."""

import asyncio

import httpx

from harness.clock import Clock
from harness.cluster.processes import Process
from harness.errors import MachineError

POLL_S = 0.05


async def until_healthy(
    http: httpx.AsyncClient, url: str, process: Process, *, clock: Clock, deadline_s: float
) -> None:
    """Return when ``url`` answers 2xx.

    Raises:
        MachineError: the process died, or the deadline passed; with the end of its log.
    """
    until = clock.monotonic_ns() + int(deadline_s * 1e9)
    seen = "no connection"
    while clock.monotonic_ns() < until:
        if process.exit is not None:
            raise MachineError(
                f"{process.name} ended at its start ({process.exit.status}); its log ends with:\n"
                f"{process.last_lines()}"
            )
        try:
            answer = await http.get(url, timeout=2.0)
            if answer.is_success:
                return
            seen = f"HTTP {answer.status_code}"
        except httpx.TransportError as error:
            seen = type(error).__name__
        await asyncio.sleep(POLL_S)
    raise MachineError(
        f"{process.name} was not ready within {deadline_s:g} s ({url}: {seen}); "
        f"its log ends with:\n{process.last_lines()}"
    )
