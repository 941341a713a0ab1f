"""SIGKILL of a pod, of its worker, or of its sidecar; the platform brings it back.

kill_pod is a pod's deletion: a new incarnation under new ports, spawned at once. The other two are
container restarts in place, after the kubelet's growing delay.
"""

from harness.errors import HarnessError
from harness.plan import PlannedFault
from harness.protocols import EngineSpec, Healed, Stage, Struck

HEAL_S = 120.0


class _Kill:
    kind = ""
    part = ""
    is_shared = False

    def needs(self, engine: EngineSpec) -> str:
        """Every engine has pods with workers."""
        return ""

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """The victim must be healthy, or the strike would prove nothing."""
        if not stage.is_ready(planned.slot):
            raise HarnessError(
                f"{planned.name}: {planned.slot} is not healthy, so it is not struck"
            )

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await stage.kill(planned.slot, self.part)

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the replacement's health."""
        return await stage.healed(planned.slot, struck, deadline_s=HEAL_S)


class KillPod(_Kill):
    """Worker and sidecar die together; the slot gets a new pod at once."""

    kind = "kill_pod"
    part = "pod"


class KillWorker(_Kill):
    """The worker dies, the sidecar stays."""

    kind = "kill_worker"
    part = "worker"


class KillSidecar(_Kill):
    """The sidecar dies, the worker stays."""

    kind = "kill_sidecar"
    part = "sidecar"

    def needs(self, engine: EngineSpec) -> str:
        """See Fault."""
        return "" if engine.needs_dapr else f"{engine.engine} has no sidecar"
