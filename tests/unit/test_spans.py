"""live/spans.jsonl: what is read is what was written, and what is not whole says so."""

import pytest

from harness.spans import read_spans
from tests.spans import file_of, span

WHOLE = file_of(
    span("1", agent="a1", begin_ns=1500, end_ns=1700), span("2", begin_ns=1800, end_ns=1900)
)


def test_times_are_on_the_scale_of_the_evidence() -> None:
    """With the monotonic clock at 40 at wall time 1000, a span of wall time 1500 began at 540."""
    log = read_spans(file_of(span("1", begin_ns=1500, end_ns=1700), monotonic_ns=40))

    assert [(one.begin_ns, one.end_ns) for one in log.spans] == [(540, 740)]
    assert log.problems == ()


def test_whole_file_has_no_problem() -> None:
    """Spans keep their ids, names and attributes, and their order."""
    log = read_spans(WHOLE)

    assert [one.id for one in log.spans] == ["1", "2"]
    assert log.spans[0].attributes == {"durabletask.task.instance_id": "a1"}
    assert log.problems == ()


def test_what_was_not_taken_is_told() -> None:
    """A full file is a problem; refused spans and requests are counts."""
    log = read_spans(file_of(span("1"), left_out=7, refused=2, bad_requests=3))

    assert (log.left_out_count, log.refused_count, log.bad_requests_count) == (7, 2, 3)
    assert log.problems == ("the file of spans was full: 7 spans are left out",)


@pytest.mark.parametrize(
    ("data", "spans", "problem"),
    [
        (b"", 0, "does not begin"),
        (b"\x00\xff\n", 0, "does not begin"),
        (WHOLE.replace(b'"schema":1', b'"schema":9'), 0, "does not begin"),
        (WHOLE[: WHOLE.rindex(b"{")], 2, "ended before it was asked to"),
        (WHOLE[: WHOLE.rindex(b"{") - 20], 1, "ended before it was asked to"),
        (WHOLE.replace(b'"spans":2', b'"spans":3'), 2, "has 2 spans, and says 3"),
        (WHOLE.replace(b'["t","2"', b'["t",2'), 1, "1 lines of spans.jsonl are no spans"),
        (WHOLE.replace(b'"left_out":0', b'"left_out":-5'), 2, "ended before it was asked to"),
        (WHOLE.replace(b"1800", b"[" * 100_000), 1, "1 lines of spans.jsonl are no spans"),
    ],
)
def test_damage_becomes_a_problem(data: bytes, spans: int, problem: str) -> None:
    """Whatever is cut or altered is said; what is left is read."""
    log = read_spans(data)

    assert len(log.spans) == spans
    assert any(problem in one for one in log.problems)
