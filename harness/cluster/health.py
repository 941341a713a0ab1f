"""Waiting for a server: poll its health until a deadline, and give up at once when it has died."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from harness.clock import Clock
from harness.cluster.listening import ports_of_group
from harness.cluster.processes import Process
from harness.errors import MachineError

POLL_S = 0.05
ASK_S = 2.0


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


async def until_it_answers(
    ask: Callable[[], Awaitable[bool]],
    *,
    name: str,
    address: str,
    process: Process | None,
    deadline_s: float,
) -> None:
    """Return when the server at host:port answers, and it is ours: ``process`` listens there; None
    for one of the user's.

    Raises:
        MachineError: the process died, or the deadline passed; with the end of its log.
    """
    port, has_stranger = int(address.rpartition(":")[2]), False
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                if process is not None and process.exit is not None:
                    raise MachineError(
                        f"{name} ended at its start ({process.exit.status})"
                        f"{stranger_at(port) if has_stranger else ''}; its log ends with:\n"
                        f"{process.last_lines()}"
                    )
                if await _asked(ask):
                    if process is None or port in ports_of_group(process.group):
                        return
                    has_stranger = True
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        told = f"; its log ends with:\n{process.last_lines()}" if process is not None else ""
        what = stranger_at(port) if has_stranger else "; is it running?" if not told else ""
        raise MachineError(
            f"{name} at {address} was not ready in {deadline_s:g} s{what}{told}"
        ) from None


def stranger_at(port: int) -> str:
    """What to say when somebody else answers where a server of ours should."""
    return f"; another process has taken port {port}: end it, or run again for another port"


async def _asked(ask: Callable[[], Awaitable[bool]]) -> bool:
    """One question; silence is no answer, so that a server's death is seen beside it."""
    try:
        async with asyncio.timeout(ASK_S):
            return await ask()
    except TimeoutError:
        return False
