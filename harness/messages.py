"""What a judged run says of its messages: a part of results.json; see harness.results.

Its latency stands among the run's other latencies, as ``message``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFigures:
    """One broker's part of the messages, and its own counters beside."""

    name: str
    delivery: str
    """What it declares: at least once | at most once | exactly once; empty for nothing."""
    is_ordered: bool
    acknowledged_count: int
    """How often it said yes."""
    left_count: int
    """Entries found in it at the end; -1 when nobody looked."""
    own_left_count: int
    """What it itself says is left; -1 when it cannot say."""
    own_published_count: int
    """What it itself says it was given; -1 when it cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFigures:
    """What became of the messages of a run; made by `harness.measures.messages`.

    acknowledged = delivered + dead letters + stranded + lost + unknown, of these acknowledged ones.
    """

    published_count: int
    """Messages that were about to be published, each once."""
    acknowledged_count: int
    delivered_count: int
    """Acknowledged ones that a handler had at least once."""
    dead_letter_count: int
    """Acknowledged ones that became dead letters before any handler had them."""
    stranded_count: int
    lost_count: int
    unknown_count: int
    """Neither delivered nor found, where nobody looked at what was left."""
    unacknowledged_count: int
    """Published, and never acknowledged: whether they came in was undecided."""
    unacknowledged_delivered_count: int
    """Of these, those that came in all the same."""
    again_count: int
    """Deliveries beyond the first of a message."""
    dead_letters_count: int
    """Dead letters in all, tried before or not."""
    silence_s: float
    """Longest time without a delivery while something waited that came later."""
    brokers: tuple[BrokerFigures, ...]
    disagreements: tuple[str, ...]
    """Where a broker's own counters say something else."""
