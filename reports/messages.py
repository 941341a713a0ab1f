"""The messages of one run: what became of them, and the brokers' own counters. Pure.

Nothing is shown of a run without messages.
"""

from collections.abc import Iterator

from harness.messages import BrokerFigures, MessageFigures
from harness.results import RunResult
from reports import wording
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, percent, seconds


def tables(run: RunResult) -> Iterator[Table]:
    """What became of the messages, and a row a broker."""
    for table in (counts(run), brokers(run)):
        if table is not None:
            yield table


def counts(run: RunResult) -> Table | None:
    """Every acknowledged message in one of five rows, whose sum is all; None without messages."""
    found = run.messages
    if found is None:
        return None
    return Table(
        key="messages",
        caption="What became of the messages",
        head=(
            Head(text="Messages"),
            Head(text="Count", is_number=True),
            Head(text="Share", is_number=True),
            Head(text="Meaning", is_long=True),
        ),
        rows=(*_parts(found), *_beside(found)),
        note=f"Longest time without a delivery while something waited: {seconds(found.silence_s)}. "
        f"The sum: {_sum(found)}",
    )


def brokers(run: RunResult) -> Table | None:
    """What each broker declares and says itself, beside what the ledger has; None without any."""
    found = run.messages
    if found is None or not found.brokers:
        return None
    return Table(
        key="brokers",
        caption="The brokers' own counters",
        head=(
            Head(text="Broker"),
            Head(text="Declares"),
            Head(text="Order"),
            Head(text="Acknowledged", is_number=True),
            Head(text="It was given", is_number=True),
            Head(text="Found at the end", is_number=True),
            Head(text="It has left", is_number=True),
        ),
        rows=tuple(_broker(one) for one in found.brokers),
        note=" ".join(wording.sentence(each) for each in found.disagreements)
        or "No counter contradicts the ledger. A broker may be given a message without a word. "
        f"{NONE}: it keeps no such count.",
    )


def _parts(found: MessageFigures) -> Iterator[tuple[Value, ...]]:
    whole = found.acknowledged_count
    for title, value, meaning, tone in (
        ("acknowledged", whole, "the broker said that it has them", ""),
        ("delivered", found.delivered_count, "a handler had them at least once", ""),
        ("dead letters", found.dead_letter_count, "before any handler had them", ""),
        ("stranded", found.stranded_count, "left behind in a broker: not gone", "bad"),
        ("lost", found.lost_count, "delivered to nobody, and in no broker", "bad"),
        ("unknown", found.unknown_count, "nobody looked at what was left", "warn"),
    ):
        share = percent(value / whole) if whole else NONE
        yield (
            text(title),
            number(count(value), value, tone=tone if value else ""),
            number(share, value / whole if whole else -1.0),
            text(meaning),
        )


def _beside(found: MessageFigures) -> Iterator[tuple[Value, ...]]:
    for title, value, meaning in (
        ("never acknowledged", found.unacknowledged_count, "published, with no word of the broker"),
        (
            "of these delivered",
            found.unacknowledged_delivered_count,
            "they came in all the same",
        ),
        ("delivered again", found.again_count, "deliveries beyond the first of a message"),
        ("dead letters in all", found.dead_letters_count, "those that a handler had had, too"),
    ):
        yield text(title), number(count(value), value), number(NONE, -1), text(meaning)


def _sum(found: MessageFigures) -> str:
    """The parts and what they add up to; the harness asserts it."""
    parts = (
        found.delivered_count,
        found.dead_letter_count,
        found.stranded_count,
        found.lost_count,
        found.unknown_count,
    )
    return f"{' + '.join(count(part) for part in parts)} = {count(found.acknowledged_count)}."


def _broker(one: BrokerFigures) -> tuple[Value, ...]:
    def shown(value: int, *, is_wrong: bool = False) -> Value:
        return number(count(value) if value >= 0 else NONE, value, tone="bad" if is_wrong else "")

    is_short = 0 <= one.own_published_count < one.acknowledged_count
    has_other = min(one.own_left_count, one.left_count) >= 0 and (
        one.own_left_count != one.left_count
    )
    return (
        text(wording.one_line(one.name)),
        text(wording.one_line(one.delivery) or "nothing"),
        text("per key" if one.is_ordered else "none"),
        shown(one.acknowledged_count),
        shown(one.own_published_count, is_wrong=is_short),
        shown(one.left_count),
        shown(one.own_left_count, is_wrong=has_other),
    )
