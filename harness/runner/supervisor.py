"""Re-submits the agents of a restarted pod where the engine does not resume them itself.

The platform brings back what died; this is what a framework's documentation tells its users to do
after that, the same for all engines with assisted recovery.
"""

import asyncio

import httpx
import msgspec

from harness.protocols import EngineSpec, Platform, Pod, Witness
from harness.runner.roster import Roster

RESUBMITS_AT_ONCE = 32


class Supervisor:
    """Of one run; `run` is its loop."""

    def __init__(
        self,
        *,
        platform: Platform,
        spec: EngineSpec,
        roster: Roster,
        http: httpx.AsyncClient,
        witness: Witness,
    ) -> None:
        """``roster`` says which agents of a slot are unfinished."""
        self._witness = witness
        self._platform = platform
        self._spec = spec
        self.roster = roster
        self._http = http
        self.resubmitted_count = 0
        """Accepted re-submissions; each is a mark in the ledger."""

    async def run(self) -> None:
        """Have the platform bring back what dies, and look after its agents, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._platform.run())
            while True:
                pod = await self._platform.restarted.get()
                if self._spec.recovery == "assisted":
                    group.create_task(self._resubmit(pod))

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
