"""What workers answered the driver that it could not use, counted, in words for the page. Pure."""

import re
from collections import Counter
from collections.abc import Iterable

from harness.evidence.starts import DriverEvent

SHOWN_MAX = 3
_FAILED_START = re.compile(r"[1-5]\d\d( |$)")
_LEFT_OVER = re.compile(r"left over \([^)]*\): last status (.*)", re.DOTALL)
_USUAL = ("running", "not asked", "not in the answer")
_TEXT_MAX = 200


def misheard(events: Iterable[DriverEvent]) -> tuple[str, ...]:
    """Sentences about refused starts and unreadable statuses, the most frequent first.

    A start without a connection is no answer, and an agent that is still running has a usual one;
    neither is told here.
    """
    refused: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    for event in events:
        left = _LEFT_OVER.fullmatch(event.status)
        if event.kind == "fail" and _FAILED_START.match(event.status):
            refused[_without_agent(event)] += 1
        elif left is not None and left[1] not in _USUAL:
            unread[left[1][:_TEXT_MAX]] += 1
    return (
        *_told(refused, "starts were refused", "expected 202 to POST /agents"),
        *_told(
            unread,
            "agents never ended, and their last status was",
            "expected GET /agents/{id} to answer 200 with status running, completed or failed, "
            "and output",
        ),
    )


def _told(counts: Counter[str], what: str, expected: str) -> list[str]:
    shown = [f"{count} {what}: {text}; {expected}" for text, count in counts.most_common(SHOWN_MAX)]
    hidden = len(counts) - SHOWN_MAX
    return [*shown, f"{hidden} more kinds of answers like these"] if hidden > 0 else shown


def _without_agent(event: DriverEvent) -> str:
    """The same refusal of many agents is one text."""
    return event.status.replace(event.agent, "<agent>")[:_TEXT_MAX]
