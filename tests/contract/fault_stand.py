"""A stage on which faults are tried without processes: it writes down what it is asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.plan import HeldCall, PlannedFault
from harness.protocols import (
    ControlPlane,
    Fault,
    Healed,
    Progress,
    Struck,
    Switchboard,
    Witness,
    Workload,
)


class SilentWitness:
    """Faults leave no marks: the conductor does."""

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        raise AssertionError(f"a fault posted {kind} itself")

    async def progress(self) -> Progress:
        raise AssertionError("a fault asked for the progress itself")

    async def place(self, holds: Sequence[HeldCall]) -> None:
        raise AssertionError("a fault placed a hold: its call might have passed already")

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        raise AssertionError(f"nobody is held at {call}")

    async def release(self, holds: Sequence[HeldCall]) -> bool:
        return True

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        assert deadline_s > 0
        return tuple(range(1, count + 1))


@dataclass
class FakeStage:
    """Heals when it is told to."""

    witness: Witness = field(default_factory=SilentWitness)
    ready: bool = True
    kills: list[tuple[str, str]] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    may_heal: asyncio.Event = field(default_factory=asyncio.Event)
    switchboard: Switchboard | None = None
    control_plane: ControlPlane | None = None
    workload: Workload | None = None

    def slots(self) -> tuple[str, ...]:
        return ("agents-1", "agents-2")

    def caller(self, slot: str) -> str:
        return f"{slot}.{1 + sum(struck == slot for struck, _ in self.kills)}"

    def is_ready(self, slot: str) -> bool:
        return self.ready

    async def kill(self, slot: str, part: str) -> Struck:
        victim = self.caller(slot)
        self.kills.append((slot, part))
        return Struck(victims=(victim,), proof=f"{part} of {victim}: signal SIGKILL")

    async def retire(self, slot: str) -> Struck:
        return await self.kill(slot, "retire")

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        self.waits.append((slot, deadline_s))
        await self.may_heal.wait()
        return Healed(caller=self.caller(slot), parts_ns={"total": 1})


def planned(fault: Fault) -> PlannedFault:
    return PlannedFault(
        name=f"{fault.kind}-1", kind=fault.kind, slot="agents-2", at_ratio=0.5, in_flight_min=1
    )


@dataclass
class FakeControlPlane:
    """Writes down what it is asked, and heals when it is told to."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    may_heal: asyncio.Event = field(default_factory=asyncio.Event)

    async def kill(self, part: str, member: str, *, is_graceful: bool) -> Struck:
        self.asked.append((part, member, is_graceful))
        return Struck(victims=(), proof="signal SIGKILL")

    async def restore(self, *, after_s: float | None, deadline_s: float) -> Healed:
        assert 0 < deadline_s <= 300
        self.asked.append((after_s,))
        await self.may_heal.wait()
        return Healed(caller="back", parts_ns={"total": 1})


@dataclass
class FakeWorkload:
    """Writes down what it is asked; a pod comes without a sidecar when it is told so."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    bare: tuple[str, ...] = ()

    async def evict(self, slot: str) -> Struck:
        self.asked.append(("evict", slot))
        return Struck(victims=(f"{slot}.1",), proof="evicted")

    async def chaos_kill(self, slot: str) -> Struck:
        self.asked.append(("chaos", slot))
        return Struck(victims=(f"{slot}.1",), proof="killed")

    async def roll_out(self) -> Struck:
        self.asked.append(("roll out",))
        return Struck(victims=("agents-1.1", "agents-2.1"), proof="rolled out")

    async def scale_down(self, slot: str) -> Struck:
        self.asked.append(("down", slot))
        return Struck(victims=("agents-1.1",), proof="scaled")

    async def scale_up(self, slot: str, *, after_s: float) -> None:
        self.asked.append(("up", slot, after_s))

    async def replace_bare(self) -> tuple[str, ...]:
        self.asked.append(("replace bare",))
        return self.bare
