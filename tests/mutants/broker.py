"""A message broker in the stage's process: right by default, wrong in one chosen way.

A queue a key, its messages handled one after the other; what a handler did not live to acknowledge
is delivered again. Publishers and handlers tell the witness as real workers do. A switch spoils the
messages of chosen agents, and what it spoiled is written down: a checker must name that, no more.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import msgspec

from mock_llm.messages import FoundMessage, tell
from mock_llm.witness import Witness

NAME = "stage"
WIRE_S = 0.002
HANDLING_S = 0.05
POLL_S = 0.1
TRIES_MAX = 3
"""Deliveries of a poison message before it is a dead letter."""

SWITCHES = {
    "drop": "lost-message",
    "strand": "stranded-message",
    "duplicate": "duplicate-delivery",
    "reorder": "reordered-message",
    "invent": "phantom-delivery",
    "misroute": "cross-topic",
    "bury": "unaccounted-dead-letter",
    "forget": "dropped-poison",
    "deafen": "lost-message-start",
    "twice": "duplicate-message-start",
}
"""Switch -> the anomaly that it makes."""
OF_STARTS = ("deafen", "twice")
"""Switches that spoil messages which start agents; the others spoil results."""

Handler = Callable[["Mail"], Awaitable[bool]]
"""Handles a message; False when the handler did not live to acknowledge it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """What a run does with messages."""

    switch: str = ""
    """A name of `SWITCHES`; empty for a broker that is right."""
    rate: int = 3
    """One agent in so many is chosen."""
    results: int = 3
    """Messages that an agent publishes when it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message."""

    id: str
    topic: str
    key: str
    number: int
    is_poison: bool = False


@dataclass(slots=True)
class StageBroker:
    """The broker of one run."""

    witness: Witness
    mailing: Mailing
    handle: Handler
    who_handles: Callable[[Mail], str]
    """The caller that a message goes to; empty while there is none."""
    planted: set[tuple[str, str, str]] = field(default_factory=set)
    """(anomaly, agent, path)"""
    queues: dict[str, deque[Mail]] = field(default_factory=dict)
    servers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    left: list[Mail] = field(default_factory=list)
    held: dict[str, Mail] = field(default_factory=dict)
    given: int = 0

    def open(self) -> None:
        """What the harness notes before the load."""
        self.witness.note("broker", NAME, "{}")
        self.witness.note("retry-bound", NAME, json.dumps({"deliveries_max": TRIES_MAX}))

    @property
    def is_busy(self) -> bool:
        return any(self.queues.values())

    async def publish(self, caller: str, mail: Mail) -> None:
        """Publish, and come back with the acknowledgement."""
        self.tell("publishing", caller, mail)
        await asyncio.sleep(WIRE_S)
        self.given += 1
        self.accept(mail)
        self.tell("acknowledged", caller, mail)
        await asyncio.sleep(WIRE_S)

    def accept(self, mail: Mail) -> None:
        if self.is_spoiled("drop", mail):
            self.plant("drop", mail)
        elif self.is_spoiled("strand", mail):
            self.plant("strand", mail)
            self.left.append(mail)
        elif self.is_spoiled("reorder", mail):
            self.held[mail.key] = mail
        else:
            self.enqueue(mail)
            if mail.key in self.held and mail.topic == self.held[mail.key].topic:
                late = self.held.pop(mail.key)
                self.plant("reorder", late)
                self.enqueue(late)

    def enqueue(self, mail: Mail) -> None:
        self.queues.setdefault(mail.key, deque()).append(mail)
        if mail.key not in self.servers:
            self.servers[mail.key] = asyncio.ensure_future(self.serve(self.queues[mail.key]))

    async def serve(self, queue: deque[Mail]) -> None:
        """Deliver the messages of one key, for ever."""
        while True:
            while not queue:
                await asyncio.sleep(POLL_S)
            await self.deliver(queue[0])
            queue.popleft()

    async def deliver(self, mail: Mail) -> None:
        """Until a handler lived to acknowledge it; poison until it was tried often enough."""
        tries = 0
        while True:
            await asyncio.sleep(WIRE_S)
            caller = self.who_handles(mail)
            if not caller:
                continue
            self.tell_delivered(caller, mail)
            tries += 1
            is_done = await self.handle(mail)
            if is_done and not mail.is_poison:
                break
            if mail.is_poison and tries >= TRIES_MAX:
                if self.mailing.switch == "forget":
                    self.plant("forget", mail)
                else:
                    self.tell("dead_letter", caller, mail)
                return
        if self.is_spoiled("duplicate", mail):
            self.plant("duplicate", mail)
            self.tell("delivered", caller, mail)
        if self.is_spoiled("bury", mail):
            self.plant("bury", mail)
            self.tell("dead_letter", caller, mail)

    def tell_delivered(self, caller: str, mail: Mail) -> None:
        if self.is_spoiled("misroute", mail):
            self.plant("misroute", mail)
            mail = replace(mail, topic="elsewhere")
        self.tell("delivered", caller, mail)
        if self.is_spoiled("invent", mail):
            ghost = f"{mail.key}/ghost"
            self.planted.add((SWITCHES["invent"], mail.key, "ghost"))
            self.tell("delivered", caller, Mail(id=ghost, topic=mail.topic, key="", number=-1))

    def close(self) -> None:
        """Look into the broker, as the harness does when all is over."""
        for task in self.servers.values():
            task.cancel()
        left = [*self.left, *self.held.values(), *(one for q in self.queues.values() for one in q)]
        for mail in left:
            self.tell("residue", "-", mail)
        counters = {"left": len(left), "published": self.given}
        self.witness.note("residue", NAME, json.dumps(counters))

    def is_spoiled(self, switch: str, mail: Mail) -> bool:
        """Whether the switch is on and meant for this message: one of a chosen agent."""
        is_start = mail.id.endswith("/start")
        if self.mailing.switch != switch or mail.is_poison or is_start != (switch in OF_STARTS):
            return False
        is_chosen = zlib.crc32(mail.key.encode()) % self.mailing.rate == 0
        return is_chosen and (is_start or mail.number == 1)

    def plant(self, switch: str, mail: Mail) -> None:
        agent, _, path = mail.id.partition("/")
        self.planted.add((SWITCHES[switch], agent, path if switch != "twice" else ""))

    def tell(self, what: str, caller: str, mail: Mail) -> None:
        told = {"what": what, "id": mail.id, "topic": mail.topic, "broker": NAME}
        if what == "publishing":
            told |= {"key": mail.key, "number": mail.number, "is_poison": mail.is_poison}  # type: ignore[dict-item]
        tell(self.witness, caller, [msgspec.convert(told, FoundMessage)])


def results_of(agent: str, mailing: Mailing) -> list[Mail]:
    """What an agent publishes at its end; the last message of one in five is poison."""
    return [
        Mail(
            id=f"{agent}/r{number}",
            topic="results",
            key=agent,
            number=number,
            is_poison=number == mailing.results and zlib.crc32(agent.encode()) % 5 == 1,
        )
        for number in range(1, mailing.results + 1)
    ]


def start_of(agent: str) -> Mail:
    """What starts an agent."""
    return Mail(id=f"{agent}/start", topic="starts", key=agent, number=0)
