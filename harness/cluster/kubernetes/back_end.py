"""Kubernetes as a place for pods: looked at before a run, one platform each run, swept after all.

`cli` makes one when it is asked to; `runner` sees a BackEnd.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from harness.clock import SystemClock
from harness.cluster.dapr import ControlPlane, DaprCommands
from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.collector import collecting
from harness.cluster.kubernetes.control_plane import ClusterControlPlane
from harness.cluster.kubernetes.left import here
from harness.cluster.kubernetes.manifests import OWNER_LABEL, Deployed, manifests_of
from harness.cluster.kubernetes.namespaces import remove
from harness.cluster.kubernetes.platform import KubernetesPlatform
from harness.cluster.kubernetes.preflight import Found, look
from harness.cluster.kubernetes.resources import resources_in
from harness.cluster.kubernetes.slots import KubernetesPod, Slots
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.ids import Slot
from harness.protocols import Platform


@dataclass(slots=True, kw_only=True)
class KubernetesBackEnd:
    """Implements BackEnd."""

    context: str
    """Of the kubeconfig; empty for its current one."""
    image: str
    """Of the workers."""
    host: str = ""
    """The address of this machine that pods reach; `look` finds it when it is empty."""
    owner: str = field(default_factory=lambda: f"{os.getpid():x}-{SystemClock().wall_ns():x}"[:20])
    """On every namespace of this command, by which `sweep` finds them."""
    keeper: str = field(default_factory=here)
    """This process, for `sweep_left` of another one."""
    dapr_namespace: str = "dapr-system"
    """Of Dapr's control plane, as `look` finds it."""
    _platforms_count: int = 0

    @property
    def measures_pods(self) -> bool:
        """See BackEnd; only the kubelet sees them."""
        return False

    def look(
        self,
        *,
        needs_dapr: bool,
        needs_volumes: bool,
        is_sure: bool,
        needs_messages: bool = False,
        faults: frozenset[str] = frozenset(),
    ) -> Found:
        """Look at the cluster before anything is started; also finds the address of this machine.

        Raises:
            UsageError: with everything that is wrong.
            MachineError: the cluster does not answer.
        """

        async def looked() -> Found:
            async with await Api.connect(self.context) as api:
                found = await look(
                    api,
                    needs_dapr=needs_dapr,
                    needs_volumes=needs_volumes,
                    is_sure=is_sure,
                    needs_messages=needs_messages,
                    faults=faults,
                )
                self.dapr_namespace = found.dapr_namespace or self.dapr_namespace
                self.host = self.host or address_towards(api.context.server)
                return found

        return asyncio.run(looked())

    def sweep(self) -> None:
        """See BackEnd: remove the namespaces of this command that are still there."""

        async def swept() -> None:
            async with await Api.connect(self.context) as api:
                selector = f"{OWNER_LABEL}={self.owner}"
                for one in await api.items("Namespace", labelSelector=selector):
                    await remove(api, one["metadata"]["name"], clock=SystemClock())

        asyncio.run(swept())

    def control_plane(
        self,
        commands: DaprCommands | None,
        means: Means,
        *,
        folder: Path,
        schedulers: int,
        log_level: str,
    ) -> ControlPlane | None:
        """See BackEnd: the cluster has Dapr's own."""
        return None

    @contextlib.asynccontextmanager
    async def collector(
        self,
        control_plane: ControlPlane | None,
        means: Means,
        *,
        name: str,
        resources: Path,
        port: int,
    ) -> AsyncIterator[None]:
        """See BackEnd."""
        deployed = Deployed(
            namespace=f"onceproof-{self.owner}-{self._platforms_count}-{name}",
            owner=self.owner,
            keeper=self.keeper,
            image=self.image,
            command=(),
            environ={},
            identity_url="",
            slots={},
            needs_dapr=True,
            is_stateful=False,
            components=resources_in(resources),
        )
        async with (
            await Api.connect(self.context) as api,
            collecting(api, deployed, host=self.host, port=port, clock=means.clock),
        ):
            yield

    def platform(
        self,
        template: PodTemplate,
        slots: tuple[str, ...],
        means: Means,
        *,
        address_book: Path,
        restart_delays_s: tuple[float, ...],
    ) -> Platform:
        """See BackEnd; delays of restarts are the kubelet's."""
        self._platforms_count += 1
        deployed = self.deployed(template, slots)
        return KubernetesPlatform(
            context=self.context,
            host=self.host,
            identity_port=means.ports.take(),
            deployed=deployed,
            components=template.components,
            clock=means.clock,
            http=means.http,
            address_book=address_book,
            logs=means.processes.logs,
            witness=template.witness,
            ready_s=template.ready_s + START_S,
            python=os.environ.get(PYTHON, "/usr/local/bin/python3"),
            control_plane=ClusterControlPlane(namespace=self.dapr_namespace, clock=means.clock)
            if template.needs_dapr
            else None,
            slots=Slots(
                {
                    slot: KubernetesPod(slot=Slot(slot), app_id=app)
                    for slot, app in deployed.slots.items()
                }
            ),
        )

    def deployed(self, template: PodTemplate, slots: Iterable[str]) -> Deployed:
        """What a run deploys, short of what is known only when it has begun."""
        apps = template.app_ids
        return Deployed(
            namespace=f"onceproof-{self.owner}-{self._platforms_count}",
            owner=self.owner,
            keeper=self.keeper,
            image=self.image,
            command=in_image(template.worker),
            environ=template.environ,
            identity_url="http://HARNESS:PORT/identity",
            slots={slot: apps[place % len(apps)] for place, slot in enumerate(slots)},
            needs_dapr=template.needs_dapr,
            is_stateful=template.is_assisted,
            takes_messages=template.takes_messages,
            reloads=template.reloads,
        )

    def manifests(self, template: PodTemplate, slots: tuple[str, ...]) -> str:
        """See BackEnd."""
        components = resources_in(template.components)
        deployed = replace(self.deployed(template, slots), components=components)
        return yaml.safe_dump_all(manifests_of(deployed), sort_keys=False, explicit_start=True)


PYTHON = "ONCEPROOF_WORKER_PYTHON"
"""The variable that names the interpreter of the workers' image where it is elsewhere."""
START_S = 60.0
"""Beyond the engine's own time: scheduling, images, containers."""


def in_image(command: tuple[str, ...]) -> tuple[str, ...]:
    """A worker's command as its image has it: the interpreter there is python3."""
    return tuple("python3" if word == sys.executable else word for word in command)


def address_towards(server: str) -> str:
    """The address from which this machine reaches a server; nothing is sent."""
    parts = urlsplit(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "127.0.0.1", parts.port or 443))
        return str(probe.getsockname()[0])
