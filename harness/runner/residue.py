"""What is still inside the brokers when a run is over: taken out, counted, and told the witness.

A sidecar of the same app, so of the same queue or consumer group, takes in whatever a broker still
holds for the agents, when no pod runs any more. So it is the same for every broker.
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiohttp import web

from harness.clock import NS_PER_S
from harness.cluster.back_end import BackEnd
from harness.cluster.dapr import ControlPlane
from harness.cluster.means import Means
from harness.cluster.witness import WitnessProcess
from harness.engines.messages import CloudEvent
from harness.evidence.gather import WARM_UP
from harness.history import NONE
from harness.runner.switchboard import RunSwitchboard

SETTLED_S, BETWEEN_S = 10.0, 0.3
"""A broker takes back what ended readers held: so long its counters may move."""
ALL_CAME_S = 2.0
"""So long something more may come than the broker says there is."""
QUIET_S = {"redis": 4.0, "redis-2": 4.0, "rabbitmq": 3.0, "kafka": 15.0, "nats": 18.0}
"""So long nothing more must come: Kafka first waits out the session of a pod that was killed, and
JetStream the time in which that pod might have acknowledged."""
COLLECT_S = 120.0
KINDS = ("starts", "agents", "tasks", "answers", "results", "notes", "dead")
"""The routes of components/subscription-*.yaml."""
_REDIS_SOON = {"processingTimeout": "1s", "redeliverInterval": "1000"}
SOON = {"redis": _REDIS_SOON, "redis-2": _REDIS_SOON}
"""Redis keeps what a dead pod held for it; here it need not wait for that pod."""


@dataclass(slots=True, kw_only=True)
class Residue:
    """Of one run; `collect` is called after the pods have ended."""

    switchboard: RunSwitchboard
    control_plane: ControlPlane | None
    back_end: BackEnd
    means: Means
    witness: WitnessProcess
    folder: Path
    _found: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Event and route -> message and topic: an entry of the broker each."""
    _came_ns: int = 0

    async def collect(self) -> None:
        """Empty every broker that was in force, one after the other; its own counters beside.

        What a sidecar held in its memory went with it: nothing is left to be found.

        Raises:
            MachineError: the sidecar did not start, or a broker does not tell its counters.
            HarnessError: the witness does not take what was found.
        """
        if not self.switchboard.is_over:
            return
        for name in dict.fromkeys(self.switchboard.used):
            self._found.clear()
            given, left = await self._settled(name)
            if name != "in-memory":
                await self._empty(name, left)
            messages: list[dict[str, object]] = [
                {"what": "residue", "id": id, "topic": topic, "broker": name}
                for id, topic in self._found.values()
            ]
            if messages:
                await self.witness.tell(messages)
            await self.witness.note("residue", name, self._counters(name, given, left))

    async def _settled(self, name: str) -> tuple[int, int]:
        """What the broker was given and has left, when it says the same twice."""
        before = await self.switchboard.counted(name)
        for _ in range(int(SETTLED_S / BETWEEN_S)):
            await self.means.clock.sleep_s(BETWEEN_S)
            now = await self.switchboard.counted(name)
            if now == before:
                break
            before = now
        return before

    def _counters(self, name: str, given: int, left: int) -> dict[str, object]:
        """What the note says: the load's part alone, as the ledger's sums are."""
        detail: dict[str, object] = {}
        if left != NONE:
            warm = sum(id.startswith(WARM_UP) for id, _ in self._found.values())
            detail["left"] = left - warm
        if given != NONE:
            detail["published"] = given - max(self.switchboard.given_before[name], 0)
        return detail

    async def _empty(self, name: str, left: int) -> None:
        """Take out what comes; no longer than needed where all that it counts has come."""
        port = self.means.ports.take()
        runner = web.AppRunner(self._application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self.back_end.host, port).start()
        try:
            async with self.back_end.collector(
                self.control_plane,
                self.means,
                name=name,
                resources=self._resources(name),
                port=port,
            ):
                began_ns = self._came_ns = self.means.clock.monotonic_ns()
                while (now_ns := self.means.clock.monotonic_ns()) < began_ns + COLLECT_S * NS_PER_S:
                    is_all = 0 <= left <= len(self._found)
                    quiet_s = ALL_CAME_S if is_all else QUIET_S[name]
                    if now_ns - self._came_ns > quiet_s * NS_PER_S:
                        break
                    await self.means.clock.sleep_s(0.1)
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.add_routes([web.post(f"/messages/{kind}", self._take) for kind in KINDS])
        return application

    async def _take(self, request: web.Request) -> web.Response:
        event = msgspec.json.decode(await request.read(), type=CloudEvent)
        self._came_ns = self.means.clock.monotonic_ns()
        # Its sidecar gave each publishing an id of its own; a dead letter has that of its message.
        self._found[event.id, request.path] = (event.data.id, event.data.topic)
        return web.json_response({"status": "SUCCESS"})

    def _resources(self, name: str) -> Path:
        """The broker's component and the subscriptions, and nothing that runs agents."""
        folder = self.folder / f"collector-{name}"
        folder.mkdir(parents=True)
        self.switchboard.write(name, folder, more=SOON.get(name, {}))
        return folder
