"""Sends the planned events: each from its moment on, until a pod has taken it.

An at-least-once sender, as every queue is: what was not answered with 202 is sent again, with the
same payload. The witness has each event on file before it is sent the first time.
"""

import asyncio
import heapq
from dataclasses import dataclass, field

import httpx

from harness.clock import NS_PER_S, Clock
from harness.cluster.witness import WitnessProcess
from harness.plan import PlannedAgent
from harness.protocols import EngineSpec, Platform, Pod
from harness.runner.roster import Roster

TICK_S = 0.1
AGAIN_S = 1.0
"""After a pod that was down, or did not take the event."""
AT_ONCE = 32
"""Enough to keep an engine busy: on two cores Dapr took 18 events a second of these, 1.8 s each, so
that more of them only wait longer; and they wait in the harness's connections, which all calls
share. With 256 the witness was no longer reached, and the run failed.
"""
POST_S = 10.0


@dataclass(order=True, slots=True)
class _Due:
    at_ns: int
    agent: str
    path: str
    payload: str = field(default="", compare=False)


class Sender:
    """The events of one run; `run` is its loop, to be cancelled when the load is over."""

    def __init__(
        self,
        *,
        agents: list[PlannedAgent],
        roster: Roster,
        pods: Platform,
        spec: EngineSpec,
        clock: Clock,
        http: httpx.AsyncClient,
        witness: WitnessProcess,
    ) -> None:
        """``roster`` says which agents were accepted."""
        self._events = {
            one.agent: [
                (step.path, step.wait_s) for step in one.program.steps if step.kind == "receive"
            ]
            for one in agents
        }
        self._waiting = {agent for agent, events in self._events.items() if events}
        self._roster = roster
        self._pods = pods
        self._spec = spec
        self._clock = clock
        self._http = http
        self._witness = witness
        self._agenda: list[_Due] = []
        self.has_work = bool(self._waiting)
        self.last_due_ns = 0
        """When the latest event known so far was or will be due; 0 without."""

    async def run(self) -> None:
        """Send what is due, a few at a time."""
        gate = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                self._take_accepted()
                now_ns = self._clock.monotonic_ns()
                while self._agenda and self._agenda[0].at_ns <= now_ns:
                    group.create_task(self._send(heapq.heappop(self._agenda), gate))
                await self._clock.sleep_s(TICK_S)

    def _take_accepted(self) -> None:
        self._roster.refresh()
        now_ns = self._clock.monotonic_ns()
        accepted = self._waiting & self._roster.begun
        self._waiting -= accepted
        for agent in accepted:
            for path, wait_s in self._events[agent]:
                due = _Due(now_ns + int(wait_s * NS_PER_S), agent, path)
                self.last_due_ns = max(self.last_due_ns, due.at_ns)
                heapq.heappush(self._agenda, due)

    async def _send(self, due: _Due, gate: asyncio.Semaphore) -> None:
        async with gate:
            if not due.payload:
                due.payload = await self._witness.event(due.agent, due.path)
            slot = self._roster.slots[due.agent]
            pod = pod_of(self._pods, slot, any_pod=self._spec.any_pod_answers)
            is_taken = pod is not None and await self._post(pod, due)
        if not is_taken:
            due.at_ns = self._clock.monotonic_ns() + int(AGAIN_S * NS_PER_S)
            heapq.heappush(self._agenda, due)

    async def _post(self, pod: Pod, due: _Due) -> bool:
        url = f"{pod.url}/agents/{due.agent}/events"
        try:
            answer = await self._http.post(
                url, json={"name": due.path, "payload": due.payload}, timeout=POST_S
            )
        except httpx.TransportError:
            return False
        return answer.status_code == 202


def pod_of(pods: Platform, slot: str, *, any_pod: bool) -> Pod | None:
    """The pod that answers for an agent of a slot now: the slot's own, or any; None when none."""
    own = pods.by_slot[slot]
    if own.is_ready:
        return own
    others = pods.by_slot.values() if any_pod else ()
    return next((pod for pod in others if pod.is_ready), None)
