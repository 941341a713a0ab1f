"""A port that passes connections on to an upstream, which can be flipped.

Called by a switchboard whose brokers stand behind it: a fault flips them, and clients keep their
address. It reads nothing of what it passes on.
"""

import asyncio
import contextlib

from harness.clock import Clock
from harness.cluster.means import LOOPBACK
from harness.errors import HarnessError

CHUNK = 1 << 16
POLL_S = 0.05
Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Relay:
    """Of one event loop; a connection keeps the upstream that it began with until it is cut."""

    def __init__(self, port: int, clock: Clock, *, host: str = LOOPBACK) -> None:
        self.address = f"{host}:{port}"
        """Where clients connect to."""
        self._host, self._port, self._clock = host, port, clock
        self._upstream = ""
        self._open: set[Pair] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, upstream: str) -> None:
        """Listen, and pass on to ``upstream``, as host:port."""
        self._upstream = upstream
        self._server = await asyncio.start_server(self._serve, self._host, self._port)

    def flip(self, upstream: str) -> int:
        """New connections go to ``upstream`` from now on; the old are cut. How many there were."""
        self._upstream = upstream
        return self._cut()

    async def until_open(self, count: int, *, deadline_s: float) -> None:
        """Wait until so many connections are open to the upstream.

        Raises:
            HarnessError: they did not come in time.
        """
        for _ in range(int(deadline_s / POLL_S)):
            if len(self._open) >= count:
                return
            await self._clock.sleep_s(POLL_S)
        raise HarnessError(
            f"{len(self._open)} connections are open through {self.address} to {self._upstream} "
            f"{deadline_s:g} s after it was flipped, expected {count}"
        )

    async def stop(self) -> None:
        """Cut everything and listen no more; safe when it never started."""
        if self._server is not None:
            self._server.close()
            self._cut()
            for one in self._serving:
                one.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    def _cut(self) -> int:
        """By reset, as when a host behind a load balancer is taken out."""
        cut, self._open = self._open, set()
        for pair in cut:
            _abort(pair)
        return len(cut)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        upstream = self._upstream
        host, _, port = upstream.rpartition(":")
        try:
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        pair = writer, up_writer
        if upstream != self._upstream:
            # Flipped while it was being opened.
            _abort(pair)
            return
        self._open.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, up_writer))
                group.create_task(_pass_on(up_reader, writer))
        finally:
            self._open.discard(pair)
            _abort(pair)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of what comes, which is passed on, too; a lost connection ends it as well."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


def _abort(pair: Pair) -> None:
    for writer in pair:
        writer.transport.abort()
