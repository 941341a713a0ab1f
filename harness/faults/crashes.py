"""A step that no worker survives: whoever asks it dies, a few times over; then it is answered.

What a poison message is to a queue, and an activity that exhausts the memory to a pod. The witness
holds the call, the worker that made it is killed, the platform restarts it in place, the engine
asks again. Bounded: nothing would end it if the engine never gave up.
"""

from harness.faults.victims import HEAL_S, OnSlot
from harness.plan import PlannedFault
from harness.protocols import Healed, Stage, Struck

CRASHES = 3
"""Deaths before the step is let through."""
ASKED_S = 50.0
"""So long an engine may take to ask again; a hold of the witness lasts 60 s."""


class CrashStep(OnSlot):
    """The worker that asks one chosen step dies, three times over; then the step is answered."""

    kind = "crash_step"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Kill whoever asks, each time it is asked; then let the step pass.

        An engine that does not ask again has given up; the strikes so far count.
        """
        assert planned.call is not None
        victims: list[str] = []
        proofs: list[str] = []
        for number in range(CRASHES):
            caller = await stage.witness.caller_held(planned.call, deadline_s=ASKED_S)
            if not caller:
                proofs.append(f"not asked again in {ASKED_S:g} s after {number} deaths")
                break
            struck = await stage.kill(caller.rpartition(".")[0], "worker")
            victims += struck.victims
            proofs.append(struck.proof)
            if number < CRASHES - 1:
                await stage.healed(caller.rpartition(".")[0], deadline_s=HEAL_S)
        await stage.witness.release([planned.call])
        return Struck(victims=tuple(victims), proof="; ".join(proofs) if victims else "")

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the health of the last worker that died."""
        slot = struck.victims[-1].rpartition(".")[0] if struck.victims else planned.slot
        return await stage.healed(slot, deadline_s=HEAL_S)
