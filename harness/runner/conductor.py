"""Plays the planned faults: waits for each one's moment, marks it, strikes, and waits for the heal.

A fault whose moment never comes stays unfired; the judge sees the gap between plan and marks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from harness.clock import NS_PER_S, Clock
from harness.errors import HarnessError, MachineError
from harness.faults import FAULTS
from harness.plan import Plan, PlannedFault
from harness.protocols import Stage

POLL_S = 0.1
HELD_S = 5.0
"""Between two looks at a held call."""
Tell = Callable[[str], None]
AfterStrike = Callable[[], Awaitable[None]]


class Conductor:
    """One run's faults, one after the other."""

    def __init__(self, *, plan: Plan, stage: Stage, clock: Clock, tell: Tell) -> None:
        """``tell`` gets a line for people at each strike and heal."""
        self._plan = plan
        self._stage = stage
        self._clock = clock
        self._tell = tell
        self.last_heal_ns = 0
        self.struck_count = 0
        self.is_done = not plan.faults
        self.is_healing = False
        """Somebody was struck and is not healthy again."""
        self.troubles: list[str] = []

    async def run(self) -> None:
        """Play all faults; cancel it when the load is over."""
        began_ns = self._clock.monotonic_ns()
        calls = [planned.call for planned in self._plan.faults if planned.call is not None]
        if calls:
            await self._stage.witness.place(calls)
        for planned in self._plan.faults:
            await self._until_due(planned, began_ns)
            try:
                await self.play(planned)
            except (HarnessError, MachineError) as error:
                self.is_healing = False
                self.troubles.append(str(error))
        self.is_done = True

    async def _until_due(self, planned: PlannedFault, began_ns: int) -> None:
        """Wait for time, progress, health and the steps in flight that the plan asks for.

        A fault that meets one call waits for that call, and for nothing else.
        """
        while planned.call is not None:
            if await self._stage.witness.caller_held(planned.call, deadline_s=HELD_S):
                return
        due_ns = began_ns + int(planned.after_s * NS_PER_S)
        while True:
            progress = await self._stage.witness.progress()
            in_flight = progress.unused.get(self._stage.caller(planned.slot), 0)
            if (
                progress.answered_steps >= planned.at_ratio * self._plan.answers_count
                and in_flight >= planned.in_flight_min
                and self._stage.is_ready(planned.slot)
                and self._clock.monotonic_ns() >= due_ns
            ):
                return
            await self._clock.sleep_s(POLL_S)

    async def play(self, planned: PlannedFault, after_strike: AfterStrike | None = None) -> None:
        """Mark, strike, prove, heal; ``after_strike`` is called once the strike is on file.

        Raises:
            HarnessError: the victim was not healthy before, or not again in time.
        """
        fault = FAULTS[planned.kind]
        note = self._stage.witness.note
        detail: dict[str, object] = {"kind": planned.kind, "is_shared": fault.is_shared}
        await fault.arm(self._stage, planned)
        await note("arming", planned.name, detail)
        victim = self._stage.caller(planned.slot)
        detail["victims"] = [victim]
        await note("firing", planned.name, detail)
        self.is_healing = True
        struck = await fault.fire(self._stage, planned)
        detail |= {"victims": list(struck.victims), "proof": struck.proof}
        await note("fired", planned.name, detail)
        self.struck_count += bool(struck.proof)
        if after_strike is not None:
            await after_strike()
        whom = victim if struck.victims or not fault.is_shared else "what all pods share"
        self._tell(f"{planned.name}: struck {whom} ({struck.proof or 'no proof'})")
        healed = await fault.heal(self._stage, planned, struck)
        detail |= {
            "proof": f"{struck.proof}; health seen again as {healed.caller}",
            "parts_ns": healed.parts_ns,
        }
        await note("healed", planned.name, detail)
        self.last_heal_ns = self._clock.monotonic_ns()
        self.is_healing = False
        total_s = asdict(healed)["parts_ns"].get("total", 0) / 1e9
        self._tell(f"{planned.name}: healthy again as {healed.caller}, {total_s:.1f} s")


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait for its end."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
