"""Dapr's own servers in the cluster, as faults see them: a StatefulSet's pod dies and comes back.

They belong to everybody in the cluster, so a run that strikes them needs a cluster of its own.
"""

from dataclasses import dataclass, field

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError, path_of
from harness.cluster.kubernetes.states import PodState, state_of
from harness.errors import HarnessError, MachineError
from harness.protocols import Healed, Struck

APPS = {"scheduler": "dapr-scheduler-server", "placement": "dapr-placement-server"}
LOOK_S = 0.1


@dataclass(slots=True, kw_only=True)
class ClusterControlPlane:
    """Implements ControlPlane; who brings them back is the cluster."""

    namespace: str
    clock: Clock
    api: Api | None = None
    """Set by the platform while it is connected."""
    _struck: PodState | None = field(default=None)
    _struck_ns: int = 0

    async def kill(self, part: str, member: str, *, is_graceful: bool) -> Struck:
        """See ControlPlane; a member of the schedulers' etcd cannot be told apart from here."""
        api = self._connected()
        if member in ("leader", "follower"):
            raise HarnessError(
                f"{part} {member}: the cluster does not say who leads its etcd; name a number"
            )
        pods = await api.items("Pod", self.namespace, labelSelector=f"app={APPS[part]}")
        living = sorted(
            (one for one in map(state_of, pods) if one.is_ready), key=lambda one: one.name
        )
        wanted = [one for one in living if one.name.endswith(f"-{member or 0}")] or living
        if not wanted:
            raise HarnessError(f"no {part} of Dapr's is ready in {self.namespace}")
        self._struck, self._struck_ns = wanted[0], self.clock.monotonic_ns()
        grace_s = None if is_graceful else 0
        name, uid = wanted[0].name, wanted[0].uid
        if not await api.delete("Pod", self.namespace, name, grace_s=grace_s, uid=uid):
            raise HarnessError(f"pod {name} was gone before it was struck")
        how = "its own grace" if is_graceful else "grace 0"
        return Struck(victims=(), proof=f"pod {name} (uid {uid}) deleted with {how}")

    async def restore(self, *, after_s: float | None, deadline_s: float) -> Healed:
        """See ControlPlane; the StatefulSet decides when, which is at once."""
        api, struck = self._connected(), self._struck
        if struck is None:
            raise HarnessError("nothing of Dapr's control plane was struck")
        until_ns = self._struck_ns + int(deadline_s * 1e9)
        while self.clock.monotonic_ns() < until_ns:
            try:
                now = state_of(await api.get(path_of("Pod", self.namespace, struck.name)))
            except ApiError as error:
                if error.status not in (0, 404):
                    raise HarnessError(f"pod {struck.name}: {error}") from error
            else:
                if now.is_ready and now.uid != struck.uid:
                    total_ns = self.clock.monotonic_ns() - self._struck_ns
                    return Healed(
                        caller=f"{now.name} (uid {now.uid})",
                        parts_ns={"ready": total_ns, "total": total_ns},
                    )
            await self.clock.sleep_s(LOOK_S)
        raise MachineError(f"pod {struck.name} was not ready again within {deadline_s:g} s")

    def _connected(self) -> Api:
        if self.api is None:
            raise HarnessError("the platform is not connected to its cluster")
        return self.api
