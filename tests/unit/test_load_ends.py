"""When agents are asked, and what the answers of workers and witness mean."""

import msgspec
import pytest

from harness.load.ends import (
    Ended,
    EndSeen,
    NotYet,
    ask_delay_ns,
    ends_of,
    is_unsupported,
    status_of,
    statuses_of,
)
from harness.load.wire import Lost, Refused, Replied


def replied(value: object, status: int = 200) -> Replied:
    return Replied(status=status, body=msgspec.json.encode(value))


def test_asks_start_at_once_and_slow_down_to_two_seconds() -> None:
    """0, 50, 100, 200 ms and so on, never more than 2 s."""
    delays_ms = [ask_delay_ns(tries) // 1_000_000 for tries in range(10)]

    assert delays_ms == [0, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]


@pytest.mark.parametrize(
    ("output", "text"),
    [("<<r.1>>", "<<r.1>>"), ({"a": ["<<r.1>>"]}, '{"a":["<<r.1>>"]}'), (None, "null"), (3, "3")],
)
def test_output_of_any_kind_becomes_text(output: object, text: str) -> None:
    """A string is taken as it is, all else as its JSON."""
    found = status_of(replied({"status": "completed", "output": output}))

    assert found == Ended(status="completed", text=text)


def test_escaped_brackets_are_receipts_too() -> None:
    """A worker that escapes < and > in JSON loses no receipt."""
    body = b'{"status": "failed", "output": {"t": "\\u003c\\u003cr.1\\u003e\\u003e"}}'

    found = status_of(Replied(status=200, body=body))

    assert found == Ended(status="failed", text='{"t":"<<r.1>>"}')


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (replied({"status": "running", "output": None}), "running"),
        (replied({}, status=404), "404"),
        (Lost(reason="reset"), "reset"),
        (Refused(reason="no one"), "no one"),
    ],
)
def test_all_else_is_not_yet(answer: Replied | Lost | Refused, status: str) -> None:
    """Running, absent, and unanswered decide nothing, in words."""
    assert status_of(answer) == NotYet(status=status)


def test_nonsense_is_not_yet() -> None:
    """A body that is no status is no end."""
    found = status_of(Replied(status=200, body=b"<html>"))

    assert isinstance(found, NotYet)
    assert found.status.startswith("unreadable status")


def test_many_statuses() -> None:
    """One answer for many agents is read like many answers."""
    answer = replied(
        {"agents": {"a": {"status": "completed", "output": "x"}, "b": {"status": "?"}, "c": None}}
    )

    assert statuses_of(answer) == {
        "a": Ended(status="completed", text="x"),
        "b": NotYet(status="?"),
        "c": NotYet(status="404"),
    }
    assert statuses_of(Replied(status=200, body=b"[]")) is None
    assert [is_unsupported(replied({}, status=code)) for code in (200, 404, 405)] == [
        False,
        True,
        True,
    ]


def test_the_feed_of_ends() -> None:
    """Rows of the feed are read; anything else is no feed."""
    row = {"seq": 7, "agent": "a", "caller": "agents-0.1"}

    assert ends_of(replied({"ends": [row]})) == (EndSeen(seq=7, agent="a", caller="agents-0.1"),)
    assert ends_of(replied({"ends": []})) == ()
    assert ends_of(replied({}, status=500)) is None
    assert ends_of(Lost(reason="reset")) is None
