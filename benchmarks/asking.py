"""The far side of the witness: agents that ask one step after the other, as fast as it answers.

One process on one core; benchmarks/load_generator.py starts it. Each agent is a chain: its answers
go into the next prompt, the last one is posted as its outcome, and somebody reads the feed of ends
as the driver does. Prints how many seconds all agents took.

    python -m benchmarks.asking PORT PROGRAMS CONNECTIONS
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from harness.plan import PlannedAgent, parse_programs

_GATHER_S = 0.02
"""Between two looks at the feed, as in the driver."""


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _End(msgspec.Struct):
    seq: int


class _Feed(msgspec.Struct):
    ends: list[_End]


_COMPLETION = msgspec.json.Decoder(_Completion)
_FEED = msgspec.json.Decoder(_Feed)


class Line(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._body = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # By its class uvloop's is none.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed by the witness"))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Of the parser."""
        assert self._answer is not None
        status = self._parser.get_status_code()
        if status == 200:
            self._answer.set_result(self._body)
        else:
            self._answer.set_exception(RuntimeError(f"status {status}: {self._body!r}"))

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Ask once; anything but 200 ends the benchmark."""
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._answer = asyncio.get_running_loop().create_future()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer key\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return await self._answer


async def perform(line: Line, agents: Iterator[PlannedAgent]) -> None:
    """Take agents as long as there are some, and ask all steps of each."""
    for agent in agents:
        text = ""
        answers: dict[str, str] = {}
        for step in agent.program.steps:
            prompt = step.prompt
            for path, answer in answers.items():
                prompt = prompt.replace(f"{{answer:{path}}}", answer)
            messages = [{"role": "user", "content": prompt}]
            body = msgspec.json.encode({"model": "mock-1", "messages": messages})
            data = await line.ask("POST", f"/pods/{agent.pod}.1/v1/chat/completions", body)
            text = answers[step.path] = _COMPLETION.decode(data).choices[0].message.content
        outcome = {"agent": agent.agent, "status": "completed", "text": text}
        await line.ask("POST", "/admin/outcomes", msgspec.json.encode(outcome))


async def follow(line: Line, count: int) -> None:
    """Read the feed until so many agents have ended."""
    seen = after = 0
    while seen < count:
        data = await line.ask("GET", f"/admin/ends?after={after}&wait_s=5")
        for end in _FEED.decode(data).ends:
            seen, after = seen + 1, end.seq
        await asyncio.sleep(_GATHER_S)


async def main(port: int, programs: Path, connections: int) -> None:
    """Ask for all agents, and print the seconds."""
    planned = parse_programs(programs.read_bytes(), source=str(programs))
    loop = asyncio.get_running_loop()
    lines = [
        (await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(connections + 1)
    ]
    agents = iter(planned)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(lines[0], len(planned)))
        for line in lines[1:]:
            group.create_task(perform(line, agents))
    print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
