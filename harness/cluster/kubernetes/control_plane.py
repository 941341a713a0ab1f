"""Dapr's own servers in the cluster, as faults see them: a pod dies, and the cluster replaces it.

They belong to everybody in the cluster, so a run that strikes them needs a cluster of its own.
"""

from dataclasses import dataclass, field

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError
from harness.cluster.kubernetes.states import PodState, state_of
from harness.errors import HarnessError, MachineError
from harness.protocols import Healed, Struck

APPS = {
    "scheduler": "dapr-scheduler-server",
    "placement": "dapr-placement-server",
    "sentry": "dapr-sentry",
    "operator": "dapr-operator",
    "injector": "dapr-sidecar-injector",
}
MEMBERED = ("scheduler", "placement")
"""StatefulSets, of which one member dies; of the others all replicas do."""
LOOK_S = 0.1


@dataclass(slots=True, kw_only=True)
class ClusterControlPlane:
    """Implements ControlPlane; who brings them back is the cluster."""

    namespace: str
    clock: Clock
    api: Api | None = None
    """Set by the platform while it is connected."""
    _struck: tuple[PodState, ...] = ()
    _app: str = ""
    _before: set[str] = field(default_factory=set)
    """Uids of the pods that were there at the strike."""
    _struck_ns: int = 0

    async def kill(self, part: str, member: str, *, is_graceful: bool) -> Struck:
        """See ControlPlane; a member of the schedulers' etcd cannot be told apart from here."""
        api = self._connected()
        if member in ("leader", "follower"):
            raise HarnessError(
                f"{part} {member}: the cluster does not say who leads its etcd; name a number"
            )
        self._app = APPS[part]
        pods = await self._pods()
        living = sorted((one for one in pods if one.is_ready), key=lambda one: one.name)
        wanted = living
        count = len(pods) // 2 + 1 if member == "majority" else 1
        if part in MEMBERED:
            named = [one for one in living if one.name.endswith(f"-{member or 0}")]
            wanted = (named or living)[:count]
        if len(wanted) < count:
            lack = f"fewer than {count} {part}s" if count > 1 else f"no {part}"
            raise HarnessError(f"{lack} of Dapr's is ready in {self.namespace}")
        self._before = {one.uid for one in pods}
        self._struck, self._struck_ns = tuple(wanted), self.clock.monotonic_ns()
        grace_s = None if is_graceful else 0
        for one in wanted:
            if not await api.delete("Pod", self.namespace, one.name, grace_s=grace_s, uid=one.uid):
                raise HarnessError(f"pod {one.name} was gone before it was struck")
        named_all = ", ".join(f"{one.name} (uid {one.uid})" for one in wanted)
        how = "its own grace" if is_graceful else "grace 0"
        return Struck(victims=(), proof=f"pod {named_all} deleted with {how}")

    async def restore(self, *, after_s: float | None, deadline_s: float) -> Healed:
        """See ControlPlane; the cluster decides when, which is at once."""
        if not self._struck:
            raise HarnessError("nothing of Dapr's control plane was struck")
        until_ns = self._struck_ns + int(deadline_s * 1e9)
        while self.clock.monotonic_ns() < until_ns:
            come = [
                one for one in await self._pods() if one.is_ready and one.uid not in self._before
            ]
            if len(come) >= len(self._struck):
                total_ns = self.clock.monotonic_ns() - self._struck_ns
                return Healed(
                    caller=", ".join(f"{one.name} (uid {one.uid})" for one in come),
                    parts_ns={"ready": total_ns, "total": total_ns},
                )
            await self.clock.sleep_s(LOOK_S)
        names = ", ".join(one.name for one in self._struck)
        raise MachineError(f"pod {names} was not ready again within {deadline_s:g} s")

    async def _pods(self) -> list[PodState]:
        """Of the part that is struck; none while the cluster does not answer."""
        try:
            found = await self._connected().items(
                "Pod", self.namespace, labelSelector=f"app={self._app}"
            )
        except ApiError as error:
            if error.status:
                raise HarnessError(f"{self._app} cannot be looked at: {error}") from error
            return []
        return [state_of(one) for one in found]

    def _connected(self) -> Api:
        if self.api is None:
            raise HarnessError("the platform is not connected to its cluster")
        return self.api
