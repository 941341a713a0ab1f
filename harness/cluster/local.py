"""The local back end: pods are process groups of this machine, and what died comes back here.

The same for all engines, and the only place that restarts anything on this platform. A deleted pod
is replaced at once; a dead container comes back in place after a growing delay, as a kubelet would
do it. Nothing here knows why something died.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from harness.clock import NS_PER_S, Clock
from harness.cluster.dapr import READY_S, ControlPlane, DaprCommands, SidecarPorts
from harness.cluster.health import until_healthy
from harness.cluster.means import LOOPBACK, Means
from harness.cluster.pods import Pod, Pods, PodTemplate
from harness.cluster.processes import Process, Processes
from harness.cluster.usage import machine_mb, tree_rss_mb
from harness.errors import HarnessError, MachineError
from harness.protocols import Healed, Platform, Struck
from harness.protocols import Pod as AnyPod
from harness.results import ProcessRow

RESTART_DELAYS_S = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Of the n-th container restart of a pod; the last one stays."""
MEMORY_RATIO = 0.8
"""Share of this machine's memory that all pods together may take where nothing else is said."""
MEMORY_LOOK_S = 0.5
ASK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One thing that was brought back."""

    caller: str
    parts_ns: dict[str, int]


class LocalPlatform:
    """Watches one run's pods and brings them back. Implements Platform."""

    control_plane = None
    workload = None

    def __init__(
        self,
        *,
        pods: Pods,
        processes: Processes,
        clock: Clock,
        http: httpx.AsyncClient,
        restart_delays_s: tuple[float, ...] = RESTART_DELAYS_S,
        memory_mb: float = math.inf,
        memory_mb_of: Callable[[int], float] = tree_rss_mb,
    ) -> None:
        """``memory_mb`` is the bound of each container, ``memory_mb_of`` asks for a process's."""
        self._memory_mb = memory_mb
        self._memory_mb_of = memory_mb_of
        self._swollen: set[str] = set()
        """Slots whose memory has been told."""
        self._restart_delays_s = restart_delays_s
        self._pods = pods
        self.by_slot = pods.by_slot
        self._processes = processes
        self._clock = clock
        self._http = http
        self._exits: asyncio.Queue[Process] = asyncio.Queue()
        processes.on_exit.append(self._exits)
        self._healed = asyncio.Condition()
        self._restarts: dict[str, Restart] = {}
        self.restarted: asyncio.Queue[AnyPod] = asyncio.Queue()
        self.troubles: list[str] = []
        self.struck: set[int] = set()
        """Process ids that a fault killed, or this for their memory."""

    async def start(self) -> None:
        """See Platform."""
        for pod in self.by_slot.values():
            self._pods.launch(pod)
        async with asyncio.TaskGroup() as group:
            for pod in self.by_slot.values():
                group.create_task(self._pods.until_ready(pod))

    async def stop(self) -> None:
        """See Platform."""
        await self._pods.stop()

    async def run(self) -> None:
        """See Platform."""
        async with asyncio.TaskGroup() as group:
            busy: dict[str, asyncio.Task[None]] = {}
            if self._memory_mb < math.inf:
                group.create_task(self._bound_memory())
            while True:
                process = await self._exits.get()
                pod = self._owner(process)
                if pod is None:
                    continue
                if process.pid not in self.struck and process.exit is not None:
                    self.troubles.append(f"{process.name} ended by itself ({process.exit.status})")
                if pod.is_ready:
                    pod.is_ready = False
                    self._pods.publish()
                current = busy.get(pod.slot)
                if current is None or current.done():
                    busy[pod.slot] = group.create_task(self._care_for(pod))

    async def _bound_memory(self) -> None:
        """Kill a container that takes more than its bound, so that the machine outlives it."""
        while True:
            await self._clock.sleep_s(MEMORY_LOOK_S)
            for pod in self.by_slot.values():
                for part, process in (("worker", pod.worker), ("sidecar", pod.sidecar)):
                    if process is None or process.exit is not None:
                        continue
                    size_mb = self._memory_mb_of(process.pid)
                    if size_mb > self._memory_mb:
                        self._tell_swollen(pod, process, size_mb)
                        await self._pods.kill(pod, part)

    def _tell_swollen(self, pod: Pod, process: Process, size_mb: float) -> None:
        """Once a slot: what leaks once does it again."""
        self.struck.add(process.pid)
        if pod.slot not in self._swollen:
            self._swollen.add(pod.slot)
            self.troubles.append(
                f"{process.name} took {size_mb:.0f} MB of memory, expected at most "
                f"{self._memory_mb:.0f} MB, and was killed and restarted as a kubelet does it; "
                f"does it leak? more is allowed by --set pod_memory_mb="
            )

    async def configure(self, resources: Path) -> None:
        """See Platform; sidecars read the folder themselves."""

    async def metadata(self, slot: str) -> bytes:
        """See Platform."""
        url = f"{self.by_slot[slot].sidecar_url}/v1.0/metadata"
        try:
            return (await self._http.get(url, timeout=ASK_S)).content
        except httpx.HTTPError as error:
            raise HarnessError(repr(error)) from error

    async def begin_costs(self) -> None:
        """See Platform; local pods are processes, which are measured as such."""

    async def costs(self) -> tuple[ProcessRow, ...]:
        """See Platform."""
        return ()

    async def kill(self, slot: str, part: str) -> Struck:
        """See Platform."""
        pod, victim = self._about_to_strike(slot)
        return _struck(victim, await self._pods.kill(pod, part))

    async def retire(self, slot: str) -> Struck:
        """See Platform."""
        pod, victim = self._about_to_strike(slot)
        return _struck(victim, await self._pods.retire(pod))

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        """See Platform."""
        pod = self.by_slot[slot]
        try:
            async with asyncio.timeout(deadline_s), self._healed:
                await self._healed.wait_for(lambda: pod.is_ready and slot in self._restarts)
        except TimeoutError:
            raise HarnessError(f"{slot} was not healthy again within {deadline_s:g} s") from None
        restart = self._restarts.pop(slot)
        return Healed(caller=restart.caller, parts_ns=restart.parts_ns)

    def forget(self, slot: str) -> None:
        """A strike follows: restarts before it do not count as its heal."""
        self._restarts.pop(slot, None)

    def _about_to_strike(self, slot: str) -> tuple[Pod, str]:
        """The pod, and who it is before the strike."""
        pod = self.by_slot[slot]
        self.forget(slot)
        self.struck |= {process.pid for process in pod.processes}
        return pod, pod.caller

    def _owner(self, process: Process) -> Pod | None:
        for pod in self.by_slot.values():
            if process in (pod.worker, pod.sidecar):
                return pod
        return None

    async def _care_for(self, pod: Pod) -> None:
        """Bring the pod back until nothing in it is dead: nobody else sees what dies meanwhile."""
        while any(process.exit is not None for process in pod.processes):
            await self._bring_back(pod)
            self.restarted.put_nowait(pod)

    async def _bring_back(self, pod: Pod) -> None:
        """Until the pod is healthy; parts that die again meanwhile are brought back too."""
        died_ns = self._clock.monotonic_ns()
        delay_ns = 0
        while True:
            began_ns = self._clock.monotonic_ns()
            delay_ns += await self._spawn(pod)
            spawned_ns = self._clock.monotonic_ns()
            try:
                await self._pods.until_ready(pod)
            except MachineError as error:
                self.troubles.append(str(error).splitlines()[0])
                dead = [process for process in pod.processes if process.exit is not None]
                if not dead:
                    await self._pods.kill(pod, "worker")
                continue
            break
        ready_ns = self._clock.monotonic_ns()
        self._restarts[pod.slot] = Restart(
            caller=pod.caller,
            parts_ns={
                "restart_delay": delay_ns,
                "process_start": max(0, spawned_ns - began_ns - delay_ns),
                "ready": ready_ns - spawned_ns,
                "total": ready_ns - died_ns,
            },
        )
        async with self._healed:
            self._healed.notify_all()

    async def _spawn(self, pod: Pod) -> int:
        """Spawn what is dead, after its delay; returns the delay in nanoseconds."""
        if pod.is_deleted:
            for process in pod.processes:
                await process.exited.wait()
            self._pods.launch(pod)
            return 0
        dead = [
            part
            for part, process in (("sidecar", pod.sidecar), ("worker", pod.worker))
            if process is not None and process.exit is not None
        ]
        last = len(self._restart_delays_s) - 1
        delays = [self._restart_delays_s[min(pod.restarts[part], last)] for part in dead]
        delay_s = max(delays, default=0.0)
        await self._clock.sleep_s(delay_s)
        if pod.is_deleted:
            return int(delay_s * NS_PER_S) + await self._spawn(pod)
        for part in dead:
            pod.restarts[part] += 1
            self._pods.relaunch(pod, part)
        return int(delay_s * NS_PER_S)


def _struck(victim: str, ended: Sequence[Process]) -> Struck:
    proof = ", ".join(
        f"{process.name} (pid {process.pid}) reaped: {process.exit.status}"
        for process in ended
        if process.exit is not None
    )
    return Struck(victims=(victim,) if ended else (), proof=proof)


class LocalBackEnd:
    """Implements BackEnd."""

    host = LOOPBACK
    measures_pods = True

    def manifests(self, template: PodTemplate, slots: tuple[str, ...]) -> str:
        """See BackEnd."""
        return ""

    def sweep(self) -> None:
        """See BackEnd: the keeper has ended every process already."""

    def control_plane(
        self,
        commands: DaprCommands | None,
        means: Means,
        *,
        folder: Path,
        schedulers: int,
        log_level: str,
    ) -> ControlPlane | None:
        """See BackEnd."""
        assert commands is not None
        return ControlPlane(
            commands=commands,
            processes=means.processes,
            ports=means.ports,
            folder=folder,
            clock=means.clock,
            schedulers=schedulers,
            log_level=log_level,
        )

    @contextlib.asynccontextmanager
    async def collector(
        self,
        control_plane: ControlPlane | None,
        means: Means,
        *,
        name: str,
        resources: Path,
        port: int,
    ) -> AsyncIterator[None]:
        """See BackEnd."""
        assert control_plane is not None
        own = SidecarPorts.taken_from(means.ports)
        command = control_plane.sidecar_command(own, resources, app_port=port)
        process = means.processes.start(f"collector-{name}", command)
        url = f"http://{LOOPBACK}:{own.http}/v1.0/healthz"
        await until_healthy(means.http, url, process, clock=means.clock, deadline_s=READY_S)
        yield
        await means.processes.stop([process])

    def platform(
        self,
        template: PodTemplate,
        slots: tuple[str, ...],
        means: Means,
        *,
        address_book: Path,
        restart_delays_s: tuple[float, ...],
    ) -> Platform:
        """See BackEnd."""
        return LocalPlatform(
            pods=Pods(template, slots, means, address_book=address_book),
            processes=means.processes,
            clock=means.clock,
            http=means.http,
            restart_delays_s=restart_delays_s,
            memory_mb=min(template.memory_mb, MEMORY_RATIO * machine_mb() / len(slots)),
        )
