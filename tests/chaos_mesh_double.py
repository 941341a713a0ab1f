"""What Chaos Mesh's controller does with a PodChaos of the action ``pod-kill``, on the double.

In the order of the real one: its finalizer first, then the pod, then the record of it; an object
that is deleted stays until the record is taken back and the finalizer is off.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
FINALIZER = "chaos-mesh/records"
STEP_S = 0.02
"""From one of its writes to the next."""


@dataclass(slots=True, kw_only=True)
class ChaosMesh:
    """The controller; ``objects`` and ``delete_pod`` are the cluster's."""

    objects: dict[str, Manifest]
    delete_pod: Callable[[str], None]
    is_up: bool = True

    async def reconcile(self, path: str) -> None:
        """Take up one object, until it is gone; nothing happens to it when the controller is down.

        Source: github.com/chaos-mesh/chaos-mesh, controllers/common/records and finalizers
        """
        if not self.is_up:
            return
        found = self.objects[path]
        found["metadata"]["finalizers"] = [FINALIZER]
        await asyncio.sleep(STEP_S)
        (namespace, names) = next(iter(found["spec"]["selector"]["pods"].items()))
        pods = [f"/api/v1/namespaces/{namespace}/pods/{name}" for name in names]
        is_there = pods[0] in self.objects
        if is_there:
            self.delete_pod(pods[0])
        await asyncio.sleep(STEP_S)
        found["status"] = _status(f"{namespace}/{names[0]}" if is_there else "")
        while self.objects.get(path) is found and not found["metadata"].get("deletionTimestamp"):
            await asyncio.sleep(STEP_S)
        await asyncio.sleep(STEP_S)
        if self.is_up:
            self.objects.pop(path, None)


def is_held(found: Manifest) -> bool:
    """Whether a deletion only marks it."""
    return bool(found["metadata"].get("finalizers"))


def _status(pod: str) -> Manifest:
    records = [{"id": pod, "phase": "Injected", "injectedCount": 1, "selectorKey": "."}]
    is_so = str(bool(pod))
    conditions = [{"type": kind, "status": is_so} for kind in ("Selected", "AllInjected")]
    return {
        "conditions": conditions,
        "experiment": {"containerRecords": records if pod else [], "desiredPhase": "Run"},
    }
