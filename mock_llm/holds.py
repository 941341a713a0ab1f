"""Calls that wait at a named point until the harness lets them go: for strikes at a chosen moment.

A call passes three points: ``arrival`` (read, nothing on file), ``begun`` (on file and let in, not
executed; a tool has acted), ``answering`` (executed and on file, nothing sent). The harness places
holds before the agents start, waits until calls are held, strikes, and releases. A held caller that
goes away is let go at once. Nothing waits longer than HOLD_S.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from mock_llm.exchange import Receive, Response, is_gone_before

Point = Literal["arrival", "begun", "answering"]

HOLD_S = 60.0
"""A call that nobody releases goes on after so long; the ledger says so."""
HOLDS_MAX = 100_000

Note = Callable[[str, str, str], int]
"""Puts (kind, subject, detail) into the ledger."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which call of which agent waits where."""

    agent: str
    path: str
    turn: int
    point: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call on its way."""

    caller: str
    agent: str
    path: str
    turn: int


class Holds:
    """The holds in force. A hold catches every call of its step until it is released."""

    def __init__(self, note: Note, *, hold_s: float = HOLD_S) -> None:
        self._note = note
        self._hold_s = hold_s
        self._placed: dict[Hold, asyncio.Event] = {}
        self._held: dict[Hold, int] = {}
        self._callers: dict[Hold, str] = {}
        self._sending: dict[Hold, int] = {}
        self._changed = asyncio.Event()

    def place(self, holds: list[Hold]) -> None:
        """Put holds in force; one that is there already stays as it is.

        Raises:
            ValueError: more than HOLDS_MAX at a time.
        """
        if len(self._placed) + len(holds) > HOLDS_MAX:
            raise ValueError(f"{len(holds)} holds beside {len(self._placed)}, at most {HOLDS_MAX}")
        for hold in holds:
            self._placed.setdefault(hold, asyncio.Event())

    def catches(self, call: Call, point: Point) -> Hold | None:
        """The hold that a call has come to; None when it may go on."""
        if not self._placed:
            return None
        hold = Hold(call.agent, call.path, call.turn, point)
        return hold if hold in self._placed else None

    async def keep(self, hold: Hold, caller: str) -> None:
        """Wait at a hold until it is released or HOLD_S is over; both are in the ledger."""
        released = self._placed[hold]
        self._held[hold] = self._held.get(hold, 0) + 1
        self._callers[hold] = caller
        self._sending[hold] = self._sending.get(hold, 0) + 1
        self._note("held", hold.agent, _detail(hold, caller))
        self._tell()
        try:
            async with asyncio.timeout(self._hold_s):
                await released.wait()
        except TimeoutError:
            self._note("hold-expired", hold.agent, _detail(hold, caller))
        finally:
            self._count_down(self._held, hold)

    def passed(self, hold: Hold) -> None:
        """The call that was kept has gone on, or is gone: its answer has left if it ever does."""
        self._count_down(self._sending, hold)

    async def wait(self, holds: list[Hold], wait_s: float) -> list[Hold]:
        """Those of ``holds`` at which a call waits; returns when it is all, or after ``wait_s``."""
        await self._until(lambda: all(hold in self._held for hold in holds), wait_s)
        return [hold for hold in holds if hold in self._held]

    def callers(self, holds: list[Hold]) -> list[str]:
        """Who came to each hold last; empty for nobody."""
        return [self._callers.get(hold, "") for hold in holds]

    async def release(self, holds: list[Hold], wait_s: float) -> bool:
        """Lift holds and wait until the calls kept there have gone on; False when some have not."""
        for hold in holds:
            released = self._placed.pop(hold, None)
            if released is not None:
                released.set()
        return await self._until(lambda: not any(hold in self._sending for hold in holds), wait_s)

    async def _until(self, is_so: Callable[[], bool], wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                while not is_so():
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _count_down(self, counts: dict[Hold, int], hold: Hold) -> None:
        counts[hold] -= 1
        if not counts[hold]:
            del counts[hold]
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def is_gone_at(holds: Holds, call: Call, point: Point, receive: Receive) -> bool:
    """Keep a call where a hold wants it; True when its caller left meanwhile."""
    hold = holds.catches(call, point)
    if hold is None:
        return False
    try:
        return await is_gone_before(receive, holds.keep(hold, call.caller))
    finally:
        holds.passed(hold)


async def answer_held(
    holds: Holds, call: Call, answer: Response, receive: Receive
) -> Response | None:
    """Keep an answer that is on file where a hold wants it; None when its caller left meanwhile."""
    hold = holds.catches(call, "answering")
    if hold is None:
        return answer
    if await is_gone_before(receive, holds.keep(hold, call.caller)):
        holds.passed(hold)
        return None
    return replace(answer, on_sent=lambda: holds.passed(hold))


def _detail(hold: Hold, caller: str) -> str:
    return msgspec.json.encode(
        {"path": hold.path, "turn": hold.turn, "point": hold.point, "caller": caller}
    ).decode()
