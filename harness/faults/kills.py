"""SIGKILL of a pod, of all pods, of a worker, or of a sidecar; the platform brings it back.

kill_pod is a pod's deletion: a new incarnation under new ports, spawned at once; kill_all deletes
all pods in the same moment. With ``grace`` both end by SIGTERM first, as on a node that is drained.
The other two are container restarts in place, after the kubelet's growing delay.
"""

import asyncio

from harness.faults.victims import HEAL_S, OnSlot
from harness.plan import PlannedFault
from harness.protocols import EngineSpec, Healed, Stage, Struck


class _Kill(OnSlot):
    part = ""

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await stage.kill(planned.slot, self.part)


class KillPod(_Kill):
    """Worker and sidecar die together; the slot gets a new pod at once."""

    kind = "kill_pod"
    part = "pod"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _ended(stage, planned.slot, planned)


class KillAll(_Kill):
    """All pods of the app die together, as if they shared a node that is lost.

    Store, control plane and witness are elsewhere, and live on.
    """

    kind = "kill_all"
    part = "pod"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Strike every slot at once; the planned one is that whose steps in flight were waited for.

        A pod that is down at that moment is struck as well, and is no proof.
        """
        strikes = await asyncio.gather(*(_ended(stage, slot, planned) for slot in stage.slots()))
        return Struck(
            victims=tuple(victim for struck in strikes for victim in struck.victims),
            proof="; ".join(struck.proof for struck in strikes if struck.proof),
        )

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the health of every replacement; the times are those of the slowest."""
        healed = await asyncio.gather(
            *(stage.healed(slot, deadline_s=HEAL_S) for slot in stage.slots())
        )
        slowest = max(healed, key=lambda one: one.parts_ns.get("total", 0))
        return Healed(caller=", ".join(one.caller for one in healed), parts_ns=slowest.parts_ns)


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


async def _ended(stage: Stage, slot: str, planned: PlannedFault) -> Struck:
    """A pod's end, with grace where the plan says so."""
    return await (stage.retire(slot) if planned.grace else stage.kill(slot, "pod"))
