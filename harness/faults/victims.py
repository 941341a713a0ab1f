"""What faults that strike the pod of one slot share: who may be struck, and when it is healed."""

from harness.errors import HarnessError
from harness.plan import PlannedFault
from harness.protocols import EngineSpec, Healed, Stage, Struck

HEAL_S = 120.0


class OnSlot:
    """Each such fault adds how it fires; all but the common ones heal in their own way."""

    kind = ""
    is_shared = False

    def needs(self, engine: EngineSpec) -> str:
        """Every engine has pods, whose workers ask the model."""
        return ""

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """The victim must be healthy, or the strike would prove nothing."""
        if not stage.is_ready(planned.slot):
            raise HarnessError(
                f"{planned.name}: {planned.slot} is not healthy, so it is not struck"
            )

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the replacement's health."""
        return await stage.healed(planned.slot, deadline_s=HEAL_S)
