"""Spans as a run keeps them: live/spans.jsonl, what engines exported over OTLP, a line each.

Written by the sink (`harness.otlp`), read when a run is judged. An engine writes its spans itself:
they are no evidence, and no checker sees them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

SCHEMA = 1
AGENT_ATTRIBUTES = (
    "durabletask.task.instance_id",
    "dapr.ext.workflow._durabletask.task.instance_id",
    "workflow.instance_id",
    "langsmith.metadata.thread_id",
    "operationUUID",
)
"""Attributes whose value names the agent, or an instance of its own that the agent started: of
Dapr's sidecar, Dapr's SDK, Dapr Agents' instrumentor, LangSmith's exporter and DBOS."""
STEP_ATTRIBUTES = {
    "durabletask.type": ("activity",),
    "dapr.ext.workflow._durabletask.activity.name": (),
    "workflow.activity": (),
    "operationType": ("step",),
    "gen_ai.operation.name": ("chat", "execute_tool"),
}
"""Attribute -> the values by which a span says that it is a piece of an agent's work, and not the
agent as a whole; empty for any value. Of Dapr's sidecar, SDK and instrumentor, and of DBOS; the
last is of OpenTelemetry's conventions for generative AI."""
KEPT_ATTRIBUTES = frozenset((*AGENT_ATTRIBUTES, *STEP_ATTRIBUTES))
TEXT_MAX = 120
"""Signs that are kept of a name or a value."""
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Span(msgspec.Struct, frozen=True, array_like=True):
    """One span; ids are lower-case hexadecimal."""

    trace: str
    id: str
    parent: str
    """Empty for a root."""
    name: str
    service: str
    begin_ns: int
    """Of the wall clock in the file, of CLOCK_MONOTONIC when it was read."""
    end_ns: int
    attributes: dict[str, str]
    """Those of KEPT_ATTRIBUTES."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """First line: one moment on both clocks, since spans know the wall clock alone."""

    schema: int = SCHEMA
    run: str
    wall_ns: Natural
    monotonic_ns: Natural


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Last line, written when the sink is asked to end."""

    spans: Natural
    left_out: Natural
    """Spans that came when the file was full."""
    refused: Natural
    """Spans without proper ids or times."""
    bad_requests: Natural
    """Requests that were no OTLP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLog:
    """What the sink wrote down, times on the scale of the evidence."""

    spans: tuple[Span, ...]
    left_out_count: int = 0
    refused_count: int = 0
    bad_requests_count: int = 0
    problems: tuple[str, ...] = ()
    """Why figures made of it are not to be trusted, in words."""


def line_of(record: Span | Head | Totals) -> bytes:
    """A record as it stands in the file."""
    return msgspec.json.encode(record) + b"\n"


def read_spans(data: bytes) -> SpanLog:
    """Read the file; damage becomes a problem in plain words."""
    lines = data.splitlines()
    problems: list[str] = []
    head = _decoded(lines[0], Head) if lines else None
    if not isinstance(head, Head) or head.schema not in (SCHEMA, SCHEMA - 1):
        return SpanLog(spans=(), problems=("spans.jsonl does not begin as this version writes it",))
    totals = _decoded(lines[-1], Totals)
    if not isinstance(totals, Totals):
        totals = Totals(spans=0, left_out=0, refused=0, bad_requests=0)
        problems.append("the sink of spans ended before it was asked to: its last spans may lack")
        rest = lines[1:] if data.endswith(b"\n") else lines[1:-1]
    else:
        rest = lines[1:-1]
        if totals.spans != len(rest):
            problems.append(f"spans.jsonl has {len(rest)} spans, and says {totals.spans}")
    if totals.left_out:
        problems.append(f"the file of spans was full: {totals.left_out} spans are left out")
    spans, unread = _spans(rest, head)
    if unread:
        problems.append(f"{unread} lines of spans.jsonl are no spans")
    return SpanLog(
        spans=spans,
        left_out_count=totals.left_out,
        refused_count=totals.refused,
        bad_requests_count=totals.bad_requests,
        problems=tuple(problems),
    )


def _spans(lines: Iterable[bytes], head: Head) -> tuple[tuple[Span, ...], int]:
    """The spans on the monotonic scale, and how many lines are none."""
    shift_ns = head.monotonic_ns - head.wall_ns
    found, unread = [], 0
    for line in lines:
        span = _decoded(line, Span)
        if isinstance(span, Span):
            found.append(
                msgspec.structs.replace(
                    span, begin_ns=span.begin_ns + shift_ns, end_ns=span.end_ns + shift_ns
                )
            )
        else:
            unread += 1
    return tuple(found), unread


def _decoded(line: bytes, kind: type[Span | Head | Totals]) -> Span | Head | Totals | None:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
