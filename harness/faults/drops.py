"""Execute-and-drop: the model answers, and its answers get lost on the way to one pod.

Nothing of the engine is touched. It is what a client sees of a broken network or of a proxy that
was restarted: the call was executed and paid for, and the caller does not know.
"""

from harness.faults.victims import OnSlot
from harness.plan import PlannedFault
from harness.protocols import Healed, Stage, Struck

DROP_S = 20.0
"""So long the answers to drop may take to come; what is left of them then is answered."""


class DropAnswer(OnSlot):
    """Answers to a pod are executed and dropped, as many as must be in flight on it."""

    kind = "drop_answer"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Drop, and come back when all are dropped; the witness's numbers are the proof."""
        victim = stage.caller(planned.slot)
        count = max(1, planned.in_flight_min)
        dropped = await stage.witness.drop(planned.slot, count, deadline_s=DROP_S)
        if not dropped:
            return Struck(victims=(), proof="")
        numbers = ", ".join(str(seq) for seq in dropped)
        return Struck(victims=(victim,), proof=f"executed and dropped: calls {numbers}")

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Nothing was broken: the next answer arrives."""
        return Healed(caller=stage.caller(planned.slot), parts_ns={})
