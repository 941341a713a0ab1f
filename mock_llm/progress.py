"""Where the run stands, counted as it goes: for placing faults, for the driver's waits, for
metrics.

In memory only, and never evidence: the ledger is. Grows with the run's steps, agents and
messages, no further.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable

import msgspec

NS_PER_S = 1_000_000_000
RATE_WINDOW_S = 5
"""Answers per second are a mean over so many whole seconds."""

ENDS_MAX = 1_000_000
"""Above it the feed forgets its older half; a run has fewer agents."""

ENDS_PER_ANSWER = 10_000


class EndedAgent(msgspec.Struct, frozen=True):
    """One `last` final answer."""

    seq: int
    """Sequence number of its end record."""
    agent: str
    """The agent that has its last answer."""
    caller: str
    """Who got it."""


class EndsFeed:
    """The `last` answers of the run, for readers that wait for the next one."""

    def __init__(self) -> None:
        self._ends: list[EndedAgent] = []
        self._agents: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def agents_count(self) -> int:
        """Distinct agents that had a `last` answer."""
        return len(self._agents)

    def add(self, end: EndedAgent) -> None:
        """Append one and wake the waiters."""
        if len(self._ends) >= ENDS_MAX:
            del self._ends[: ENDS_MAX // 2]
        self._ends.append(end)
        self._agents.add(end.agent)
        self._changed.set()
        self._changed = asyncio.Event()

    def after(self, seq: int) -> list[EndedAgent]:
        """Those behind a sequence number, ENDS_PER_ANSWER at most; ask again with the last
        one's."""
        start = bisect_right(self._ends, seq, key=lambda end: end.seq)
        return self._ends[start : start + ENDS_PER_ANSWER]

    async def wait(self, seq: int, wait_s: float) -> list[EndedAgent]:
        """As `after`, but waits up to `wait_s` for the first one; an empty list when none came."""
        changed = self._changed
        found = self.after(seq)
        if found or wait_s <= 0:
            return found
        try:
            async with asyncio.timeout(wait_s):
                await changed.wait()
        except TimeoutError:
            return []
        return self.after(seq)


class Progress:
    """Counts of the run so far."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: Counter[str] = Counter()
        self.answered_steps = 0
        self.answered_turns = 0
        self.in_flight: Counter[str] = Counter()
        self.unused: Counter[str] = Counter()
        self.effects_attempted = 0
        self.effects_applied = 0
        self.tokens_prompt = 0
        self.tokens_completion = 0
        self.messages: Counter[str] = Counter()
        self._arrived: set[str] = set()
        self._awaited: set[str] = set()
        self._poison: set[str] = set()
        self._holders: dict[int, list[str]] = {}
        self._seconds: deque[list[int]] = deque(maxlen=RATE_WINDOW_S + 1)

    def begin(self, caller: str) -> None:
        """A request to the model was parsed."""
        self.begun += 1
        self.in_flight[caller] += 1

    def begin_effect(self, caller: str) -> None:
        """A tool was called; it is in flight until its answer leaves."""
        self.in_flight[caller] += 1

    def end_effect(self, caller: str) -> None:
        """A tool's answer left, or reached nobody."""
        _count_down(self.in_flight, caller)

    def end(self, caller: str, outcome: str) -> None:
        """It ended, in whatever way."""
        self.ended[outcome] += 1
        _count_down(self.in_flight, caller)

    def answer(self, caller: str, receipt: int, *, is_final: bool, now_ns: int) -> None:
        """A turn of a step was answered; its receipt is unused until `use` sees it."""
        self.answered_turns += 1
        self.answered_steps += is_final
        self._holders.setdefault(receipt, []).append(caller)
        self.unused[caller] += 1
        second = now_ns // NS_PER_S
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])

    def use(self, receipts: Iterable[int]) -> None:
        """Receipts were seen: every attempt that gave one of them counts as used."""
        for receipt in receipts:
            for caller in self._holders.pop(receipt, ()):
                _count_down(self.unused, caller)

    @property
    def undelivered(self) -> int:
        """Messages that were acknowledged, and neither delivered nor dead letters so far.

        Poison, which no handler takes, has arrived when it is a dead letter.
        """
        return len(self._awaited)

    def message(self, what: str, id: str, *, is_poison: bool = False) -> None:
        """Something happened to a message; what it is its publisher says."""
        self.messages[what] += 1
        if is_poison and what == "publishing":
            self._poison.add(id)
        if what == "dead_letter" or (what == "delivered" and id not in self._poison):
            self._arrived.add(id)
            self._awaited.discard(id)
        elif what == "acknowledged" and id not in self._arrived:
            self._awaited.add(id)

    def answers_per_s(self, now_ns: int) -> float:
        """Answered turns per second over the last RATE_WINDOW_S whole seconds."""
        now = now_ns // NS_PER_S
        counted = sum(n for second, n in self._seconds if now - RATE_WINDOW_S <= second < now)
        return counted / RATE_WINDOW_S


def _count_down(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
