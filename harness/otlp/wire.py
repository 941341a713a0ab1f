"""A body of OTLP/HTTP to spans, and the answer to it. Pure.

Source: opentelemetry.io/docs/specs/otlp (OTLP/HTTP); opentelemetry/proto/trace/v1/trace.proto
"""

from collections.abc import Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from harness.errors import UsageError
from harness.spans import KEPT_ATTRIBUTES, TEXT_MAX, Span

TRACE_BYTES, SPAN_BYTES = 16, 8


def spans_of(body: bytes) -> Iterator[Span | None]:
    """The spans of one export, None for one without proper ids or times.

    Raises:
        UsageError: the body is no ExportTraceServiceRequest.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise UsageError(f"not an ExportTraceServiceRequest: {error}") from error
    return (
        _span(span, service)
        for resource in request.resource_spans
        for service in [_service(resource.resource.attributes)]
        for scope in resource.scope_spans
        for span in scope.spans
    )


def answer_to(rejected: int, why: str) -> bytes:
    """The body that says how many spans were not taken; empty when all were."""
    answer = ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = why
    body: bytes = answer.SerializeToString()
    return body


def _span(span: WireSpan, service: str) -> Span | None:
    is_proper = (
        _is_id(span.trace_id, TRACE_BYTES)
        and _is_id(span.span_id, SPAN_BYTES)
        and (not span.parent_span_id or len(span.parent_span_id) == SPAN_BYTES)
        and 0 < span.start_time_unix_nano <= span.end_time_unix_nano < 1 << 63
    )
    if not is_proper:
        return None
    return Span(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        name=span.name[:TEXT_MAX],
        service=service,
        begin_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes={
            entry.key: _text(entry.value)
            for entry in span.attributes
            if entry.key in KEPT_ATTRIBUTES
        },
    )


def _is_id(given: bytes, length: int) -> bool:
    """All zeros is no id."""
    return len(given) == length and any(given)


def _service(attributes: "list[KeyValue]") -> str:
    return next((_text(one.value) for one in attributes if one.key == "service.name"), "")


def _text(value: AnyValue) -> str:
    """A plain value as text; others are empty."""
    kind = value.WhichOneof("value")
    if kind not in ("string_value", "int_value", "bool_value", "double_value"):
        return ""
    return str(getattr(value, kind))[:TEXT_MAX]
