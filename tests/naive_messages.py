"""The naive judge of messages: of each one its events, and what became of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from harness.history import Evidence, Kind, MessageEvent
from tests.naive_records import Row, overlaps


@dataclass(slots=True)
class Event:
    """Something that happened to a message."""

    seq: int
    t_ns: int
    what: int
    id: int
    agent: int
    path: int
    name: str
    topic: int
    key: int
    number: int
    broker: int
    is_poison: bool


def events_of(evidence: Evidence) -> list[Event]:
    messages, paths = evidence.messages, evidence.names.paths
    return [
        Event(
            seq=int(messages.seq[place]),
            t_ns=int(messages.t_ns[place]),
            what=int(messages.what[place]),
            id=int(messages.message[place]),
            agent=int(messages.agent[place]),
            path=int(messages.path[place]),
            name=paths[int(messages.path[place])] if messages.path[place] >= 0 else "",
            topic=int(messages.topic[place]),
            key=int(messages.key[place]),
            number=int(messages.number[place]),
            broker=int(messages.broker[place]),
            is_poison=bool(messages.is_poison[place]),
        )
        for place in range(messages.count)
    ]


def post_of(evidence: Evidence) -> Post:
    """The messages of a run, for their counts."""
    return Post(evidence, {}, 0)


@dataclass(slots=True)
class Mail:
    """One message."""

    agent: int
    path: int
    name: str
    published: list[Event] = field(default_factory=list)
    acknowledged: list[Event] = field(default_factory=list)
    delivered: list[Event] = field(default_factory=list)
    dead: list[Event] = field(default_factory=list)
    residue: list[Event] = field(default_factory=list)

    @property
    def broker(self) -> int:
        for events in (self.acknowledged, self.published):
            known = [event.broker for event in events if event.broker >= 0]
            if known:
                return known[-1]
        return -1


class Post:
    """All messages of a run."""

    def __init__(self, evidence: Evidence, by_agent: dict[int, list[Row]], deadline: int) -> None:
        self.evidence, self.by_agent, self.deadline = evidence, by_agent, deadline
        self.mail: dict[int, Mail] = {}
        for event in events_of(evidence):
            one = self.mail.setdefault(event.id, Mail(event.agent, event.path, event.name))
            lists = {
                MessageEvent.PUBLISHING: one.published,
                MessageEvent.ACKNOWLEDGED: one.acknowledged,
                MessageEvent.DELIVERED: one.delivered,
                MessageEvent.DEAD_LETTER: one.dead,
                MessageEvent.RESIDUE: one.residue,
            }
            if event.what in lists:
                lists[MessageEvent(event.what)].append(event)

    def fate(self, one: Mail) -> str:
        """Of an acknowledged message; empty for any other."""
        if not one.acknowledged:
            return ""
        if one.delivered:
            return "delivered"
        if one.dead:
            return "dead"
        if one.residue:
            return "stranded"
        return "lost" if self.is_known(one) else "unknown"

    def fates(self) -> Counter[str]:
        return Counter(fate for one in self.mail.values() if (fate := self.fate(one)))

    def exposed(self) -> int:
        return sum(
            fault.has_struck
            and bool(one.published)
            and (fault.healed_seq < 0 or one.published[0].seq < fault.healed_seq)
            and all(event.seq > fault.firing_seq for event in one.delivered + one.dead)
            for one in self.mail.values()
            for fault in self.evidence.faults
        )

    def findings(self) -> Iterable[tuple[str, int, int]]:
        names = {"lost": "lost-message", "stranded": "stranded-message"}
        for one in self.mail.values():
            found = [names[fate] for fate in [self.fate(one)] if fate in names]
            found += [
                name
                for name, is_so in (
                    ("phantom-delivery", self.is_phantom(one)),
                    ("duplicate-delivery", self.is_doubled(one)),
                    ("cross-topic", self.is_astray(one)),
                    ("dropped-poison", self.is_dropped(one)),
                    ("unaccounted-dead-letter", self.is_unaccounted(one)),
                    ("lost-message-start", self.is_unheeded(one)),
                )
                if is_so
            ]
            for name in found:
                yield name, one.agent, one.path
        yield from self.overtaken()

    def is_phantom(self, one: Mail) -> bool:
        came = [event.seq for event in one.delivered + one.dead]
        return bool(came) and (not one.published or min(came) < one.published[0].seq)

    def is_doubled(self, one: Mail) -> bool:
        if not one.published or one.broker < 0 or any(event.is_poison for event in one.published):
            return False
        declared = self.evidence.brokers[one.broker].declared.delivery
        is_strict = declared in ("exactly once", "at most once")
        return is_strict and len(one.delivered) > len(one.published)

    def is_astray(self, one: Mail) -> bool:
        meant = {event.topic for event in one.published}
        return bool(meant) and any(event.topic not in meant for event in one.delivered)

    def is_open_poison(self, one: Mail) -> bool:
        is_poison = any(event.is_poison for event in one.published)
        return bool(one.acknowledged) and is_poison and not one.dead and not one.residue

    def is_known(self, one: Mail) -> bool:
        brokers = self.evidence.brokers
        concerned = [brokers[one.broker]] if one.broker >= 0 else list(brokers)
        return bool(concerned) and all(broker.is_counted for broker in concerned)

    def is_dropped(self, one: Mail) -> bool:
        return self.is_open_poison(one) and bool(one.delivered) and self.is_known(one)

    def is_unaccounted(self, one: Mail) -> bool:
        if not one.dead or not one.published or any(event.is_poison for event in one.published):
            return False
        dead = one.dead[0].seq
        tries = sum(event.seq < dead for event in one.delivered)
        most = self.evidence.brokers[one.broker].deliveries_max if one.broker >= 0 else -1
        if most >= 0 and tries >= most:
            return False
        faults = self.evidence.faults
        return not any(overlaps(fault, one.published[0].seq, dead) for fault in faults)

    def is_unheeded(self, one: Mail) -> bool:
        evidence = self.evidence
        if one.name != "start" or one.agent < 0 or not one.delivered or one.dead:
            return False
        if any(row.kind != Kind.EVENT for row in self.by_agent.get(one.agent, [])):
            return False
        if one.agent in evidence.outcomes.agent.tolist():
            return False
        end = evidence.phases.get("end", -1)
        is_healed = all(fault.healed_seq >= 0 for fault in evidence.faults)
        waited_from = one.delivered[0].t_ns + evidence.liveness_ns
        return is_healed and end >= self.deadline and end >= waited_from

    def overtaken(self) -> Iterable[tuple[str, int, int]]:
        queues: dict[tuple[int, int, int], list[Mail]] = defaultdict(list)
        for one in self.mail.values():
            if one.published and one.delivered and one.broker >= 0:
                said = one.published[0]
                is_ordered = self.evidence.brokers[one.broker].declared.is_ordered
                if is_ordered and said.key >= 0 and said.number >= 0:
                    queues[said.key, said.topic, one.broker].append(one)
        for queue in queues.values():
            queue.sort(key=lambda one: one.published[0].number)
            for one, two in pairwise(queue):
                is_next = one.published[0].number < two.published[0].number
                is_after = one.acknowledged and (one.acknowledged[0].seq < two.published[0].seq)
                late = one.delivered[0].seq
                is_excused = any(
                    fault.is_shared and overlaps(fault, one.published[0].seq, late)
                    for fault in self.evidence.faults
                )
                if is_next and is_after and late > two.delivered[0].seq and not is_excused:
                    yield "reordered-message", one.agent, one.path
