"""What became of each message, a row a message, and the sums that must come out. Pure.

Called by the checker of promise M and by the page. A message is known by its id; what it is (topic,
key, number, poison) is what its publisher said when it first published it.
"""

from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_S
from harness.errors import HarnessError
from harness.history import NONE, BrokerRow, Evidence, Flags, Ints, MessageEvent, Messages
from harness.measures.exposure import NEVER
from harness.measures.latency import distribution
from harness.messages import BrokerFigures, MessageFigures
from harness.results import Distribution

STRIKES = ("broker_kill", "broker_restart", "broker_loss")
"""Faults of a broker's process. What they cut off, a sidecar may publish again unseen."""
START = "start"
"""Path of the message that starts its agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of each message, in the order of `Names.messages`."""

    agent: Ints
    path: Ints
    topic: Ints
    """Of its first publishing; NONE when nobody published it."""
    key: Ints
    number: Ints
    broker: Ints
    """That acknowledged it last, else the one that it was meant for; NONE when nobody knows."""
    is_poison: Flags
    publishings: Ints
    """How often it was about to be published."""
    published_seq: Ints
    """The first time; NEVER without one."""
    acknowledged_seq: Ints
    acknowledged_ns: Ints
    deliveries: Ints
    delivered_seq: Ints
    """The first time; NEVER without one."""
    delivered_ns: Ints
    last_delivered_seq: Ints
    """NONE without one."""
    dead_seq: Ints
    residue_seq: Ints

    @property
    def is_acknowledged(self) -> Flags:
        """Messages of which the broker said that it has them."""
        result: Flags = self.acknowledged_seq != NEVER
        return result

    @property
    def is_missing(self) -> Flags:
        """Acknowledged, and come nowhere: not to a handler, and not to the dead letters."""
        result: Flags = (
            self.is_acknowledged & (self.delivered_seq == NEVER) & (self.dead_seq == NEVER)
        )
        return result

    @property
    def is_open_poison(self) -> Flags:
        """Acknowledged poison that is no dead letter; how often it was tried does not matter."""
        result: Flags = self.is_acknowledged & self.is_poison & (self.dead_seq == NEVER)
        return result

    @property
    def is_left(self) -> Flags:
        """Found in a broker at the end."""
        result: Flags = self.residue_seq != NEVER
        return result


def story_of(evidence: Evidence) -> Story:
    """Fold the events of every message."""
    rows, count = evidence.messages, len(evidence.names.messages)
    first = _first(rows, np.arange(rows.count), count)
    published = np.flatnonzero(rows.what == MessageEvent.PUBLISHING)
    acknowledged = np.flatnonzero(rows.what == MessageEvent.ACKNOWLEDGED)
    delivered = np.flatnonzero(rows.what == MessageEvent.DELIVERED)
    said = _first(rows, published, count)
    is_poison = np.zeros(count, np.bool_)
    is_poison[rows.message[published[rows.is_poison[published]]]] = True
    broker = _last(rows, published[rows.broker[published] != NONE], count)
    taken = _last(rows, acknowledged[rows.broker[acknowledged] != NONE], count)
    return Story(
        agent=_at(rows.agent, first),
        path=_at(rows.path, first),
        topic=_at(rows.topic, said),
        key=_at(rows.key, said),
        number=_at(rows.number, said),
        broker=_at(rows.broker, np.where(taken == NONE, broker, taken)),
        is_poison=is_poison,
        publishings=np.bincount(rows.message[published], minlength=count).astype(np.int64),
        published_seq=_at(rows.seq, said, NEVER),
        acknowledged_seq=_at(rows.seq, _first(rows, acknowledged, count), NEVER),
        acknowledged_ns=_at(rows.t_ns, _first(rows, acknowledged, count), NEVER),
        deliveries=np.bincount(rows.message[delivered], minlength=count).astype(np.int64),
        delivered_seq=_at(rows.seq, _first(rows, delivered, count), NEVER),
        delivered_ns=_at(rows.t_ns, _first(rows, delivered, count), NEVER),
        last_delivered_seq=_at(rows.seq, _last(rows, delivered, count)),
        dead_seq=_at(rows.seq, _first(rows, _rows(rows, MessageEvent.DEAD_LETTER), count), NEVER),
        residue_seq=_at(rows.seq, _first(rows, _rows(rows, MessageEvent.RESIDUE), count), NEVER),
    )


def is_counted(evidence: Evidence, story: Story) -> Flags:
    """Messages of whose broker it is known what was left; of an unknown one, when all are."""
    counted = np.array([one.is_counted for one in evidence.brokers], np.bool_)
    every = bool(len(counted)) and bool(counted.all())
    result: Flags = np.append(counted, every)[story.broker]
    return result


def exposed_to(evidence: Evidence, story: Story) -> Ints:
    """Messages that were on their way at some moment of each struck fault's window, a count each.

    On its way: from its first publishing until a handler had it, or it became a dead letter.
    """
    arrived = np.minimum(story.delivered_seq, story.dead_seq)
    return np.array(
        [
            np.count_nonzero(
                (story.published_seq < (NEVER if fault.healed_seq == NONE else fault.healed_seq))
                & (arrived > fault.firing_seq)
            )
            for fault in evidence.faults
            if fault.has_struck
        ],
        np.int64,
    )


def latencies_of(evidence: Evidence) -> tuple[Distribution, ...]:
    """Acknowledged to first delivered; nothing in a run without messages."""
    if not evidence.messages.count:
        return ()
    found = distribution("message", latency_ns(story_of(evidence)))
    return (found,) if found.count else ()


def latency_ns(story: Story) -> Ints:
    """Acknowledged to first delivered; 0 where the handler was told before the publisher."""
    both = story.is_acknowledged & (story.delivered_seq != NEVER)
    took: Ints = story.delivered_ns[both] - story.acknowledged_ns[both]
    return np.maximum(took, 0)


def silence_ns(story: Story) -> int:
    """Longest time in which nothing was delivered while something was waiting that came later."""
    come = np.flatnonzero(story.is_acknowledged & (story.delivered_seq != NEVER))
    if not len(come):
        return 0
    come = come[np.argsort(story.delivered_seq[come], kind="stable")]
    delivered = story.delivered_ns[come]
    waiting_since = np.minimum.accumulate(story.acknowledged_ns[come][::-1])[::-1]
    before = np.append(np.iinfo(np.int64).min, delivered[:-1])
    return max(0, int((delivered - np.maximum(before, waiting_since)).max()))


def figures_of(evidence: Evidence) -> MessageFigures | None:
    """The counts of a run, whose sum is checked, with latency and silence; None without any."""
    if not evidence.messages.count:
        return None
    story = story_of(evidence)
    is_missing, is_known = story.is_missing, is_counted(evidence, story)
    has_arrived = story.delivered_seq != NEVER
    is_open = (story.publishings > 0) & ~story.is_acknowledged
    figures = MessageFigures(
        published_count=_sum(story.publishings > 0),
        acknowledged_count=_sum(story.is_acknowledged),
        delivered_count=_sum(story.is_acknowledged & has_arrived),
        dead_letter_count=_sum(story.is_acknowledged & ~has_arrived & ~is_missing),
        stranded_count=_sum(is_missing & story.is_left),
        lost_count=_sum(is_missing & ~story.is_left & is_known),
        unknown_count=_sum(is_missing & ~story.is_left & ~is_known),
        unacknowledged_count=_sum(is_open),
        unacknowledged_delivered_count=_sum(is_open & has_arrived),
        again_count=int(np.maximum(story.deliveries - 1, 0).sum()),
        dead_letters_count=_sum(story.dead_seq != NEVER),
        silence_s=round(silence_ns(story) / NS_PER_S, 3),
        brokers=tuple(_broker(evidence, number) for number in range(len(evidence.brokers))),
        disagreements=tuple(disagreements(evidence, story)),
    )
    parts = (
        figures.delivered_count
        + figures.dead_letter_count
        + figures.stranded_count
        + figures.lost_count
        + figures.unknown_count
    )
    if parts != figures.acknowledged_count:
        raise HarnessError(f"{figures.acknowledged_count} acknowledged, parts add up to {parts}")
    return figures


def _broker(evidence: Evidence, number: int) -> BrokerFigures:
    broker = evidence.brokers[number]
    found = residue_count(evidence, number)
    return BrokerFigures(
        name=broker.name,
        delivery=broker.declared.delivery,
        is_ordered=broker.declared.is_ordered,
        acknowledged_count=acknowledgements(evidence, number),
        left_count=found if broker.is_counted or found else NONE,
        own_left_count=broker.left,
        own_published_count=broker.published,
    )


def _sum(flags: Flags) -> int:
    return int(np.count_nonzero(flags))


def disagreements(evidence: Evidence, story: Story) -> list[str]:
    """Where a broker's own counters say something else than the ledger."""
    rows = evidence.messages
    found = []
    is_struck = any(fault.kind in STRIKES for fault in evidence.faults)
    for number, broker in enumerate(evidence.brokers):
        left, taken = residue_count(evidence, number), acknowledgements(evidence, number)
        meant = _count(rows, MessageEvent.PUBLISHING, number)
        if broker.left not in (NONE, left):
            found.append(f"{broker.name} says that {broker.left} are left, {left} were found in it")
        most = NEVER if is_struck else max(meant, taken)
        if broker.published != NONE and not taken <= broker.published <= most:
            found.append(
                f"{broker.name} says that it was given {broker.published}, and the ledger has "
                f"{taken} acknowledged of {meant} published to it"
            )
    return found


def residue_count(evidence: Evidence, broker: int) -> int:
    """Entries found in a broker at the end: a message that was published twice may be two."""
    return _count(evidence.messages, MessageEvent.RESIDUE, broker)


def acknowledgements(evidence: Evidence, broker: int) -> int:
    """How often a broker said yes."""
    return _count(evidence.messages, MessageEvent.ACKNOWLEDGED, broker)


def bound_of(brokers: tuple[BrokerRow, ...], broker: Ints) -> Ints:
    """Deliveries that each message may have before it is a dead letter; NEVER when nobody said."""
    bounds = [NEVER if one.deliveries_max == NONE else one.deliveries_max for one in brokers]
    return np.array([*bounds, NEVER], np.int64)[broker]


def _rows(rows: Messages, what: MessageEvent) -> Ints:
    return np.flatnonzero(rows.what == what)


def _count(rows: Messages, what: MessageEvent, broker: int) -> int:
    return int(np.count_nonzero((rows.what == what) & (rows.broker == broker)))


def _first(rows: Messages, chosen: Ints, count: int) -> Ints:
    """The first chosen row of each message; NONE without."""
    return _last(rows, chosen[::-1], count)


def _last(rows: Messages, chosen: Ints, count: int) -> Ints:
    """The last chosen row of each message: of equal places the last writer stays."""
    found = np.full(count, NONE, np.int64)
    found[rows.message[chosen]] = chosen
    return found


def _at(
    column: np.ndarray[tuple[int], np.dtype[np.signedinteger]], row: Ints, none: int = NONE
) -> Ints:
    """The column at each row; ``none`` where there is no row."""
    return np.where(row == NONE, none, np.append(column, none)[row]).astype(np.int64)
