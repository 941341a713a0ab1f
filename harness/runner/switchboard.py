"""The brokers of one run: all of them up from the start, one of them in force, the rest to come.

Called by `set_up` and `walk`; faults see it as Switchboard.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from harness.clock import Clock
from harness.cluster.components import write_component
from harness.cluster.witness import WitnessProcess
from harness.errors import HarnessError
from harness.protocols import Broker, Healed, Platform, Struck

POLICIES = "resiliency.yaml"
GATE_S = 5.0


@dataclass(slots=True, kw_only=True)
class RunSwitchboard:
    """Implements Switchboard."""

    brokers: dict[str, Broker]
    """Every broker of the run, the first of them in force at the start."""
    shipped: Path
    """The folder components/."""
    resources: Path
    """What sidecars that start now read; a swap gives them another folder."""
    witness: WitnessProcess
    http: httpx.AsyncClient
    clock: Clock
    is_declared: bool = True
    """Sidecars get the declared subscriptions; else their workers subscribe by themselves."""
    pods: Platform | None = None
    """Set when they are there."""
    is_over: bool = False
    """The load is over: what is still in a broker is left behind."""
    current: str = ""
    used: list[str] = field(default_factory=list)
    """Brokers that were in force, in order."""

    async def start(self) -> None:
        """Start all brokers side by side."""
        async with asyncio.TaskGroup() as group:
            for broker in self.brokers.values():
                group.create_task(broker.start())

    async def stop(self) -> None:
        """Stop all of them."""
        for broker in self.brokers.values():
            await broker.stop()

    async def connect(self) -> None:
        """Give the sidecars the first broker's component, the subscriptions and the policies."""
        declared = self.shipped.glob("subscription-*.yaml") if self.is_declared else ()
        for path in (*declared, self.shipped / POLICIES):
            (self.resources / path.name).write_bytes(path.read_bytes())
        await self._use(next(iter(self.brokers)))

    async def point(self, to: str) -> None:
        """See Switchboard; a folder of its own, as sidecars that run read theirs again."""
        fresh = self.resources.parent / f"components-{len(self.used)}-{to}"
        fresh.mkdir()
        for path in self.resources.glob("*.yaml"):
            if not path.name.startswith("pubsub-"):
                (fresh / path.name).write_bytes(path.read_bytes())
        self.resources = fresh
        await self._use(to)

    async def kill(self) -> Struck:
        """See Switchboard."""
        return Struck(victims=(), proof=await self.brokers[self.current].kill())

    async def restore(self) -> Healed:
        """See Switchboard."""
        began_ns = self.clock.monotonic_ns()
        await self.brokers[self.current].start()
        took_ns = self.clock.monotonic_ns() - began_ns
        return Healed(caller=self.current, parts_ns={"ready": took_ns, "total": took_ns})

    async def let_publish(self, is_open: bool) -> None:
        """See Switchboard."""
        assert self.pods is not None
        for pod in self.pods.by_slot.values():
            try:
                answer = await self.http.put(
                    f"{pod.url}/messages/gate", json={"is_open": is_open}, timeout=GATE_S
                )
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise HarnessError(
                    f"{pod.caller} does not pause its messages: {error!r}"
                ) from error

    async def _use(self, name: str) -> None:
        component = self.brokers[name].component()
        assert component is not None
        write_component(component, source=self.shipped, target=self.resources)
        self.current = name
        self.used.append(name)
        await self.witness.note("broker", name, {})
        await self.witness.note("retry-bound", name, {"deliveries_max": self._deliveries_max()})

    def _deliveries_max(self) -> int:
        """After so many failed deliveries a message becomes a dead letter, by our own policies."""
        policies = yaml.safe_load((self.shipped / POLICIES).read_text())["spec"]["policies"]
        return 1 + int(policies["retries"]["deliver"]["maxRetries"])
