"""The walk of a sweep: strike after strike, each with agents of its own held at their points.

Differs from `walk` in the load alone: no driver process, since each handful of agents starts when
the one before has ended; what a driver would write down is written down here, in the same form.
"""

import asyncio
from dataclasses import dataclass, field

import httpx
import msgspec

from harness.clock import NS_PER_S
from harness.cluster.processes import Processes
from harness.cluster.witness import WitnessProcess
from harness.errors import HarnessError
from harness.load.events import EventKind, EventLog
from harness.plan import HeldCall, PlannedAgent, PlannedFault
from harness.protocols import Platform
from harness.runner.conductor import Conductor
from harness.runner.stage import RunStage
from harness.runner.walk import Walk
from harness.sweep import holds_of, later_holds_of

HELD_S = 20.0
"""So long the agents of a strike may take to come to their points; then it is not struck."""
ASK_S = 0.1
POST_S = 20.0


@dataclass(slots=True, kw_only=True)
class SweepWalk(Walk):
    """See Walk; the plan is one of `harness.sweep`."""

    def __post_init__(self) -> None:
        # Named in full: with slots=True the class is made anew, and super() would see the old one.
        Walk.__post_init__(self)

    async def _load(
        self,
        processes: Processes,
        witness: WitnessProcess,
        pods: Platform,
        *,
        rate: float | None,
        beside: list[asyncio.Task[None]],
    ) -> str:
        """All strikes; returns how it ended."""
        await self._costs.begin(processes, pods)
        await witness.note("phase", "load", {})
        stage = RunStage(platform=pods, witness=witness)
        async with httpx.AsyncClient(trust_env=False, timeout=POST_S) as http:
            sweep = Sweep(
                walk=self,
                stage=stage,
                conductor=Conductor(
                    plan=self.plan, stage=stage, clock=self.clock, tell=lambda _text: None
                ),
                pods=pods,
                witness=witness,
                http=http,
                events=EventLog(self.folder.driver_events, self.clock),
            )
            ending = await sweep.run(beside)
            self._trouble(*sweep.troubles)
        await witness.note("phase", "end", {})
        await self._costs.end(processes, pods)
        return ending


@dataclass(slots=True, kw_only=True)
class Sweep:
    """The strikes of one sweep under way."""

    walk: Walk
    stage: RunStage
    conductor: Conductor
    pods: Platform
    witness: WitnessProcess
    http: httpx.AsyncClient
    events: EventLog
    troubles: list[str] = field(default_factory=list)
    _programs: dict[str, PlannedAgent] = field(init=False)
    _intended_ns: dict[str, int] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._programs = {one.agent: one for one in self.walk.agents}

    async def run(self, beside: list[asyncio.Task[None]]) -> str:
        """Play every strike; one that cannot be played is a trouble, and the next one follows."""
        faults = self.walk.plan.faults
        for number, fault in enumerate(faults, start=1):
            for task in beside:
                if task.done():
                    task.result()
            if self.walk.interrupted.is_set():
                return "interrupted"
            try:
                await self._strike(fault)
            except HarnessError as error:
                self.troubles.append(f"{fault.name} ({fault.point}): {error}")
            left = [agent for agent in fault.agents if agent not in self._ended]
            for agent in left:
                self._write(EventKind.INFO, agent, "left over at the end of its strike")
            self.walk.display.tell(
                f"{number}/{len(faults)} {fault.name} {fault.point}: "
                f"{len(fault.agents) - len(left)} of {len(fault.agents)} agents ended"
            )
        return "finished"

    async def _strike(self, fault: PlannedFault) -> None:
        seed = self.walk.plan.seed
        holds = holds_of(fault, self._programs, seed)
        later = later_holds_of(fault, self._programs, seed)
        await self._until_ready(fault.slot)
        await self.witness.place([*holds, *later])
        try:
            async with asyncio.TaskGroup() as group:
                for agent in fault.agents:
                    group.create_task(self._start(fault.slot, agent))
            if not await self.witness.held(holds, deadline_s=HELD_S):
                raise HarnessError(f"not all calls came to their point within {HELD_S:g} s")
            if fault.point == "after_use":
                await self._follow((fault.agents[-1],), deadline_s=HELD_S)
            elif fault.point == "before_use":
                await self.witness.release(holds)
            await self.conductor.play(fault, after_strike=lambda: self._release([*holds, *later]))
        finally:
            await self._release([*holds, *later])
        spec = self.walk.plan.sweep
        assert spec is not None
        await self._follow(fault.agents, deadline_s=spec.patience_s)

    async def _release(self, holds: list[HeldCall]) -> None:
        await self.witness.release(holds)

    async def _until_ready(self, slot: str) -> None:
        deadline_ns = self.walk.clock.monotonic_ns() + int(HELD_S * NS_PER_S)
        while not self.stage.is_ready(slot):
            if self.walk.clock.monotonic_ns() > deadline_ns:
                raise HarnessError(f"{slot} was not healthy within {HELD_S:g} s")
            await self.walk.clock.sleep_s(ASK_S)

    async def _start(self, slot: str, agent: str) -> None:
        """POST an agent; the pod is healthy, and is not struck before all starts have answered."""
        self._intended_ns[agent] = self.walk.clock.monotonic_ns()
        self._write(EventKind.INVOKE, agent, "")
        body = msgspec.json.encode({"agent": agent, "program": self._programs[agent].program})
        try:
            answer = await self.http.post(self.pods.by_slot[slot].url + "/agents", content=body)
        except httpx.TransportError as error:
            self._write(EventKind.INFO, agent, repr(error))
            return
        is_taken = answer.status_code == 202
        self._write(EventKind.OK if is_taken else EventKind.FAIL, agent, f"{answer.status_code}")

    async def _follow(self, agents: tuple[str, ...], *, deadline_s: float) -> None:
        """Ask until all have ended or time is over; each end gets its outcome mark."""
        deadline_ns = self.walk.clock.monotonic_ns() + int(deadline_s * NS_PER_S)
        while self.walk.clock.monotonic_ns() < deadline_ns:
            open_agents = [agent for agent in agents if agent not in self._ended]
            if not open_agents:
                return
            for agent in open_agents:
                await self._ask(agent)
            await self.walk.clock.sleep_s(ASK_S)

    async def _ask(self, agent: str) -> None:
        pod = self.pods.by_slot[self._programs[agent].pod]
        if not pod.is_ready:
            return
        try:
            answer = await self.http.get(f"{pod.url}/agents/{agent}")
        except httpx.TransportError:
            return
        if answer.status_code != 200:
            return
        view = answer.json()
        if view["status"] in ("completed", "failed"):
            await self.witness.outcome(agent, view["status"], str(view["output"]))
            self._write(EventKind.ENDED, agent, view["status"])
            self._ended.add(agent)

    def _write(self, kind: EventKind, agent: str, status: str) -> None:
        self.events.write(
            kind,
            agent=agent,
            intended_ns=self._intended_ns.get(agent, 0),
            caller=self.stage.caller(self._programs[agent].pod),
            status=status,
        )
