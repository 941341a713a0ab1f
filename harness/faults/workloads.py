"""What a cluster does to the pods of an app besides losing them: evict, roll out, scale.

A rollout has a meaning on local pods as well: each is ended by SIGTERM when the one before it is
back. Eviction and scale are decisions of a cluster's API, and are refused elsewhere.
"""

from harness.errors import HarnessError
from harness.faults.kills import KillAll
from harness.faults.victims import HEAL_S, OnSlot
from harness.plan import PlannedFault
from harness.protocols import Healed, Stage, Struck, Workload


class EvictPod(OnSlot):
    """A pod is evicted, as when its node is drained: it ends with grace, if its budget lets it."""

    kind = "evict_pod"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _workload(stage).evict(planned.slot)


class ChaosPodKill(EvictPod):
    """Chaos Mesh kills a pod, by an object of its own; where it is not installed, it is skipped."""

    kind = "chaos_pod_kill"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _workload(stage).chaos_kill(planned.slot)


class RolloutRestart(OnSlot):
    """All pods are replaced in turn, with grace, as by `kubectl rollout restart`."""

    kind = "rollout_restart"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Have the cluster do it; where there is none, end one pod after the other."""
        if stage.workload is not None:
            return await stage.workload.roll_out()
        strikes: list[Struck] = []
        for number, slot in enumerate(stage.slots()):
            if number:
                before = stage.slots()[number - 1]
                await stage.healed(before, deadline_s=HEAL_S)
            strikes.append(await stage.retire(slot))
        return Struck(
            victims=tuple(victim for struck in strikes for victim in struck.victims),
            proof="; ".join(struck.proof for struck in strikes if struck.proof),
        )

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for every pod; on local pods all but the last were waited for."""
        if stage.workload is not None:
            return await KillAll().heal(stage, planned, struck)
        return await stage.healed(stage.slots()[-1], deadline_s=HEAL_S)


class ScaleDown(OnSlot):
    """One pod fewer, with grace; ``down_s`` later as many as before."""

    kind = "scale_down"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault; of a StatefulSet the last pod goes, whoever was planned."""
        return await _workload(stage).scale_down(planned.slot)

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Scale up again, and wait for the pod that comes."""
        slot = struck.victims[0].rpartition(".")[0] if struck.victims else planned.slot
        await _workload(stage).scale_up(slot, after_s=planned.down_s or 0.0)
        return await stage.healed(slot, deadline_s=HEAL_S)


def _workload(stage: Stage) -> Workload:
    if stage.workload is None:
        raise HarnessError("no cluster keeps the pods of this run, so that none can do this")
    return stage.workload
