"""Local pods: a worker and its sidecar in one process group, in a slot that outlives them.

Killing a pod kills the group; its replacement is the next incarnation, under new ports. Killing one
container leaves the other alone; it comes back in place, under the same ports. Who decides when is
`local`.
"""

import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster.address_book import write_book
from harness.cluster.dapr import APP_ID, SidecarPorts
from harness.cluster.health import until_healthy
from harness.cluster.means import Means
from harness.cluster.processes import Process
from harness.ids import Slot, caller_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """What all pods of a run have in common."""

    worker: tuple[str, ...]
    environ: dict[str, str]
    """Of workers that start from now on: the switchboard changes an entry of it."""
    witness: str
    """Base URL of the witness."""
    state: Path
    """A folder per slot is made in it."""
    sidecar: Callable[[SidecarPorts, str, int], tuple[str, ...]] | None
    """The command of a sidecar of an app beside a worker's port, for engines that need one."""
    app_ids: tuple[str, ...] = (APP_ID,)
    """Apps that the slots are dealt out to in turn."""
    ready_s: float = 60.0
    memory_mb: float = math.inf
    """Bound on the resident memory of a container, where this machine has to keep it."""
    components: Path = Path()
    """Folder of the run's component files, which sidecars read."""
    needs_dapr: bool = False
    takes_messages: bool = False
    """Its sidecars deliver messages to it."""
    reloads: bool = False
    """Of a cluster's: its sidecars take in components that change while they run."""
    is_assisted: bool = False
    """Its slots have a state of their own, and their agents are posted again."""


@dataclass(slots=True)
class Pod:
    """One slot and what runs in it now."""

    slot: Slot
    app_id: str = APP_ID
    incarnation: int = 0
    """Of the worker, counted from 1; part of the URL by which the witness knows it."""
    worker_port: int = 0
    sidecar_ports: SidecarPorts | None = None
    worker: Process | None = None
    sidecar: Process | None = None
    is_ready: bool = False
    is_deleted: bool = False
    """Killed as a whole: replaced at once, instead of restarted in place."""
    restarts: dict[str, int] = field(default_factory=lambda: {"worker": 0, "sidecar": 0})
    """Container restarts in place so far, which set the back-off."""

    @property
    def caller(self) -> str:
        """The incarnation that the witness sees."""
        return caller_of(self.slot, self.incarnation)

    @property
    def url(self) -> str:
        """Where the worker contract is served."""
        return f"http://127.0.0.1:{self.worker_port}"

    @property
    def sidecar_url(self) -> str:
        """Base URL of the sidecar's HTTP API; empty without one."""
        return f"http://127.0.0.1:{self.sidecar_ports.http}" if self.sidecar_ports else ""

    @property
    def processes(self) -> list[Process]:
        """Worker and sidecar, those that were started."""
        return [process for process in (self.sidecar, self.worker) if process is not None]


class Pods:
    """All pods of a run."""

    def __init__(
        self,
        template: PodTemplate,
        slots: tuple[str, ...],
        means: Means,
        *,
        address_book: Path,
    ) -> None:
        """``address_book`` is pods.json, which the driver follows."""
        self._template = template
        self._processes = means.processes
        self._ports = means.ports
        self._clock = means.clock
        self._http = means.http
        self._address_book = address_book
        self.by_slot = {
            slot: Pod(Slot(slot), app_id=template.app_ids[place % len(template.app_ids)])
            for place, slot in enumerate(slots)
        }

    def launch(self, pod: Pod) -> None:
        """Spawn a new incarnation of the whole pod, under new ports; `until_ready` waits for it."""
        pod.worker_port = self._ports.take()
        pod.is_ready = pod.is_deleted = False
        pod.sidecar = None
        if self._template.sidecar is not None:
            pod.sidecar_ports = SidecarPorts.taken_from(self._ports)
            self._spawn_sidecar(pod)
        self._spawn_worker(pod)
        self.publish()

    def relaunch(self, pod: Pod, part: str) -> None:
        """Spawn one container again, in place."""
        pod.is_ready = False
        if part == "worker":
            self._spawn_worker(pod)
        else:
            self._spawn_sidecar(pod)
        self.publish()

    async def until_ready(self, pod: Pod) -> None:
        """Wait for the health of worker and sidecar.

        Raises:
            MachineError: one of them died, or the deadline passed.
        """
        deadline_s = self._template.ready_s
        if pod.sidecar is not None and pod.sidecar_ports is not None:
            url = f"http://127.0.0.1:{pod.sidecar_ports.http}/v1.0/healthz"
            await until_healthy(
                self._http, url, pod.sidecar, clock=self._clock, deadline_s=deadline_s
            )
        assert pod.worker is not None
        await until_healthy(
            self._http, f"{pod.url}/healthz", pod.worker, clock=self._clock, deadline_s=deadline_s
        )
        pod.is_ready = True
        self.publish()

    async def kill(self, pod: Pod, part: str) -> list[Process]:
        """SIGKILL ``pod``, ``worker`` or ``sidecar``, and reap; returns what ended."""
        pod.is_ready = False
        if part == "pod":
            pod.is_deleted = True
            struck = [process for process in pod.processes if process.exit is None]
            self._processes.signal_groups(struck, signal.SIGKILL)
            self.publish()
            await self._processes.kill(struck)
            return struck
        process = pod.worker if part == "worker" else pod.sidecar
        if process is None or process.exit is not None:
            return []
        os.kill(process.pid, signal.SIGKILL)
        self.publish()
        await self._processes.kill_one(process)
        return [process]

    async def retire(self, pod: Pod) -> list[Process]:
        """End the whole pod by SIGTERM, a grace, SIGKILL; returns what ended."""
        pod.is_ready = False
        pod.is_deleted = True
        ended = [process for process in pod.processes if process.exit is None]
        self.publish()
        await self._processes.stop(ended)
        return ended

    async def stop(self) -> None:
        """End all pods."""
        for pod in self.by_slot.values():
            pod.is_ready = False
        await self._processes.stop([p for pod in self.by_slot.values() for p in pod.processes])

    def publish(self) -> None:
        """Write the address book anew, atomically."""
        write_book(self._address_book, self.by_slot.values())

    def _spawn_sidecar(self, pod: Pod) -> None:
        assert self._template.sidecar is not None
        assert pod.sidecar_ports is not None
        number = pod.incarnation + (1 if pod.sidecar is None else 0)
        pod.sidecar = self._processes.start(
            f"sidecar-{caller_of(pod.slot, number)}",
            self._template.sidecar(pod.sidecar_ports, pod.app_id, pod.worker_port),
            environ={
                "ONCEPROOF_EFFECTS_URL": self._effects_url(caller_of(pod.slot, number)),
                "ONCEPROOF_PYTHON": sys.executable,
            },
            group=_living_group(pod.worker) if pod.sidecar is not None else 0,
        )

    def _effects_url(self, caller: str) -> str:
        """Also for a sidecar's own tools, see components/mcp-effects.yaml."""
        return f"{self._template.witness}/pods/{caller}/effects"

    def _spawn_worker(self, pod: Pod) -> None:
        pod.incarnation += 1
        state = self._template.state / pod.slot
        state.mkdir(parents=True, exist_ok=True)
        environ = {
            **self._template.environ,
            "ONCEPROOF_PORT": str(pod.worker_port),
            "ONCEPROOF_POD": pod.slot,
            "ONCEPROOF_INCARNATION": str(pod.incarnation),
            "ONCEPROOF_STATE_DIR": str(state),
            "ONCEPROOF_EFFECTS_URL": self._effects_url(pod.caller),
            "OPENAI_BASE_URL": f"{self._template.witness}/pods/{pod.caller}/v1",
            "OPENAI_API_KEY": "sk-fake-onceproof",
        }
        if pod.sidecar_ports is not None:
            environ |= {
                "DAPR_HTTP_PORT": str(pod.sidecar_ports.http),
                "DAPR_GRPC_PORT": str(pod.sidecar_ports.grpc),
                "APP_ID": pod.app_id,
            }
        pod.worker = self._processes.start(
            f"worker-{pod.caller}",
            self._template.worker,
            environ=environ,
            group=_living_group(pod.sidecar),
        )


def _living_group(process: Process | None) -> int:
    """The group to join; 0, a new one, when nobody is left in it."""
    return process.group if process is not None and process.exit is None else 0
