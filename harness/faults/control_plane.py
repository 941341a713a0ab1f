"""The death of one of Dapr's own servers, which all sidecars share; the platform brings it back.

As a StatefulSet does it: with the same name, the same addresses and the same files, at once or
after ``down_s``; ``down_s: null`` leaves it dead. Sentry, operator and injector are Deployments of
a cluster alone: local sidecars read files and have no certificates.
"""

from dataclasses import replace

from harness.errors import HarnessError
from harness.plan import PlannedFault
from harness.protocols import ControlPlane, EngineSpec, Healed, Stage, Struck

HEAL_S = 120.0


class ServerKill:
    """What the deaths of all its servers have in common."""

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


class KillScheduler(ServerKill):
    """One of Dapr's schedulers dies, and is started again with its files; the others live on.

    Its share of the jobs waits until it is back, or until its lease of 20 s is over.
    """

    kind = "kill_scheduler"
    part = "scheduler"


class KillPlacement(ServerKill):
    """Dapr's placement dies, and is started again; meanwhile no actor can move."""

    kind = "kill_placement"
    part = "placement"


class KillSentry(ServerKill):
    """Dapr's sentry dies, and another comes; meanwhile no sidecar gets a certificate."""

    kind = "kill_sentry"
    part = "sentry"


class KillOperator(ServerKill):
    """Dapr's operator dies, and another comes; meanwhile no sidecar gets its components."""

    kind = "kill_operator"
    part = "operator"


class KillInjector(ServerKill):
    """Dapr's injector dies, and another comes; meanwhile pods come without a sidecar."""

    kind = "kill_injector"
    part = "injector"


class KillInjectorAndPod(KillInjector):
    """The injector dies and a pod at once, which may be replaced by one without a sidecar.

    Such a pod stays so; it is deleted when the injector is back, as an operator by hand would.
    """

    kind = "kill_injector_and_pod"
    is_shared = False

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        server = await super().fire(stage, planned)
        struck = await stage.kill(planned.slot, "pod")
        return replace(struck, proof=f"{server.proof}; {struck.proof}" if struck.proof else "")

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the injector, help up a pod without a sidecar, wait for the pod."""
        await super().heal(stage, planned, struck)
        if stage.workload is None:
            raise HarnessError("no cluster keeps the pods of this run")
        bare = await stage.workload.replace_bare()
        healed = await stage.healed(planned.slot, deadline_s=HEAL_S)
        helped = f", after {', '.join(bare)} had come without a sidecar and was deleted"
        return replace(healed, caller=healed.caller + helped * bool(bare))


def _plane(stage: Stage) -> ControlPlane:
    if stage.control_plane is None:
        raise HarnessError("this run has no control plane of Dapr's, so that none can be struck")
    return stage.control_plane
