"""What tests of brokers stand on: a place for real ones, and a real sidecar with a subscriber."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiohttp import web

from harness.brokers import BROKERS
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.components import write_component
from harness.cluster.dapr import APP_ID
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports, is_free
from harness.cluster.processes import Process, Processes
from harness.engines.contract import Surroundings
from harness.engines.messages import Publisher
from harness.protocols import Broker
from tests.contract import service_stand
from tests.contract.service_stand import HERE, RUNTIME, SERVED, SHIPPED, marks

TOPIC = "onceproof.hello"
EVERY = pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in BROKERS])
EVERY_SERVED = pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in SERVED])


class Corner:
    """A place for brokers that remembers which ports were handed out."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.ports = Ports(os.getpid())
        self.processes = processes
        self.folder = folder

    def place(self, **fields: Any) -> BrokerPlace:
        """``fields`` name other servers, or another deadline."""
        here: dict[str, Any] = {"folder": self.folder / "broker", "servers": HERE}
        return BrokerPlace(processes=self.processes, ports=self.ports, **here | fields)


def perform(folder: Path, act: Callable[[Corner], Awaitable[None]]) -> list[str]:
    """Act with real processes; no process and no port may be left. Names of what was started."""
    corners: list[Corner] = []

    async def within(processes: Processes) -> None:
        corners.append(Corner(folder, processes))
        await act(corners[0])

    processes = service_stand.perform(folder, within, within_s=120)
    assert [port for port in corners[0].ports.taken if not is_free(port)] == []
    return [process.name for process in processes.all]


class Subscriber:
    """A daprd with the broker's shipped component, and an app that it delivers to."""

    def __init__(self, corner: Corner, broker: Broker) -> None:
        self._corner, self._broker = corner, broker
        self.inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.is_willing = True
        """What arrives is acknowledged; else it is refused."""
        self.poison: set[str] = set()
        """Ids that are refused, however willing it is."""
        self.settings: dict[str, str] = {}
        """Of the component's metadata, what is to differ from the shipped one."""
        self.deliver: dict[str, object] = {}
        """Of the policy of deliveries, what is to differ from the shipped one."""
        self.told: list[tuple[str, str]] = []
        """What a worker's Publisher told the witness, that is played here: what, and the id."""
        self._http = httpx.AsyncClient(timeout=10.0)

    async def __aenter__(self) -> "Subscriber":
        ports, folder = self._corner.ports, self._corner.folder / "resources"
        component = self._broker.component()
        assert component is not None
        own = replace(component, metadata={**component.metadata, **self.settings})
        write_component(own, source=SHIPPED, target=folder)
        policies = yaml.safe_load((SHIPPED / "resiliency.yaml").read_text())
        retries = policies["spec"]["policies"]["retries"]
        retries["publish"]["maxRetries"] = 1
        retries["deliver"] |= self.deliver
        (folder / "resiliency.yaml").write_text(yaml.safe_dump(policies))
        (folder / "subscription.yaml").write_text(yaml.safe_dump(subscription()))
        app_port, http, *others = (ports.take() for _ in range(5))
        await self._serve(app_port)
        surroundings = Surroundings(
            port=1,
            pod="agents-1",
            incarnation=1,
            state_dir=folder,
            effects_url=f"http://127.0.0.1:{app_port}/effects",
            llm_base_url="",
            llm_api_key="",
            variant="",
        )
        self.worker = Publisher(surroundings, {"DAPR_HTTP_PORT": str(http)})
        self._url = f"http://127.0.0.1:{http}"
        assert RUNTIME is not None
        command = (
            *RUNTIME.daprd,
            *("--app-id", APP_ID, "--app-port", str(app_port)),
            *("--dapr-listen-addresses", "127.0.0.1", "--dapr-http-port", str(http)),
            *("--dapr-grpc-port", str(others[0]), "--dapr-internal-grpc-port", str(others[1])),
            *("--dapr-internal-grpc-listen-address", "127.0.0.1"),
            *("--metrics-port", str(others[2]), "--metrics-listen-address", "127.0.0.1"),
            *("--resources-path", str(folder)),
        )
        process = self._corner.processes.start("sidecar", command)
        await until_healthy(
            self._http, f"{self._url}/v1.0/healthz", process, clock=SystemClock(), deadline_s=30
        )
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._corner.processes.stop(self._sidecars())
        await self.worker.close()
        await self._runner.cleanup()
        await self._http.aclose()

    async def die(self) -> None:
        """The sidecar is killed with what it holds; its broker has to find out."""
        await self._corner.processes.kill(self._sidecars())

    async def publish(self, message: dict[str, str]) -> None:
        answer = await self._http.post(
            f"{self._url}/v1.0/publish/agent-messages/{TOPIC}", json=message
        )
        assert answer.status_code == 204, answer.text

    async def arrived(self) -> dict[str, str]:
        async with asyncio.timeout(30):
            return await self.inbox.get()

    def _sidecars(self) -> list[Process]:
        return [process for process in self._corner.processes.all if process.name == "sidecar"]

    async def _serve(self, port: int) -> None:
        async def deliver(request: web.Request) -> web.Response:
            message = json.loads(await request.text())["data"]
            self.inbox.put_nowait(message)
            if not self.is_willing or message["id"] in self.poison:
                return web.json_response({"status": "RETRY"}, status=500)
            return web.json_response({"status": "SUCCESS"})

        async def hear(request: web.Request) -> web.Response:
            told = json.loads(await request.text())
            self.told.append((told["what"], told["id"]))
            return web.Response(status=204)

        app = web.Application()
        app.router.add_post("/deliver", deliver)
        app.router.add_post("/messages", hear)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()


def subscription() -> dict[str, object]:
    """A declarative subscription, as `dapr run` and Kubernetes take it."""
    return {
        "apiVersion": "dapr.io/v2alpha1",
        "kind": "Subscription",
        "metadata": {"name": "hello"},
        "spec": {
            "topic": TOPIC,
            "pubsubname": "agent-messages",
            "routes": {"default": "/deliver"},
        },
    }
