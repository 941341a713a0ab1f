"""First-write-wins and transactions, tried on every store through real sidecars; and on liars."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from harness.clock import SystemClock
from harness.cluster.components import write_component
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.expectations import FILE, load_stores
from harness.provide.data import components_folder
from harness.stores import STORES, make_store
from harness.stores.state_api import CHECKS, checks_of
from tests.contract.service_stand import (
    NEEDS_RUNTIME,
    RUNTIME,
    STORE_MARKS,
    perform,
    store_place,
)

SIDECARS = {"in-memory": 1, "sqlite": 1}
"""All others are asked through two."""


@NEEDS_RUNTIME
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=STORE_MARKS.get(name, ())) for name in STORES if name != "none"],
)
def test_a_store_keeps_its_word_through_real_sidecars(tmp_path: Path, name: str) -> None:
    """Each check is decided, and none is refuted but those that the store does not promise."""

    async def act(processes: Processes) -> None:
        ports = Ports(os.getpid())
        store = make_store(name, store_place(tmp_path, processes, ports=ports))
        await store.start()
        component = store.component()
        assert component is not None
        resources = tmp_path / "components"
        write_component(component, source=components_folder(), target=resources)
        async with httpx.AsyncClient(timeout=10.0) as http:
            asked = [
                await sidecar(http, processes, ports, resources)
                for _ in range(SIDECARS.get(name, 2))
            ]
            found = await checks_of(http, asked)
        fallen = {one.name: (one.verdict, one.text) for one in found if one.verdict != "valid"}
        allowed = load_stores(FILE)[name].unpromised
        assert {one: verdict for one, (verdict, _) in fallen.items()} == dict.fromkeys(
            allowed, "invalid"
        ), fallen
        assert [one.name for one in found] == list(CHECKS)
        await processes.stop([one for one in processes.all if one.name.startswith("sidecar")])
        await store.stop()

    perform(tmp_path, act)


async def sidecar(
    http: httpx.AsyncClient, processes: Processes, ports: Ports, resources: Path
) -> str:
    """Start a daprd with these components alone; its address, when it is healthy."""
    port, grpc, internal, metrics = (ports.take() for _ in range(4))
    assert RUNTIME is not None
    command = (
        *RUNTIME.daprd,
        *("--app-id", "onceproof-agents", "--dapr-listen-addresses", "127.0.0.1"),
        *("--dapr-http-port", str(port), "--dapr-grpc-port", str(grpc)),
        *("--dapr-internal-grpc-port", str(internal)),
        *("--dapr-internal-grpc-listen-address", "127.0.0.1"),
        *("--metrics-port", str(metrics), "--metrics-listen-address", "127.0.0.1"),
        *("--resources-path", str(resources)),
    )
    process = processes.start(f"sidecar-{port}", command)
    await until_healthy(
        http, f"http://127.0.0.1:{port}/v1.0/healthz", process, clock=SystemClock(), deadline_s=30
    )
    return f"http://127.0.0.1:{port}"


class Fake:
    """A state API in this process; ``lie`` says what it gets wrong."""

    def __init__(self, lie: str) -> None:
        self._lie = lie
        self._held: dict[str, tuple[str, int]] = {}
        self._version = 0

    def app(self) -> web.Application:
        """Its routes."""
        app = web.Application()
        root = "/v1.0/state/agent-workflow"
        app.router.add_post(root, self._save)
        app.router.add_post(f"{root}/transaction", self._transact)
        app.router.add_get(f"{root}/{{key}}", self._get)
        app.router.add_delete(f"{root}/{{key}}", self._delete)
        return app

    def _is_stale(self, key: str, etag: str | None) -> bool:
        return bool(etag) and str(self._held.get(key, ("", 0))[1]) != etag

    def _put(self, key: str, value: str) -> None:
        self._version += 1
        self._held[key] = value, self._version

    async def _save(self, request: web.Request) -> web.Response:
        (item,) = await request.json()
        is_stale = self._is_stale(item["key"], item.get("etag"))
        if self._lie == "busy" and item.get("etag"):
            return web.Response(status=500)
        if is_stale and self._lie not in ("last write wins", "refuses and writes"):
            return web.Response(status=409)
        if self._lie == "check, then act" and item["value"].startswith("writer"):
            await asyncio.sleep(1.0)
        self._put(item["key"], item["value"])
        return web.Response(status=409 if is_stale and self._lie == "refuses and writes" else 204)

    async def _get(self, request: web.Request) -> web.Response:
        found = self._held.get(request.match_info["key"])
        if found is None:
            return web.Response(status=204)
        return web.json_response(found[0], headers={"ETag": f'"{found[1]}"'})

    async def _delete(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if self._is_stale(key, request.headers.get("If-Match")) and self._lie != "deletes anything":
            return web.Response(status=409)
        self._held.pop(key, None)
        return web.Response(status=204)

    async def _transact(self, request: web.Request) -> web.Response:
        operations = (await request.json())["operations"]
        held = dict(self._held)
        for one in operations:
            key = one["request"]["key"]
            if self._is_stale(key, one["request"].get("etag")):
                if self._lie != "halves":
                    self._held = held
                return web.Response(status=409)
            if one["operation"] == "upsert":
                self._put(key, one["request"]["value"])
            elif self._lie != "forgets deletes":
                self._held.pop(key, None)
        return web.Response(status=204)


@pytest.mark.parametrize(
    ("lie", "expected"),
    [
        ("", {}),
        (
            "last write wins",
            {"first write wins": "invalid", "first of many wins": "invalid"},
        ),
        ("refuses and writes", {"first write wins": "invalid", "first of many wins": "invalid"}),
        ("check, then act", {"first of many wins": "invalid"}),
        ("deletes anything", {"stale delete refused": "invalid"}),
        ("forgets deletes", {"transaction whole": "invalid"}),
        ("halves", {"transaction all or nothing": "invalid"}),
        (
            "busy",
            {
                "first write wins": "unknown",
                "first of many wins": "unknown",
                "stale delete refused": "unknown",
                "transaction all or nothing": "unknown",
            },
        ),
    ],
)
def test_a_store_that_breaks_its_word_is_found_out(lie: str, expected: dict[str, str]) -> None:
    """Each lie falls at its own check; a store that answers neither way is unknown."""

    async def act() -> dict[str, str]:
        runner = web.AppRunner(Fake(lie).app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with httpx.AsyncClient() as http:
            found = await checks_of(http, [f"http://127.0.0.1:{port}"])
        await runner.cleanup()
        return {one.name: one.verdict for one in found if one.verdict != "valid"}

    assert asyncio.run(act()) == expected


def test_a_store_that_is_gone_is_unknown() -> None:
    """Nobody listens: no check holds, and none is refuted."""

    async def act() -> set[str]:
        async with httpx.AsyncClient() as http:
            return {one.verdict for one in await checks_of(http, ["http://127.0.0.1:1"])}

    assert asyncio.run(act()) == {"unknown"}
