"""Brings up what a run stands on: store, control plane and witness side by side, then the pods.

Called by `walk`, which also takes everything down again: each part enters its own undoing before it
is started, so that a broken start leaves nothing behind.
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from harness.brokers import make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import Clock
from harness.cluster.back_end import BackEnd
from harness.cluster.components import components_beside, write_component
from harness.cluster.dapr import APP_ID, ControlPlane, DaprCommands, SidecarPorts
from harness.cluster.local import RESTART_DELAYS_S, LocalBackEnd
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.relay import Relay
from harness.cluster.sink import SinkProcess, told_to_export
from harness.cluster.witness import WitnessProcess
from harness.engines.external.adapter import said_of
from harness.errors import HarnessError
from harness.plan import LOCAL, Plan, slots_of
from harness.protocols import EngineSpec, Platform, Store
from harness.provide.postgres import PostgresServer
from harness.provide.server import Server
from harness.runner.folder import RunFolder
from harness.runner.order import FLIP, brokers_of, reloads
from harness.runner.own import about_of
from harness.runner.residue import Residue
from harness.runner.switchboard import RunSwitchboard
from harness.scenario import LlmSpec
from harness.stores import make_store
from harness.stores.place import StorePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A platform that is not this machine, looked at."""

    back_end: BackEnd
    facts: dict[str, str]
    """For environment.json, in place of what is said of local pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What `provide` found for this command."""

    dapr: DaprCommands | None
    redis: tuple[str, ...]
    redis_address: str
    components: Path
    facts: dict[str, str]
    """For environment.json."""
    postgres: PostgresServer | None = None
    brokers: Mapping[str, Server] = field(default_factory=dict)
    """Broker -> its server."""
    missing: dict[str, str] = field(default_factory=dict)
    """Store, or `broker NAME`, that is not to be had -> why, and the remedy; runs are skipped."""
    back_end: BackEnd = field(default_factory=LocalBackEnd)
    """Where pods are to live."""
    placed: Mapping[str, Placed] = field(default_factory=dict)
    """Platform -> the other places of this command."""

    def on(self, platform: str) -> "Provided":
        """The same for runs on that platform."""
        if platform == LOCAL:
            return self
        other = self.placed[platform]
        common = {name: value for name, value in self.facts.items() if "daprd" not in name}
        return replace(self, back_end=other.back_end, facts=common | other.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """The start of one run; `start` is the way in."""

    plan: Plan
    spec: EngineSpec
    provided: Provided
    folder: RunFolder
    clock: Clock
    processes: Processes
    ports: Ports
    http: httpx.AsyncClient
    sink: SinkProcess | None = None
    """Of spans; None in a run without tracing."""
    restart_delays_s: tuple[float, ...] = RESTART_DELAYS_S
    """Of containers restarted in place, where that is ours to say."""

    async def start(
        self,
        witness: WitnessProcess,
        store: Store,
        switchboard: RunSwitchboard | None,
        control_plane: ControlPlane | None,
        undo: contextlib.AsyncExitStack,
    ) -> Platform:
        """Start everything and wait until it is healthy; ``undo`` ends it in reverse order.

        Raises:
            MachineError: a part died or was not ready in time; in a group of exceptions.
        """
        undo.push_async_callback(store.stop)
        if switchboard is not None:
            undo.push_async_callback(switchboard.stop)
        undo.push_async_callback(witness.stop)
        if self.sink is not None:
            # Before the sidecars: one that is there first tries, and waits, in vain.
            undo.push_async_callback(self.sink.stop)
            await self.sink.start(run=self.folder.root.name, file=self.folder.spans)
        if control_plane is not None:
            undo.push_async_callback(control_plane.stop)
        async with asyncio.TaskGroup() as group:
            group.create_task(store.start())
            if switchboard is not None:
                group.create_task(switchboard.start())
            group.create_task(
                witness.start(
                    run=self.folder.root.name,
                    seed=self.plan.seed,
                    ledger=self.folder.live,
                    config=witness_config(self.plan.scenario.llm),
                )
            )
            if control_plane is not None:
                spans_to = self.sink.address if self.sink is not None else ""
                control_plane.write_configuration(spans_to=spans_to)
                group.create_task(control_plane.start(self.http))
        component = store.component()
        if component is not None:
            for one in (component, *components_beside(component, self.spec.components)):
                write_component(one, source=self.provided.components, target=self.folder.components)
        pods = self._pods(witness, control_plane, store, switchboard)
        if switchboard is not None:
            switchboard.pods = pods
            await switchboard.connect()
            undo.push_async_callback(self._residue(switchboard, control_plane, witness).collect)
        undo.push_async_callback(pods.stop)
        await pods.start()
        if switchboard is not None:
            await switchboard.reach()
        return pods

    async def about(self, pods: Platform) -> dict[str, str]:
        """Ask a worker who it is; returns the versions that it names.

        Raises:
            HarnessError: it is not what its adapter, or itself before the run, says.
            UsageError: it has no readable answer.
        """
        pod = next(iter(pods.by_slot.values()))
        said = said_of(await about_of(self.http, pod.url))
        for name in ("engine", "recovery", "intake", "any_pod_answers"):
            found, expected = getattr(said, name), getattr(self.spec, name)
            if found != expected:
                raise HarnessError(
                    f"GET /about says {name} is {found!r}, expected {expected!r}, as its adapter, "
                    "--about or its own answer before the run has it"
                )
        return said.versions

    def switchboard(self, witness: WitnessProcess) -> RunSwitchboard | None:
        """The brokers of the run, not yet started; None for a run without messages."""
        names = brokers_of(self.plan.scenario, self.plan.cell)
        if not names:
            return None
        brokers = {
            name: make_broker(
                name,
                BrokerPlace(
                    folder=self.folder.state / f"broker-{name}",
                    processes=self.processes,
                    ports=self.ports,
                    servers=self.provided.brokers,
                    host=self.provided.back_end.host,
                ),
            )
            for name in names
        }
        flips = any(one.kind == FLIP for one in self.plan.scenario.faults)
        return RunSwitchboard(
            brokers=brokers,
            relay=Relay(self.ports.take(), self.clock, host=self.provided.back_end.host)
            if flips
            else None,
            shipped=self.provided.components,
            resources=self.folder.components,
            witness=witness,
            http=self.http,
            clock=self.clock,
            is_declared=not self.spec.is_subscribing,
        )

    def _residue(
        self,
        switchboard: RunSwitchboard,
        control_plane: ControlPlane | None,
        witness: WitnessProcess,
    ) -> Residue:
        return Residue(
            switchboard=switchboard,
            control_plane=control_plane,
            back_end=self.provided.back_end,
            means=self._means,
            witness=witness,
            folder=self.folder.state,
        )

    def store(self) -> Store:
        """The store of the run's cell, not yet started."""
        place = StorePlace(
            folder=self.folder.state / "store",
            processes=self.processes,
            ports=self.ports,
            clock=self.clock,
            host=self.provided.back_end.host,
            redis=self.provided.redis,
            redis_address=self.provided.redis_address,
            postgres=self.provided.postgres,
        )
        return make_store(self.plan.cell.store, place)

    def control_plane(self) -> ControlPlane | None:
        """Placement and schedulers, not yet started; None for engines without Dapr."""
        if not self.spec.needs_dapr:
            return None
        return self.provided.back_end.control_plane(
            self.provided.dapr,
            self._means,
            folder=self.folder.state / "dapr",
            schedulers=self.plan.scenario.schedulers,
            log_level="debug" if self.plan.scenario.debug else "info",
        )

    @property
    def _means(self) -> Means:
        return Means(processes=self.processes, ports=self.ports, clock=self.clock, http=self.http)

    def _pods(
        self,
        witness: WitnessProcess,
        control_plane: ControlPlane | None,
        store: Store,
        switchboard: RunSwitchboard | None,
    ) -> Platform:
        sidecar = None
        if control_plane is not None:
            plane = control_plane

            def sidecar(own: SidecarPorts, app_id: str, app_port: int) -> tuple[str, ...]:
                return plane.sidecar_command(
                    own,
                    switchboard.resources if switchboard else self.folder.components,
                    app_id=app_id,
                    app_port=app_port if switchboard else 0,
                )

        environ = switchboard.environ if switchboard else {}
        environ |= {
            "ONCEPROOF_VARIANT": self.spec.variant,
            "ONCEPROOF_STATE_URL": store.url(),
            **(told_to_export(self.sink.url, self.spec.engine) if self.sink else {}),
        }
        template = PodTemplate(
            worker=self.spec.worker,
            environ=environ,
            witness=witness.url,
            state=self.folder.state / "slots",
            components=self.folder.components,
            needs_dapr=self.spec.needs_dapr,
            is_assisted=self.spec.recovery == "assisted",
            takes_messages=switchboard is not None,
            reloads=reloads(self.plan.scenario),
            sidecar=sidecar,
            ready_s=self.spec.ready_s,
            memory_mb=self.plan.scenario.pod_memory_mb or math.inf,
            app_ids=self.spec.app_ids or (APP_ID,),
        )
        return self.provided.back_end.platform(
            template,
            slots_of(self.plan.scenario),
            self._means,
            address_book=self.folder.address_book,
            restart_delays_s=self.restart_delays_s,
        )


def witness_config(llm: LlmSpec) -> dict[str, object]:
    """What the scenario says of the LLM, in the witness's words."""
    return {
        "latency_ms_median": llm.latency_ms,
        "latency_sigma": llm.latency_sigma,
        "tool_latency_ms_median": llm.tool_latency_ms,
        "requests_per_minute": llm.requests_per_min,
        "tokens_per_minute": llm.tokens_per_min,
        "burst": llm.burst,
        "stable_answers": llm.stable_answers,
    }
