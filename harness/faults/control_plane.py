"""The death of one of Dapr's own servers, which all sidecars share; the platform brings it back.

As a StatefulSet does it: with the same name, the same addresses and the same files, at once or
after ``down_s``; ``down_s: null`` leaves it dead.
"""

from harness.errors import HarnessError
from harness.plan import PlannedFault
from harness.protocols import ControlPlane, EngineSpec, Healed, Stage, Struck

HEAL_S = 120.0


class _KillServer:
    kind = ""
    part = ""
    is_shared = True

    def needs(self, engine: EngineSpec) -> str:
        """See Fault."""
        return "" if engine.needs_dapr else f"{engine.engine} has no control plane of Dapr's"

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """The pod whose steps in flight were waited for must be healthy."""
        if not stage.is_ready(planned.slot):
            raise HarnessError(
                f"{planned.name}: {planned.slot} is not healthy, so {self.part} is not struck"
            )

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _plane(stage).kill(self.part, planned.member, is_graceful=planned.grace)

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Bring it back: nobody else does."""
        return await _plane(stage).restore(after_s=planned.down_s, deadline_s=HEAL_S)


class KillScheduler(_KillServer):
    """One of Dapr's schedulers dies, and is started again with its files; the others live on.

    Its share of the jobs waits until it is back, or until its lease of 20 s is over.
    """

    kind = "kill_scheduler"
    part = "scheduler"


class KillPlacement(_KillServer):
    """Dapr's placement dies, and is started again; meanwhile no actor can move."""

    kind = "kill_placement"
    part = "placement"


def _plane(stage: Stage) -> ControlPlane:
    if stage.control_plane is None:
        raise HarnessError("this run has no control plane of Dapr's, so that none can be struck")
    return stage.control_plane
