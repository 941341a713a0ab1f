"""Dapr's processes on loopback: placement and scheduler once a run, a sidecar for each pod.

The commands come from `provide`; here are only flags. Every listener is told its address, since the
defaults of several bind to all of them.

Source: cmd/{daprd,placement,scheduler}/options of Dapr 1.18.2.
"""

from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from harness.clock import Clock
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes

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


class ControlPlane:
    """Placement and one scheduler."""

    def __init__(
        self,
        *,
        commands: DaprCommands,
        processes: Processes,
        ports: Ports,
        folder: Path,
        clock: Clock,
    ) -> None:
        """``folder`` keeps the scheduler's etcd and the sidecars' files for the run."""
        self._commands = commands
        self._processes = processes
        self._ports = ports
        self._folder = folder
        self._clock = clock
        self.placement_address = ""
        self.scheduler_address = ""
        self._running: list[Process] = []

    async def start(self, http: httpx.AsyncClient) -> None:
        """Start both side by side; return when both are healthy.

        Raises:
            MachineError: one died or was not ready in time.
        """
        placement, placement_health = self._start_placement()
        scheduler, scheduler_health = self._start_scheduler()
        self._running = [placement, scheduler]
        for process, url in ((placement, placement_health), (scheduler, scheduler_health)):
            await until_healthy(http, url, process, clock=self._clock, deadline_s=READY_S)

    async def stop(self) -> None:
        """End both."""
        await self._processes.stop(self._running)

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
            *("--scheduler-host-address", self.scheduler_address),
            *("--resources-path", str(resources)),
            *("--config", str(self._folder / "configuration.yaml")),
            *("--log-level", "info"),
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

    def _start_placement(self) -> tuple[Process, str]:
        port, health, raft = (self._ports.take() for _ in range(3))
        self.placement_address = f"127.0.0.1:{port}"
        command = (
            *self._commands.placement,
            *("--port", str(port), "--listen-address", "127.0.0.1"),
            *("--healthz-port", str(health), "--healthz-listen-address", "127.0.0.1"),
            *("--id", "dapr-placement-0"),
            *("--initial-cluster", f"dapr-placement-0=127.0.0.1:{raft}"),
            "--enable-metrics=false",
        )
        return self._processes.start("placement", command), f"http://127.0.0.1:{health}/healthz"

    def _start_scheduler(self) -> tuple[Process, str]:
        port, health, client, peer = (self._ports.take() for _ in range(4))
        self.scheduler_address = f"127.0.0.1:{port}"
        command = (
            *self._commands.scheduler,
            *("--port", str(port), "--listen-address", "127.0.0.1"),
            *("--override-broadcast-host-port", self.scheduler_address),
            *("--healthz-port", str(health), "--healthz-listen-address", "127.0.0.1"),
            *("--id", "dapr-scheduler-server-0"),
            *("--etcd-data-dir", str(self._folder / "etcd")),
            *("--etcd-client-port", str(client), "--etcd-client-listen-address", "127.0.0.1"),
            *("--etcd-initial-cluster", f"dapr-scheduler-server-0=http://127.0.0.1:{peer}"),
            "--enable-metrics=false",
        )
        return self._processes.start("scheduler", command), f"http://127.0.0.1:{health}/healthz"


def _tracing(spans_to: str) -> dict[str, object]:
    """The Configuration's section: every trace sampled, or none.

    Source: docs.dapr.io/operations/observability/tracing/setup-tracing
    """
    if not spans_to:
        return {"samplingRate": "0"}
    endpoint = {"endpointAddress": spans_to, "isSecure": False, "protocol": "http"}
    return {"samplingRate": "1", "otel": endpoint}
