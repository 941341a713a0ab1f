"""Spans made by code: as an exporter sends them, and as the sink keeps them."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from harness.spans import Head, Span, Totals, line_of

PIECE = {"durabletask.type": "activity"}


def exported(*spans: WireSpan, service: str = "app") -> bytes:
    """The body of one export."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(
        KeyValue(key="service.name", value=AnyValue(string_value=service))
    )
    resource.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def wire_span(
    number: int = 1, *, parent: int = 0, trace: int = 1, begin_ns: int = 10, end_ns: int = 20
) -> WireSpan:
    """A span as exporters send it, with an attribute that is kept and one that is not."""
    return WireSpan(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=f"span {number}",
        start_time_unix_nano=begin_ns,
        end_time_unix_nano=end_ns,
        attributes=[
            KeyValue(key="durabletask.type", value=AnyValue(string_value="activity")),
            KeyValue(key="input.value", value=AnyValue(string_value="a long prompt")),
        ],
    )


def span(
    number: str,
    *,
    agent: str = "",
    parent: str = "",
    trace: str = "t",
    begin_ns: int = 0,
    end_ns: int = 0,
    is_piece: bool = False,
) -> Span:
    """A span as it is kept."""
    names = {"durabletask.task.instance_id": agent} if agent else {}
    return Span(
        trace=trace,
        id=number,
        parent=parent,
        name=number,
        service="app",
        begin_ns=begin_ns,
        end_ns=end_ns,
        attributes=names | (PIECE if is_piece else {}),
    )


def file_of(*spans: Span, wall_ns: int = 1000, monotonic_ns: int = 0, **totals: int) -> bytes:
    """The sink's file, whole."""
    counts = {"spans": len(spans), "left_out": 0, "refused": 0, "bad_requests": 0} | totals
    records = (
        Head(run="r", wall_ns=wall_ns, monotonic_ns=monotonic_ns),
        *spans,
        Totals(**counts),
    )
    return b"".join(map(line_of, records))
