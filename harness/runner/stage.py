"""What faults may touch, on a real run."""

from collections.abc import Sequence
from dataclasses import replace

from harness.plan import HeldCall
from harness.protocols import (
    ControlPlane,
    Healed,
    Platform,
    Progress,
    Struck,
    Switchboard,
    Witness,
)


class RunStage:
    """The platform's pods beside witness and brokers. Implements Stage."""

    def __init__(
        self,
        *,
        platform: Platform,
        witness: Witness,
        switchboard: Switchboard | None = None,
        control_plane: ControlPlane | None = None,
    ) -> None:
        self.switchboard = switchboard
        self.control_plane = control_plane
        self.workload = platform.workload
        self._platform = platform
        self.witness = witness

    def slots(self) -> tuple[str, ...]:
        """See Stage."""
        return tuple(self._platform.by_slot)

    def caller(self, slot: str) -> str:
        """See Stage."""
        return self._platform.by_slot[slot].caller

    def is_ready(self, slot: str) -> bool:
        """See Stage."""
        return self._platform.by_slot[slot].is_ready

    async def kill(self, slot: str, part: str) -> Struck:
        """See Stage."""
        return await self._platform.kill(slot, part)

    async def retire(self, slot: str) -> Struck:
        """See Stage."""
        return await self._platform.retire(slot)

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        """See Stage."""
        return await self._platform.healed(slot, deadline_s=deadline_s)


class SinceLoad:
    """The witness as the conductor sees it, the warm-up left out. Implements Witness."""

    def __init__(self, witness: Witness, *, steps_before: int) -> None:
        """``steps_before`` had been answered when the load began."""
        self._witness = witness
        self._steps_before = steps_before

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        """See Witness."""
        return await self._witness.note(kind, subject, detail)

    async def progress(self) -> Progress:
        """See Witness."""
        seen = await self._witness.progress()
        return replace(seen, answered_steps=seen.answered_steps - self._steps_before)

    async def place(self, holds: Sequence[HeldCall]) -> None:
        """See Witness."""
        await self._witness.place(holds)

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        """See Witness."""
        return await self._witness.caller_held(call, deadline_s=deadline_s)

    async def release(self, holds: Sequence[HeldCall]) -> bool:
        """See Witness."""
        return await self._witness.release(holds)

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        """See Witness."""
        return await self._witness.drop(slot, count, deadline_s=deadline_s)
