"""The page's tables of messages: a broker whose counters contradict the ledger is marked."""

from dataclasses import replace

import pytest

from harness.messages import BrokerFigures, MessageFigures
from reports.messages import brokers
from tests.report_fixtures import valid_run

AGREED = BrokerFigures(
    name="redis",
    delivery="at least once",
    is_ordered=False,
    acknowledged_count=20,
    left_count=2,
    own_left_count=2,
    own_published_count=20,
)


def tones(broker: BrokerFigures) -> tuple[str, str]:
    """Of what it was given and of what it has left."""
    messages = MessageFigures(
        published_count=20,
        acknowledged_count=20,
        delivered_count=20,
        dead_letter_count=0,
        stranded_count=0,
        lost_count=0,
        unknown_count=0,
        unacknowledged_count=0,
        unacknowledged_delivered_count=0,
        again_count=0,
        dead_letters_count=0,
        silence_s=0.0,
        brokers=(broker,),
        disagreements=(),
    )
    table = brokers(replace(valid_run(), messages=messages))
    assert table is not None
    (row,) = table.rows
    return row[4].tone, row[6].tone


@pytest.mark.parametrize(
    ("broker", "expected"),
    [
        (AGREED, ("", "")),
        (replace(AGREED, own_published_count=19), ("bad", "")),
        (replace(AGREED, own_left_count=1), ("", "bad")),
        (replace(AGREED, left_count=0), ("", "bad")),
        (replace(AGREED, own_published_count=-1, own_left_count=-1), ("", "")),
        (replace(AGREED, left_count=-1), ("", "")),
    ],
)
def test_a_counter_that_contradicts_the_ledger_is_marked(
    broker: BrokerFigures, expected: tuple[str, str]
) -> None:
    """What a broker does not count, or nobody looked for, contradicts nothing."""
    assert tones(broker) == expected
