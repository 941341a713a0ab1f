"""Answers that are executed, put on file, and then cut off: execute-and-drop.

The worst network for a client that retries: the call happened, and nobody told it so.
"""

from __future__ import annotations

import asyncio


class Drops:
    """How many answers of which slot are still to be dropped; one order a slot at a time."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}
        self._dropped: dict[str, list[int]] = {}
        self._changed = asyncio.Event()

    def order(self, slot: str, count: int) -> None:
        """Have the next ``count`` answers to incarnations of a slot dropped."""
        self._left[slot] = count
        self._dropped[slot] = []

    def take(self, caller: str, begin_seq: int) -> bool:
        """True when the answer to this caller is to be dropped; it counts from now on."""
        if not self._left:
            return False
        slot = caller.rpartition(".")[0]
        if not self._left.get(slot):
            return False
        self._left[slot] -= 1
        self._dropped[slot].append(begin_seq)
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def wait(self, slot: str, wait_s: float) -> list[int]:
        """Numbers of the calls that were dropped, when the order is done or ``wait_s`` is over.

        What is left of the order is void then.
        """
        try:
            async with asyncio.timeout(wait_s):
                while self._left.get(slot):
                    await self._changed.wait()
        except TimeoutError:
            pass
        self._left.pop(slot, None)
        return self._dropped.pop(slot, [])
