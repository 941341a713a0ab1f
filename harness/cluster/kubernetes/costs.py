"""CPU and memory of a run's pods and of Dapr's servers, as the kubelet tells them.

It looks every ten seconds or so, and what a container spent after its last look before its end is
not known: short runs and killed pods come out too cheap. Called by `platform`; who may not see the
kubelet's numbers has none, and the page then shows those of the harness alone.

Source: kubernetes.io/docs/reference/instrumentation/node-metrics, Summary API
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError
from harness.cluster.kubernetes.states import SIDECAR
from harness.results import ProcessRow

MB = 1 << 20
LOOK_S = 5.0
KINDS = {
    SIDECAR: "sidecar",
    "dapr-placement-server": "placement",
    "dapr-scheduler-server": "scheduler",
}
"""Container -> its name beside local processes; others keep theirs."""


class _Cpu(msgspec.Struct, rename="camel"):
    usage_core_nano_seconds: int = 0


class _Memory(msgspec.Struct, rename="camel"):
    rss_bytes: int = 0


class _Container(msgspec.Struct, rename="camel"):
    name: str
    start_time: str = ""
    cpu: _Cpu = msgspec.field(default_factory=_Cpu)
    memory: _Memory = msgspec.field(default_factory=_Memory)


class _Reference(msgspec.Struct):
    namespace: str
    uid: str


class _Pod(msgspec.Struct, rename="camel"):
    pod_ref: _Reference
    containers: list[_Container] = []


class _Summary(msgspec.Struct):
    pods: list[_Pod] = []


@dataclass(slots=True, kw_only=True)
class PodCosts:
    """Of one run; `look` every few seconds."""

    namespaces: tuple[str, ...]
    """The run's own, and that of Dapr's servers."""
    _nodes: tuple[str, ...] | None = None
    _cpu_s: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """(pod's uid, container, its start) -> seconds since that start, as seen last."""
    _before: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _rss_mb_max: dict[str, float] = field(default_factory=dict)

    async def look(self, api: Api) -> bool:
        """Ask every node once; False when this account may not, which is asked no more."""
        try:
            if self._nodes is None:
                self._nodes = tuple(one["metadata"]["name"] for one in await api.items("Node"))
            summaries = [
                await api.get(
                    f"/api/v1/nodes/{node}/proxy/stats/summary", only_cpu_and_memory="true"
                )
                for node in self._nodes
            ]
        except ApiError as error:
            if error.status in (401, 403, 404):
                self._nodes = ()
                return False
            return True
        self.take(summaries)
        return bool(self._nodes)

    async def keep_looking(self, api: Api, clock: Clock) -> None:
        """Look again and again, until cancelled."""
        while await self.look(api):
            await clock.sleep_s(LOOK_S)

    def take(self, summaries: list[dict[str, Any]]) -> None:
        """Take in one look at every node."""
        sums: dict[str, float] = {}
        for summary in summaries:
            for pod in msgspec.convert(summary, _Summary).pods:
                if pod.pod_ref.namespace not in self.namespaces:
                    continue
                for one in pod.containers:
                    kind = KINDS.get(one.name, one.name)
                    key = (pod.pod_ref.uid, kind, one.start_time)
                    self._cpu_s[key] = one.cpu.usage_core_nano_seconds / 1e9
                    sums[kind] = sums.get(kind, 0.0) + one.memory.rss_bytes / MB
        for kind, size in sums.items():
            self._rss_mb_max[kind] = max(size, self._rss_mb_max.get(kind, 0.0))

    def begin(self) -> None:
        """The load begins: what was seen until now does not count."""
        self._before = dict(self._cpu_s)

    def rows(self) -> tuple[ProcessRow, ...]:
        """One row a kind of container; none when nothing was seen."""
        spent: dict[str, float] = {}
        counts: dict[str, int] = {}
        for key, cpu_s in self._cpu_s.items():
            kind = key[1]
            spent[kind] = spent.get(kind, 0.0) + cpu_s - self._before.get(key, 0.0)
            counts[kind] = counts.get(kind, 0) + 1
        return tuple(
            ProcessRow(
                name=kind,
                count=counts[kind],
                is_engine=True,
                cpu_s=round(cpu_s, 3),
                rss_mb_max=round(self._rss_mb_max.get(kind, 0.0), 1),
            )
            for kind, cpu_s in spent.items()
        )
