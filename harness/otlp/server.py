"""The sink as a process: `python -m harness.otlp.server --port P --file F --run ID`.

Takes what engines export over OTLP/HTTP as protobuf and writes a line a span, before it answers.
Listens on 127.0.0.1 only. When the file is full it takes no more and says so, in its answers and
in the last line, which it writes on SIGTERM.

    POST /v1/traces    GET /health
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from harness.clock import Clock, SystemClock
from harness.errors import UsageError
from harness.otlp.wire import answer_to, spans_of
from harness.spans import Head, Totals, line_of

HOST = "127.0.0.1"
PROTOBUF = "application/x-protobuf"
BODY_BYTES_MAX = 16 << 20
"""Of a request, unpacked; an exporter's batch of 512 spans with prompts takes a tenth."""
FILE_BYTES_MAX = 64 << 20
"""About 200,000 spans."""
GRACE_S = 1.0
EXIT_USAGE = 254


@dataclass(slots=True)
class Sink:
    """The open file and its counts."""

    descriptor: int
    bytes_left: int
    spans: int = 0
    left_out: int = 0
    refused: int = 0
    bad_requests: int = 0

    def take(self, body: bytes) -> bytes:
        """Write down the spans of a body; returns the answer's.

        Raises:
            UsageError: it is no OTLP.
        """
        lines: list[bytes] = []
        refused = left_out = 0
        for span in spans_of(body):
            line = b"" if span is None else line_of(span)
            if span is None:
                refused += 1
            elif len(line) > self.bytes_left:
                # Full is full: a shorter one that would still fit would come out of its turn.
                self.bytes_left = 0
                left_out += 1
            else:
                self.bytes_left -= len(line)
                lines.append(line)
        if lines:
            write_all(self.descriptor, b"".join(lines))
        self.spans += len(lines)
        self.refused += refused
        self.left_out += left_out
        return answer_to(refused + left_out, "no proper ids or times, or the file is full")

    @property
    def totals(self) -> Totals:
        """The counts so far."""
        return Totals(
            spans=self.spans,
            left_out=self.left_out,
            refused=self.refused,
            bad_requests=self.bad_requests,
        )


def write_all(descriptor: int, data: bytes) -> None:
    """One write(), or as many as the kernel wants."""
    while data:
        data = data[os.write(descriptor, data) :]


def application(sink: Sink, *, body_bytes_max: int = BODY_BYTES_MAX) -> web.Application:
    """The two endpoints over a sink."""

    async def traces(request: web.Request) -> web.Response:
        if request.content_type != PROTOBUF:
            sink.bad_requests += 1
            return web.Response(status=415, text=f"expected {PROTOBUF}")
        try:
            body = await request.read()
            answer = sink.take(body)
        except web.HTTPRequestEntityTooLarge:
            sink.bad_requests += 1
            raise
        except (UsageError, aiohttp.ClientError, web.RequestPayloadError) as error:
            sink.bad_requests += 1
            return web.Response(status=400, text=str(error)[:500])
        return web.Response(body=answer, content_type=PROTOBUF)

    async def health(_request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(sink.totals), content_type="application/json")

    app = web.Application(client_max_size=body_bytes_max)
    app.add_routes([web.post("/v1/traces", traces), web.get("/health", health)])
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; 0 after one, 254 for wrong arguments."""
    asked = _parse(arguments)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(asked.file, flags, 0o644)
    except OSError as error:
        sys.stderr.write(f"sink: {asked.file}: {error.strerror}\n")
        return EXIT_USAGE
    try:
        return asyncio.run(
            _serve(Sink(descriptor, asked.bytes_max), asked.port, asked.run, SystemClock())
        )
    finally:
        os.close(descriptor)


async def _serve(sink: Sink, port: int, run: str, clock: Clock) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    head = Head(run=run, wall_ns=clock.wall_ns(), monotonic_ns=clock.monotonic_ns())
    write_all(sink.descriptor, line_of(head))
    runner = web.AppRunner(application(sink), access_log=None, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            sys.stderr.write(f"sink: port {port} of {HOST} cannot be had: {error}\n")
            return EXIT_USAGE
        await stop.wait()
    finally:
        await runner.cleanup()
    write_all(sink.descriptor, line_of(sink.totals))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.otlp.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True, help="where the spans go; a new file")
    parser.add_argument("--run", required=True, help="id of the run")
    parser.add_argument("--bytes-max", type=int, default=FILE_BYTES_MAX)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
