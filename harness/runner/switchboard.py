"""The brokers of one run: all of them up from the start, one of them in force, the rest to come.

Called by `set_up` and `walk`; faults see it as Switchboard.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import httpx
import msgspec
import yaml

from harness.clock import NS_PER_S, Clock
from harness.cluster.components import write_component, write_messages, write_old
from harness.cluster.dapr import APP_ID
from harness.cluster.relay import Relay
from harness.cluster.witness import WitnessProcess
from harness.engines.messages import COMPONENT, RELAYED
from harness.errors import HarnessError, MachineError
from harness.history import NONE
from harness.protocols import (
    Broker,
    Component,
    CountingBroker,
    Healed,
    ListingBroker,
    Platform,
    Pod,
    Struck,
)

POLICIES = "resiliency.yaml"
GATE_S = 5.0
RELOAD_S = 90.0
"""A sidecar waits up to 30 s for handlers before it lets go of a component."""
SPOILED_S = 5.0
TOPICS_S, POLL_S = 20.0, 0.2
"""In which a broker makes the topics that sidecars have asked it for."""
ADDRESS = "redisHost"
"""Metadata with the address of a broker that a relay can stand before."""


class _Loaded(msgspec.Struct):
    name: str
    type: str


class _Metadata(msgspec.Struct):
    components: list[_Loaded] = []


_METADATA = msgspec.json.Decoder(_Metadata)


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
    relay: Relay | None = None
    """Where sidecars reach the broker in force, in a run that flips; None: at its own address."""
    pods: Platform | None = None
    """Set when they are there."""
    environ: dict[str, str] = field(default_factory=dict)
    """Of workers that start from now on; they tell the broker of each message."""
    is_over: bool = False
    """The load is over: what is still in a broker is left behind."""
    current: str = ""
    used: list[str] = field(default_factory=list)
    """Brokers that were in force, in order."""
    given_before: dict[str, int] = field(default_factory=dict)
    """Broker -> what it says it was given before the load."""

    forgetful: set[str] = field(default_factory=set)
    """Brokers that lost what they had."""

    async def start(self) -> None:
        """Start all brokers side by side."""
        async with asyncio.TaskGroup() as group:
            for broker in self.brokers.values():
                group.create_task(broker.start())

    async def stop(self) -> None:
        """Stop all of them."""
        if self.relay is not None:
            await self.relay.stop()
        for broker in self.brokers.values():
            await broker.stop()

    async def connect(self) -> None:
        """Give the sidecars the first broker's components and subscriptions, and the policies."""
        (self.resources / POLICIES).write_bytes((self.shipped / POLICIES).read_bytes())
        first = next(iter(self.brokers))
        if self.relay is not None:
            await self.relay.start(_address(self._component(first)))
        await self._use(first)

    async def reach(self) -> None:
        """Sidecars have subscribed: wait until the broker in force has the topics.

        Raises:
            MachineError: it makes none by itself, or does not answer.
        """
        broker = self.brokers[self.current]
        if not self.is_declared or not isinstance(broker, ListingBroker):
            return
        topics, _ = self._topics()
        absent: list[str] = topics
        for _ in range(int(TOPICS_S / POLL_S)):
            if not (absent := await broker.absent(topics)):
                return
            await self.clock.sleep_s(POLL_S)
        raise MachineError(
            f"{broker.name} has no topic {', '.join(absent)} and made none in {TOPICS_S:g} s; "
            "make them, or set auto.create.topics.enable=true at the broker"
        )

    async def counted(self, name: str) -> tuple[int, int]:
        """What a broker says it was given by publishers, and has left; -1 where it cannot say.

        A dead letter is given to it by a sidecar, so it is no publisher's.

        Raises:
            MachineError: it does not answer.
        """
        broker = self.brokers[name]
        if not isinstance(broker, CountingBroker):
            return NONE, NONE
        topics, dead = self._topics()
        found = await broker.counts(topics, APP_ID)
        given = [found[topic].given for topic in topics if topic not in dead]
        left = sum(one.left for one in found.values())
        is_known = NONE not in given and name not in self.forgetful
        return (sum(given) if is_known else NONE), left

    async def begin(self) -> None:
        """The load begins: what was given from here on counts."""
        for name in self.brokers:
            self.given_before[name], _ = await self.counted(name)

    async def point(self, to: str, *, reads_old: bool = False) -> None:
        """See Switchboard; a folder of its own, as sidecars that run read theirs again."""
        fresh = self.resources.parent / f"components-{len(self.used)}-{to}"
        fresh.mkdir()
        for path in self.resources.glob("*.yaml"):
            if not path.name.startswith(("pubsub-", "subscription-", "old-")):
                (fresh / path.name).write_bytes(path.read_bytes())
        if reads_old:
            write_old(self._component(self.current), source=self.shipped, target=fresh)
        self.resources = fresh
        await self._use(to)
        await self._platform().configure(fresh)

    async def reload(self, to: str) -> Struck:
        """See Switchboard; which broker a message goes to meanwhile only the sidecars know."""
        self.forgetful |= {self.current, to}
        if self._component(self.current).reader_entry or self._component(to).reader_entry:
            raise HarnessError(f"{self.current} to {to}: one file does not hold all its components")
        file = self._file()
        aside = self.resources.parent / f"reloaded-{len(self.used)}-{to}"
        # In one move, and under the old name: a sidecar must see neither half a file nor two.
        write_component(self._component(to), source=self.shipped, target=aside).replace(file)
        await self._in_force(to)
        await self._platform().configure(self.resources)
        took = await self._until_reloaded(self._type_in(file))
        return Struck(victims=(), proof=f"component rewritten in place for {to}; {took}")

    async def flip(self, to: str) -> Struck:
        """See Switchboard; which broker a message went to in that moment only the sidecars know."""
        relay = self._relay()
        self.forgetful |= {self.current, to}
        address = _address(self._component(to))
        await self._in_force(to)
        if not (cut := relay.flip(address)):
            return Struck(victims=(), proof="")
        how = f"{cut} connections through {relay.address} cut; the next go to {to} at {address}"
        return Struck(victims=(), proof=how)

    async def until_flipped(self, *, deadline_s: float) -> None:
        """See Switchboard; a sidecar has a connection or more."""
        await self._relay().until_open(len(self._pods()), deadline_s=deadline_s)

    async def spoil(self) -> Struck:
        """See Switchboard."""
        file = self._file()
        content, kind = file.read_bytes(), self._type_in(file)
        try:
            file.write_bytes(content[: len(content) // 2] + b": [")
            await self.clock.sleep_s(SPOILED_S)
            found = [await self._type_of(pod) for pod in self._pods()]
        finally:
            file.write_bytes(content)
        kept = all(one == kind for one in found)
        told = f"all sidecars kept {kind}" if kept else f"sidecars then had {', '.join(found)}"
        return Struck(victims=(), proof=f"{file.name} was no YAML for {SPOILED_S:g} s; {told}")

    async def kill(self) -> Struck:
        """See Switchboard."""
        return Struck(victims=(), proof=await self.brokers[self.current].kill())

    async def end(self) -> Struck:
        """See Switchboard."""
        return Struck(victims=(), proof=await self.brokers[self.current].end())

    def forget(self) -> None:
        """See Switchboard; what it says that it was given is no longer all."""
        self.brokers[self.current].forget()
        self.forgetful.add(self.current)

    async def restore(self) -> Healed:
        """See Switchboard."""
        began_ns = self.clock.monotonic_ns()
        await self.brokers[self.current].start()
        took_ns = self.clock.monotonic_ns() - began_ns
        return Healed(caller=self.current, parts_ns={"ready": took_ns, "total": took_ns})

    async def let_publish(self, is_open: bool) -> None:
        """See Switchboard."""
        for pod in self._pods():
            try:
                answer = await self.http.put(
                    f"{pod.url}/messages/gate", json={"is_open": is_open}, timeout=GATE_S
                )
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise HarnessError(
                    f"{pod.caller} does not pause its messages: {error!r}"
                ) from error

    def write(
        self,
        name: str,
        target: Path,
        *,
        is_declared: bool = True,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write a broker's components and subscriptions; ``more`` is metadata beside its own."""
        component = self._component(name)
        own = replace(component, metadata={**component.metadata, **more})
        write = write_messages if is_declared else write_component
        write(own, source=self.shipped, target=target)

    def _relay(self) -> Relay:
        if self.relay is None:
            raise HarnessError("sidecars reach the broker at its own address: nothing is flipped")
        return self.relay

    def _component(self, name: str) -> Component:
        component = self.brokers[name].component()
        assert component is not None
        return component

    def _file(self) -> Path:
        """Of the component in force, as the sidecars have it; a reload keeps the name of before."""
        shipped = self.resources / self._component(self.current).file
        return shipped if shipped.exists() else next(self.resources.glob("pubsub-*.yaml"))

    def _type_in(self, file: Path) -> str:
        return str(yaml.safe_load(file.read_text())["spec"]["type"])

    def _pods(self) -> list[Pod]:
        return list(self._platform().by_slot.values())

    def _platform(self) -> Platform:
        assert self.pods is not None
        return self.pods

    async def _until_reloaded(self, kind: str) -> str:
        """How long each sidecar took to have the component of this type."""
        began_ns = self.clock.monotonic_ns()
        waiting, took = self._pods(), []
        while waiting:
            waited_s = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
            for pod in tuple(waiting):
                if await self._type_of(pod) == kind:
                    waiting.remove(pod)
                    took.append(f"{pod.caller} after {waited_s:.1f} s")
            if waiting and waited_s > RELOAD_S:
                callers = ", ".join(pod.caller for pod in waiting)
                raise HarnessError(
                    f"{callers}: no {kind} {RELOAD_S:g} s after its component changed"
                )
            await self.clock.sleep_s(0.1)
        return ", ".join(took)

    async def _type_of(self, pod: Pod) -> str:
        """Of the component that a sidecar has now; what is wrong where it has none."""
        try:
            found = _METADATA.decode(await self._platform().metadata(pod.slot)).components
        except (HarnessError, msgspec.MsgspecError) as error:
            return repr(error)
        return next((one.type for one in found if one.name == COMPONENT), "nothing")

    async def _use(self, name: str) -> None:
        more = {ADDRESS: self.relay.address} if self.relay is not None else {}
        self.write(name, self.resources, is_declared=self.is_declared, more=more)
        await self._in_force(name)

    async def _in_force(self, name: str) -> None:
        self.current = name
        self.environ["ONCEPROOF_BROKER"] = RELAYED if self.relay is not None else name
        self.used.append(name)
        await self.witness.note("broker", name, {})
        await self.witness.note("retry-bound", name, {"deliveries_max": self._deliveries_max()})

    def _topics(self) -> tuple[list[str], set[str]]:
        """Topics that are subscribed to, and which of them take dead letters."""
        subscriptions = [
            yaml.safe_load(path.read_text())["spec"]
            for path in sorted(self.shipped.glob("subscription-*.yaml"))
        ]
        dead = {one["deadLetterTopic"] for one in subscriptions if "deadLetterTopic" in one}
        return [one["topic"] for one in subscriptions], dead

    def _deliveries_max(self) -> int:
        """After so many failed deliveries a message becomes a dead letter, by our own policies."""
        policies = yaml.safe_load((self.shipped / POLICIES).read_text())["spec"]["policies"]
        return 1 + int(policies["retries"]["deliver"]["maxRetries"])


def _address(component: Component) -> str:
    return component.metadata[ADDRESS]
