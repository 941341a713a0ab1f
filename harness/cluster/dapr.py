"""Dapr's processes on loopback: placement and schedulers once a run, a sidecar for each pod.

The commands come from `provide`; here are only flags. Every listener is told its address, since the
defaults of several bind to all of them.

Source: cmd/{daprd,placement,scheduler}/options of Dapr 1.18.2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from harness.clock import NS_PER_S, Clock
from harness.cluster.etcd import leads, leases, until_taking_part
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes
from harness.errors import HarnessError
from harness.protocols import Healed, Struck

APP_ID = "onceproof-agents"
"""The app, where an engine has one; its pods are replicas, as in a Deployment."""
READY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DaprCommands:
    """How to start each part; a path, or a path and a sub-command."""

    daprd: tuple[str, ...]
    placement: tuple[str, ...]
    scheduler: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarPorts:
    """Ports of one sidecar; a container restart keeps them, a new pod gets others."""

    http: int
    grpc: int
    internal: int
    metrics: int

    @classmethod
    def taken_from(cls, ports: Ports) -> "SidecarPorts":
        """Take four."""
        return cls(
            http=ports.take(), grpc=ports.take(), internal=ports.take(), metrics=ports.take()
        )


@dataclass(slots=True, kw_only=True)
class Server:
    """One server of the control plane; a restart keeps its name, flags, ports and files."""

    name: str
    command: tuple[str, ...]
    health: str
    id: str = ""
    """Of a scheduler, in the etcd cluster."""
    etcd: str = ""
    """Of a scheduler: where its etcd answers clients."""
    process: Process | None = None

    @property
    def is_alive(self) -> bool:
        """It was started, and has not ended."""
        return self.process is not None and self.process.exit is None


class ControlPlane:
    """Placement and the schedulers. Implements `harness.protocols.ControlPlane`."""

    def __init__(
        self,
        *,
        commands: DaprCommands,
        processes: Processes,
        ports: Ports,
        folder: Path,
        clock: Clock,
        schedulers: int = 1,
        log_level: str = "info",
    ) -> None:
        """``folder`` keeps the schedulers' etcd and the sidecars' files for the run."""
        self._commands = commands
        self._processes = processes
        self._ports = ports
        self._folder = folder
        self._clock = clock
        self._log_level = log_level
        self._schedulers_count = schedulers
        self.placement_address = ""
        self.scheduler_addresses: tuple[str, ...] = ()
        self._placement: tuple[Server, ...] = ()
        self.schedulers: tuple[Server, ...] = ()
        """Known when it has started."""
        self._leases: dict[str, str] = {}
        """Scheduler's id -> its lease before the last strike."""
        self._struck: tuple[Server, ...] = ()
        self._http: httpx.AsyncClient | None = None

    async def start(self, http: httpx.AsyncClient) -> None:
        """Start all side by side; return when they are healthy and share the jobs among them.

        Raises:
            MachineError: one died or was not ready in time.
        """
        self._http = http
        self._placement = (self._described_placement(),)
        self.schedulers = self._described_schedulers()
        servers = (*self._placement, *self.schedulers)
        for server in servers:
            server.process = self._processes.start(server.name, server.command)
        for server in servers:
            await self._until_healthy(server, READY_S)
        ids = {server.id for server in self.schedulers}
        await self._until_taking_part(lambda seen: set(seen) == ids, READY_S)

    async def stop(self) -> None:
        """End all."""
        servers = (*self._placement, *self.schedulers)
        await self._processes.stop([one.process for one in servers if one.process is not None])

    async def kill(self, part: str, member: str, *, is_graceful: bool) -> Struck:
        """See protocols.ControlPlane."""
        assert self._http is not None
        struck = await self._members(part, member)
        roles = {}
        if part == "scheduler":
            self._leases = await leases(self._http, struck[0].etcd)
            roles = {one.name: await leads(self._http, one.etcd) for one in struck}
        self._struck = struck
        processes = [one.process for one in struck if one.process is not None]
        await (self._processes.stop if is_graceful else self._processes.kill)(processes)
        proofs = []
        for one, process in zip(struck, processes, strict=True):
            assert process.exit is not None
            role = "leader of etcd, " if roles.get(one.name) else ""
            proofs.append(f"{one.name} ({role}pid {process.pid}) reaped: {process.exit.status}")
        return Struck(victims=(), proof="; ".join(proofs))

    async def restore(self, *, after_s: float | None, deadline_s: float) -> Healed:
        """See protocols.ControlPlane."""
        struck = self._struck
        if not struck:
            raise HarnessError("nothing of the control plane was struck, to be brought back")
        began_ns = self._clock.monotonic_ns()
        ids = [one.id for one in struck if one.id]
        if after_s is None:
            await self._until_taking_part(lambda seen: seen.keys().isdisjoint(ids), deadline_s)
        else:
            await self._clock.sleep_s(after_s)
            for one in struck:
                one.process = self._processes.start(one.name, one.command)
            for one in struck:
                await self._until_healthy(one, deadline_s)
        ready_ns = self._clock.monotonic_ns()
        if ids and after_s is not None:
            old = self._leases
            await self._until_taking_part(
                lambda seen: all(seen.get(id) not in (None, old.get(id)) for id in ids), deadline_s
            )
        ended_ns = self._clock.monotonic_ns()
        delay_ns = int((after_s or 0) * NS_PER_S)
        names = ", ".join(one.name for one in struck)
        return Healed(
            caller=names if after_s is not None else f"the others without {names}",
            parts_ns={
                "restart_delay": delay_ns,
                "ready": ready_ns - began_ns - delay_ns,
                "total": ended_ns - began_ns,
            },
        )

    async def _members(self, part: str, member: str) -> tuple[Server, ...]:
        """The living that a fault means: by their part in etcd, or one from a number on."""
        assert self._http is not None
        servers = self.schedulers if part == "scheduler" else self._placement
        first = int(member) if member.isdigit() else 0
        living = [one for one in (*servers[first:], *servers[:first]) if one.is_alive]
        wanted = len(servers) // 2 + 1 if member == "majority" else 1
        if member in ("leader", "follower"):
            is_leader = member == "leader"
            living = [one for one in living if await leads(self._http, one.etcd) is is_leader]
        if len(living) < wanted:
            raise HarnessError(f"no {part} lives that is {member or 'any'}, so none is struck")
        return tuple(living[:wanted])

    async def _until_healthy(self, server: Server, deadline_s: float) -> None:
        assert self._http is not None and server.process is not None
        await until_healthy(
            self._http, server.health, server.process, clock=self._clock, deadline_s=deadline_s
        )

    async def _until_taking_part(
        self, is_so: Callable[[Mapping[str, str]], bool], deadline_s: float
    ) -> None:
        """All living schedulers see the same."""
        assert self._http is not None
        urls = [server.etcd for server in self.schedulers if server.is_alive]
        await until_taking_part(self._http, urls, is_so, clock=self._clock, deadline_s=deadline_s)

    def sidecar_command(
        self, ports: SidecarPorts, resources: Path, *, app_id: str = APP_ID, app_port: int = 0
    ) -> tuple[str, ...]:
        """The command line of one sidecar; ``app_port``: where it delivers messages, or 0."""
        return (
            *self._commands.daprd,
            *(("--app-port", str(app_port)) if app_port else ()),
            *("--app-id", app_id),
            *("--dapr-listen-addresses", "127.0.0.1"),
            *("--dapr-http-port", str(ports.http)),
            *("--dapr-grpc-port", str(ports.grpc)),
            *("--dapr-internal-grpc-port", str(ports.internal)),
            *("--dapr-internal-grpc-listen-address", "127.0.0.1"),
            *("--metrics-port", str(ports.metrics)),
            *("--metrics-listen-address", "127.0.0.1"),
            *("--placement-host-address", self.placement_address),
            *("--scheduler-host-address", ",".join(self.scheduler_addresses)),
            *("--resources-path", str(resources)),
            *("--config", str(self._folder / "configuration.yaml")),
            *("--log-level", self._log_level),
        )

    def write_configuration(self, *, spans_to: str = "") -> None:
        """Write the Configuration that all sidecars share: names in a file, not by multicast.

        ``spans_to``: host and port of an OTLP/HTTP endpoint that gets every span; empty for none.
        """
        names = self._folder / "names.sqlite"
        content = {
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Configuration",
            "metadata": {"name": "onceproof"},
            "spec": {
                "nameResolution": {
                    "component": "sqlite",
                    "version": "v1",
                    "configuration": {"connectionString": str(names)},
                },
                "tracing": _tracing(spans_to),
            },
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "configuration.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def _described_placement(self) -> Server:
        port, health, raft = (self._ports.take() for _ in range(3))
        self.placement_address = f"127.0.0.1:{port}"
        command = (
            *self._commands.placement,
            *("--port", str(port), "--listen-address", "127.0.0.1"),
            *("--healthz-port", str(health), "--healthz-listen-address", "127.0.0.1"),
            *("--id", "dapr-placement-0"),
            *("--initial-cluster", f"dapr-placement-0=127.0.0.1:{raft}"),
            *("--log-level", self._log_level),
            "--enable-metrics=false",
        )
        return Server(name="placement", command=command, health=_healthz(health))

    def _described_schedulers(self) -> tuple[Server, ...]:
        """One cluster of embedded etcd; a folder each, as one marks its folder as in use."""
        count = self._schedulers_count
        peers = [self._ports.take() for _ in range(count)]
        ids = [f"dapr-scheduler-server-{number}" for number in range(count)]
        cluster = ",".join(
            f"{id}=http://127.0.0.1:{peer}" for id, peer in zip(ids, peers, strict=True)
        )
        servers = []
        for number, id in enumerate(ids):
            port, health, client = (self._ports.take() for _ in range(3))
            address = f"127.0.0.1:{port}"
            self.scheduler_addresses += (address,)
            command = (
                *self._commands.scheduler,
                *("--port", str(port), "--listen-address", "127.0.0.1"),
                *("--override-broadcast-host-port", address),
                *("--healthz-port", str(health), "--healthz-listen-address", "127.0.0.1"),
                *("--id", id),
                *("--etcd-data-dir", str(self._folder / f"etcd-{number}")),
                *("--etcd-client-port", str(client)),
                *("--etcd-client-listen-address", "127.0.0.1"),
                *("--etcd-initial-cluster", cluster),
                *("--log-level", self._log_level),
                "--enable-metrics=false",
            )
            servers.append(
                Server(
                    name="scheduler" if count == 1 else f"scheduler-{number}",
                    command=command,
                    health=_healthz(health),
                    id=id,
                    etcd=f"http://127.0.0.1:{client}",
                )
            )
        return tuple(servers)


def _healthz(port: int) -> str:
    return f"http://127.0.0.1:{port}/healthz"


def _tracing(spans_to: str) -> dict[str, object]:
    """The Configuration's section: every trace sampled, or none.

    Source: docs.dapr.io/operations/observability/tracing/setup-tracing
    """
    if not spans_to:
        return {"samplingRate": "0"}
    endpoint = {"endpointAddress": spans_to, "isSecure": False, "protocol": "http"}
    return {"samplingRate": "1", "otel": endpoint}
