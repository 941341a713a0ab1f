"""The far side of the driver: a worker whose agents end by themselves, and the feed of their ends.

One process on one core, which answers what the driver asks of workers and of the witness and does
nothing else; benchmarks/load_generator.py starts it.

    python -m benchmarks.trivial_worker PORT AGENT_MS
"""

import asyncio
import contextlib
import sys
from typing import cast

import httptools
import msgspec
import uvloop

_OUTCOME = "The report is done. " * 8 + "<<0123456789abcdef.0123456789abcdef>>"
"""As long as what an agent of the benchmark puts out."""


class _Start(msgspec.Struct):
    agent: str


_START = msgspec.json.Decoder(_Start)
_COMPLETED = msgspec.json.encode({"status": "completed", "output": _OUTCOME})


class Ends:
    """Which agents have ended, in order, as the witness's feed says it."""

    def __init__(self, agent_s: float) -> None:
        self._agent_s = agent_s
        self._entries: list[dict[str, object]] = []
        self._bell = asyncio.Event()

    def begin(self, agent: str) -> None:
        """An agent starts, and ends ``agent_s`` later."""
        asyncio.get_running_loop().call_later(self._agent_s, self._end, agent)

    async def after(self, seq: int, wait_s: float) -> bytes:
        """Those behind a number, waited for if there are none yet."""
        if len(self._entries) <= seq:
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), wait_s)
        return msgspec.json.encode({"ends": self._entries[seq:]})

    def _end(self, agent: str) -> None:
        seq = len(self._entries) + 1
        self._entries.append({"seq": seq, "agent": agent, "caller": "agents-1.1"})
        self._bell.set()


class Desk(asyncio.Protocol):
    """One connection of the driver's."""

    def __init__(self, ends: Ends, waiting: set[asyncio.Task[None]]) -> None:
        self._ends = ends
        self._waiting = waiting
        self._parser = httptools.HttpRequestParser(self)
        self._url = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # By its class uvloop's is none.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Of the parser."""
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """Of the parser."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Of the parser: answer."""
        if self._url == b"/agents":
            self._ends.begin(_START.decode(self._body).agent)
            self._reply(202, b"{}")
        elif self._url.startswith(b"/agents/"):
            self._reply(200, _COMPLETED)
        elif self._url.startswith(b"/admin/ends?"):
            asked = dict(pair.split(b"=") for pair in self._url.partition(b"?")[2].split(b"&"))
            task = asyncio.ensure_future(self._feed(int(asked[b"after"]), float(asked[b"wait_s"])))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            self._reply(200, b'{"seq":1,"count":1}')

    async def _feed(self, after: int, wait_s: float) -> None:
        self._reply(200, await self._ends.after(after, wait_s))

    def _reply(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)


async def main(port: int, agent_ms: float) -> None:
    """Serve until killed."""
    ends = Ends(agent_ms / 1000)
    waiting: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Desk(ends, waiting), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
