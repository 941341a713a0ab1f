"""The sink takes what exporters send, and nothing else brings it down or fills the disk."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from harness.errors import UsageError
from harness.otlp.server import PROTOBUF, Sink, application
from harness.otlp.wire import answer_to, spans_of
from harness.spans import TEXT_MAX, Span, line_of
from tests.spans import exported, wire_span

Scene = Callable[[TestClient], Awaitable[None]]
BODY_BYTES_MAX = 64 << 10
BODY = exported(wire_span(1), wire_span(2, parent=1))


def kept(path: Path) -> list[str]:
    return path.read_text().splitlines()


def play(path: Path, scene: Scene, *, bytes_max: int = 1 << 20) -> Sink:
    """A sink on loopback with a file, and what is done to it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    sink = Sink(descriptor, bytes_max)

    async def run() -> None:
        async with TestClient(
            TestServer(application(sink, body_bytes_max=BODY_BYTES_MAX), host="127.0.0.1")
        ) as client:
            await scene(client)

    try:
        asyncio.run(run())
    finally:
        os.close(descriptor)
    return sink


async def post(client: TestClient, body: bytes, **headers: str) -> tuple[int, bytes]:
    # A connection each: the server closes one whose body it could not unpack.
    sent = {"content-type": PROTOBUF, "connection": "close"} | {
        name.replace("_", "-"): v for name, v in headers.items()
    }
    async with client.post("/v1/traces", data=body, headers=sent) as answer:
        return answer.status, await answer.read()


def test_span_is_kept_compactly() -> None:
    """Ids in hexadecimal, names cut, attributes that no figure needs left out."""
    long = wire_span(2, parent=1)
    long.name = "x" * 1000

    first, second = spans_of(exported(wire_span(1), long, service="app"))

    assert first == Span(
        trace=f"{1:032x}",
        id=f"{1:016x}",
        parent="",
        name="span 1",
        service="app",
        begin_ns=10,
        end_ns=20,
        attributes={"durabletask.type": "activity"},
    )
    assert second is not None
    assert (second.parent, len(second.name)) == (f"{1:016x}", TEXT_MAX)


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": b"\x00" * 16},
        {"trace_id": b"short"},
        {"span_id": b""},
        {"parent_span_id": b"1"},
        {"start_time_unix_nano": 0},
        {"end_time_unix_nano": 9},
        {"end_time_unix_nano": 1 << 63},
    ],
)
def test_span_without_proper_ids_or_times_is_refused(change: dict[str, object]) -> None:
    """Such a span can be matched with nothing."""
    broken = wire_span(1)
    for name, value in change.items():
        setattr(broken, name, value)

    assert list(spans_of(exported(broken))) == [None]


def test_garbage_is_no_export() -> None:
    """It is told apart from an empty export."""
    with pytest.raises(UsageError, match="not an ExportTraceServiceRequest"):
        spans_of(b"hello garbage")

    assert list(spans_of(b"")) == []
    assert answer_to(0, "why") == b""


def test_spans_are_written_before_the_answer(tmp_path: Path) -> None:
    """Plain, packed by gzip and packed by deflate; the answer is an empty message of OTLP."""

    async def scene(client: TestClient) -> None:
        assert await post(client, BODY) == (200, b"")
        assert len(kept(tmp_path / "spans")) == 2
        assert (await post(client, gzip.compress(BODY), content_encoding="gzip"))[0] == 200
        assert (await post(client, zlib.compress(BODY), content_encoding="deflate"))[0] == 200

    sink = play(tmp_path / "spans", scene)

    assert len(kept(tmp_path / "spans")) == sink.totals.spans == 6
    assert sink.totals.bad_requests == 0


def test_what_is_no_otlp_is_refused_and_counted(tmp_path: Path) -> None:
    """Garbage, garbage that says it is packed, JSON, too much, and too much once it is unpacked."""
    bomb = gzip.compress(b"\x00" * (2 * BODY_BYTES_MAX))
    statuses = []

    async def scene(client: TestClient) -> None:
        for body, headers in (
            (b"hello garbage", {}),
            (b"hello garbage", {"content_encoding": "gzip"}),
            (b"{}", {"content_type": "application/json"}),
            (b"\x00" * (BODY_BYTES_MAX + 1), {}),
            (bomb, {"content_encoding": "gzip"}),
        ):
            statuses.append((await post(client, body, **headers))[0])
        assert (await post(client, BODY))[0] == 200

    sink = play(tmp_path / "spans", scene)

    assert statuses == [400, 400, 415, 413, 413]
    assert (sink.totals.bad_requests, sink.totals.spans) == (5, 2)


def test_body_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """A client that dies in the middle of its batch has sent no span; the next one is served."""

    async def scene(client: TestClient) -> None:
        server = client.server
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\n"
            f"content-length: {len(BODY)}\r\n\r\n".encode()
            + BODY[:40]
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await post(client, BODY))[0] == 200

    sink = play(tmp_path / "spans", scene)

    assert sink.totals.spans == 2
    assert len(kept(tmp_path / "spans")) == 2


def test_full_file_takes_no_more_and_says_so(tmp_path: Path) -> None:
    """By OTLP's partial success, with the number of spans; refused ones count in it."""
    answers = []

    async def scene(client: TestClient) -> None:
        broken = wire_span(3)
        broken.span_id = b""
        long = wire_span(2)
        long.name = "longer than the first"
        answers.append(await post(client, exported(wire_span(1), long)))
        answers.append(await post(client, exported(broken, wire_span(4))))

    line = len(kept_line())
    sink = play(tmp_path / "spans", scene, bytes_max=2 * line)
    told = [ExportTraceServiceResponse.FromString(body).partial_success for _, body in answers]

    assert [status for status, _ in answers] == [200, 200]
    assert [one.rejected_spans for one in told] == [1, 2]
    assert (sink.totals.spans, sink.totals.left_out, sink.totals.refused) == (1, 2, 1)
    assert (tmp_path / "spans").stat().st_size == line


def kept_line() -> bytes:
    """A span of `wire_span`, as a line."""
    (one,) = spans_of(exported(wire_span(1)))
    assert one is not None
    return line_of(one)


def test_health_tells_the_counts(tmp_path: Path) -> None:
    """What the harness asks to know when spans stop coming."""

    async def scene(client: TestClient) -> None:
        await post(client, BODY)
        async with client.get("/health") as answer:
            assert await answer.json() == {
                "spans": 2,
                "left_out": 0,
                "refused": 0,
                "bad_requests": 0,
            }

    play(tmp_path / "spans", scene)
