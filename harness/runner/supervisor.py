"""The platform's part: brings back what died, re-submits where the engine does not resume itself.

The same for all engines, and the only place that restarts anything. A deleted pod is replaced at
once; a dead container comes back in place after a growing delay, as a kubelet would do it. Nothing
here knows why something died.
"""

import asyncio
from dataclasses import dataclass

import httpx
import msgspec

from harness.clock import NS_PER_S, Clock
from harness.cluster.pods import Pod, Pods
from harness.cluster.processes import Process, Processes
from harness.errors import HarnessError, MachineError
from harness.protocols import EngineSpec, Healed, Struck, Witness
from harness.runner.roster import Roster

RESTART_DELAYS_S = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Of the n-th container restart of a pod; the last one stays."""
RESUBMITS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One thing that was brought back."""

    caller: str
    parts_ns: dict[str, int]


class Supervisor:
    """Watches one run's pods; `run` is its loop."""

    def __init__(
        self,
        *,
        pods: Pods,
        processes: Processes,
        spec: EngineSpec,
        roster: Roster,
        clock: Clock,
        http: httpx.AsyncClient,
        witness: Witness,
        restart_delays_s: tuple[float, ...] = RESTART_DELAYS_S,
    ) -> None:
        """``roster`` says which agents of a slot are unfinished."""
        self._restart_delays_s = restart_delays_s
        self._witness = witness
        self._pods = pods
        self._spec = spec
        self.roster = roster
        self._clock = clock
        self._http = http
        self._exits: asyncio.Queue[Process] = asyncio.Queue()
        processes.on_exit.append(self._exits)
        self._healed = asyncio.Condition()
        self._restarts: dict[str, Restart] = {}
        self.resubmitted_count = 0
        """Accepted re-submissions; each is a mark in the ledger."""
        self.troubles: list[str] = []
        """What died or failed to start without a fault of ours; shown as doubts."""
        self.struck: set[int] = set()
        """Process ids that a fault killed."""

    async def run(self) -> None:
        """Handle exits until cancelled."""
        async with asyncio.TaskGroup() as group:
            busy: dict[str, asyncio.Task[None]] = {}
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
                    busy[pod.slot] = group.create_task(self._care_for(pod, group))

    async def healed(self, slot: str, after: Struck, *, deadline_s: float) -> Healed:
        """See Stage.healed."""
        pod = self._pods.by_slot[slot]
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

    def _owner(self, process: Process) -> Pod | None:
        for pod in self._pods.by_slot.values():
            if process in (pod.worker, pod.sidecar):
                return pod
        return None

    async def _care_for(self, pod: Pod, group: asyncio.TaskGroup) -> None:
        """Bring the pod back until nothing in it is dead: nobody else sees what dies meanwhile."""
        while any(process.exit is not None for process in pod.processes):
            await self._bring_back(pod)
            if self._spec.recovery == "assisted":
                group.create_task(self._resubmit(pod))

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

    async def _resubmit(self, pod: Pod) -> None:
        """POST the slot's unfinished agents to its new incarnation, as that engine's docs say."""
        gate = asyncio.Semaphore(RESUBMITS_AT_ONCE)
        caller = pod.caller

        async def one(agent: str, program: bytes) -> None:
            body = b'{"agent":' + msgspec.json.encode(agent) + b',"program":' + program + b"}"
            async with gate:
                if pod.caller != caller or not pod.is_ready:
                    return
                await self._witness.note("resubmit", agent, {"caller": caller})
                try:
                    answer = await self._http.post(pod.url + "/agents", content=body, timeout=30.0)
                except httpx.TransportError:
                    return
                self.resubmitted_count += answer.status_code == 202

        async with asyncio.TaskGroup() as group:
            for agent, program in self.roster.unfinished(pod.slot):
                group.create_task(one(agent, program))
