"""What the API does to a run's workloads beside deleting a pod: evict, roll out, scale.

`platform` lends what it knows of slots and strikes; the cluster's controllers do the rest.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError, Manifest, path_of
from harness.cluster.kubernetes.chaos_mesh import PodChaos
from harness.cluster.kubernetes.manifests import GRACE_S, LABEL
from harness.cluster.kubernetes.slots import KubernetesPod
from harness.cluster.kubernetes.states import state_of
from harness.errors import HarnessError
from harness.protocols import Struck

if TYPE_CHECKING:
    from harness.cluster.kubernetes.platform import KubernetesPlatform

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""As `kubectl rollout restart` writes it on the pod template."""
COST = "controller.kubernetes.io/pod-deletion-cost"
"""The ReplicaSet that shrinks ends the cheapest of its ready pods.

Source: kubernetes.io/docs/concepts/workloads/controllers/replicaset
"""


@dataclass(slots=True, kw_only=True)
class ClusterWorkload:
    """Implements Workload."""

    platform: "KubernetesPlatform"
    clock: Clock

    async def evict(self, slot: str) -> Struck:
        """See Workload."""
        pod = self.platform.by_slot[slot]
        name, uid = pod.name, pod.uid
        victim = self.platform.about_to_strike(pod, leaves=True)
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": self._namespace},
            "deleteOptions": {"gracePeriodSeconds": GRACE_S, "preconditions": {"uid": uid}},
        }
        try:
            await self._api.post(path_of("Pod", self._namespace, name) + "/eviction", body)
        except ApiError as error:
            raise HarnessError(f"pod {name} was not evicted: {error}") from error
        await self.platform.until_pod_gone(name, uid)
        proof = f"pod {name} (uid {uid}) evicted with grace {GRACE_S} s; its object is gone"
        return Struck(victims=(victim,), proof=proof)

    async def chaos_kill(self, slot: str) -> Struck:
        """See Workload; the object is removed when it says that the pod was killed by it."""
        pod = self.platform.by_slot[slot]
        name, uid = pod.name, pod.uid
        victim = self.platform.about_to_strike(pod, leaves=True)
        chaos = PodChaos(
            api=self._api,
            clock=self.clock,
            namespace=self._namespace,
            name=f"kill-{victim}",
            pod=name,
        )
        try:
            await chaos.create()
        except ApiError as error:
            raise HarnessError(f"pod {name} was not killed by Chaos Mesh: {error}") from error
        try:
            await self._until_killed(chaos, name, uid)
        finally:
            if not await chaos.remove():
                self.platform.troubles.append(
                    f"PodChaos {chaos.name} is still there: {await chaos.told()}"
                )
        proof = f"pod {name} (uid {uid}) killed by PodChaos {chaos.name}; its object is gone"
        return Struck(victims=(victim,), proof=proof)

    async def roll_out(self) -> Struck:
        """See Workload."""
        pods = [pod for pod in self.platform.by_slot.values() if pod.uid]
        before = [(pod.name, pod.uid) for pod in pods]
        victims = tuple(self.platform.about_to_strike(pod, leaves=True) for pod in pods)
        stamp = {"metadata": {"annotations": {RESTARTED: str(self.clock.wall_ns())}}}
        apps = sorted({pod.app_id for pod in pods})
        for app in apps:
            await self._change(app, {"spec": {"template": stamp}})
        async with asyncio.TaskGroup() as group:
            for name, uid in before:
                group.create_task(self.platform.until_pod_gone(name, uid))
        replaced = ", ".join(f"{name} (uid {uid})" for name, uid in before)
        return Struck(
            victims=victims,
            proof=f"{self._kind} {', '.join(apps)} rolled out; gone: {replaced}",
        )

    async def scale_down(self, slot: str) -> Struck:
        """See Workload."""
        planned = self.platform.by_slot[slot]
        app = [one for one in self.platform.by_slot.values() if one.app_id == planned.app_id]
        pod = app[-1] if self.platform.deployed.is_stateful else planned
        name, uid = pod.name, pod.uid
        cost = {"metadata": {"annotations": {COST: "-1000"}}}
        await self._api.patch("Pod", self._namespace, name, cost)
        victim = self.platform.about_to_strike(pod, leaves=True)
        await self._scale(pod, len(app) - 1)
        await self.platform.until_pod_gone(name, uid)
        return Struck(
            victims=(victim,),
            proof=f"{self._kind} {pod.app_id} scaled from {len(app)} to {len(app) - 1}; "
            f"pod {name} (uid {uid}) is gone",
        )

    async def scale_up(self, slot: str, *, after_s: float) -> None:
        """See Workload."""
        await self.clock.sleep_s(after_s)
        pod = self.platform.by_slot[slot]
        count = sum(one.app_id == pod.app_id for one in self.platform.by_slot.values())
        await self._scale(pod, count)

    async def replace_bare(self) -> tuple[str, ...]:
        """See Workload."""
        found = await self._api.items(
            "Pod", self._namespace, labelSelector=f"{LABEL}={self._namespace}"
        )
        bare = [one for one in map(state_of, found) if not one.has_sidecar and not one.is_leaving]
        for one in bare:
            self.platform.expect_to_leave(one.uid)
            await self._api.delete("Pod", self._namespace, one.name, grace_s=0, uid=one.uid)
        return tuple(one.name for one in bare)

    async def _until_killed(self, chaos: PodChaos, name: str, uid: str) -> None:
        try:
            await self.platform.until_pod_gone(name, uid)
        except HarnessError as error:
            raise HarnessError(f"{error}; PodChaos {chaos.name}: {await chaos.told()}") from error
        await chaos.until_recorded()

    async def _scale(self, pod: KubernetesPod, count: int) -> None:
        await self._change(pod.app_id, {"spec": {"replicas": count}}, part="scale")

    async def _change(self, app: str, change: Manifest, *, part: str = "") -> None:
        name = f"{app}/{part}" if part else app
        try:
            await self._api.patch(self._kind, self._namespace, name, change)
        except ApiError as error:
            raise HarnessError(f"{self._kind} {app} was not changed: {error}") from error

    @property
    def _kind(self) -> str:
        return "StatefulSet" if self.platform.deployed.is_stateful else "Deployment"

    @property
    def _api(self) -> Api:
        return self.platform.api

    @property
    def _namespace(self) -> str:
        return self.platform.namespace
