"""The object that has Chaos Mesh kill one pod, what its controller wrote on it, and its end.

The controller deletes the pod first and writes the record then; should that fail, it selects again.
So the pod is named: a label would give it the replacement. It puts a finalizer on the object, which
therefore outlives its deletion for as long as the controller takes.

Source: github.com/chaos-mesh/chaos-mesh, controllers/common (records, finalizers, condition) and
pkg/selector/pod, at 47411975a8cb
"""

from dataclasses import dataclass
from typing import Any

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError, Manifest, path_of
from harness.errors import HarnessError

KIND = "PodChaos"
RECORDED_S = 10.0
"""From the pod's end to the controller's record of it."""
LEFT_S = 20.0
"""From the object's deletion to its end."""
PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PodChaos:
    """One object of the kind, for one pod."""

    api: Api
    clock: Clock
    namespace: str
    name: str
    pod: str
    recorded_s: float = RECORDED_S
    left_s: float = LEFT_S

    async def create(self) -> None:
        """Have the pod killed, without grace. Raises ApiError: the cluster refused the object."""
        await self.api.create(
            {
                "apiVersion": "chaos-mesh.org/v1alpha1",
                "kind": KIND,
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {
                    "action": "pod-kill",
                    "mode": "one",
                    "gracePeriod": 0,
                    "selector": {"pods": {self.namespace: [self.pod]}},
                },
            }
        )

    async def until_recorded(self) -> None:
        """Wait until the controller says that it killed the pod.

        Raises:
            HarnessError: it does not say so in time; with what it says.
        """
        until_ns = self.clock.monotonic_ns() + int(self.recorded_s * 1e9)
        while not is_recorded(found := await self._found(), f"{self.namespace}/{self.pod}"):
            if self.clock.monotonic_ns() > until_ns:
                raise HarnessError(
                    f"pod {self.pod} is gone, and {KIND} {self.name} does not say that it was "
                    f"killed by it: {told(found)}"
                )
            await self.clock.sleep_s(PAUSE_S)

    async def remove(self) -> bool:
        """Delete the object, and wait for its end; False when it is there yet after `left_s`."""
        await self.api.delete(KIND, self.namespace, self.name)
        until_ns = self.clock.monotonic_ns() + int(self.left_s * 1e9)
        while await self._found() is not None:
            if self.clock.monotonic_ns() > until_ns:
                return False
            await self.clock.sleep_s(PAUSE_S)
        return True

    async def told(self) -> str:
        """What the controller wrote on the object so far, in words."""
        return told(await self._found())

    async def _found(self) -> Manifest | None:
        try:
            return await self.api.get(path_of(KIND, self.namespace, self.name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise HarnessError(f"{KIND} {self.name}: {error}") from error


def is_recorded(found: Manifest | None, pod: str) -> bool:
    """Whether the object says that `pod`, `<namespace>/<name>`, was struck by it."""
    return any(
        record.get("id") == pod and record.get("injectedCount", 0) > 0 for record in _records(found)
    )


def told(found: Manifest | None) -> str:
    """What the controller wrote on the object, in words."""
    if found is None:
        return "the object is gone"
    conditions = [
        f"{one['type']} {one['status']}" for one in found.get("status", {}).get("conditions") or ()
    ]
    events = [
        f"{event.get('operation')} {event.get('type')} {event.get('message', '')}".strip()
        for record in _records(found)
        for event in record.get("events") or ()
    ]
    said = "; ".join((*sorted(conditions), *events[-3:]))
    return said or "its controller wrote nothing on it; is chaos-controller-manager up?"


def _records(found: Manifest | None) -> list[dict[str, Any]]:
    experiment = (found or {}).get("status", {}).get("experiment", {})
    return experiment.get("containerRecords") or []
