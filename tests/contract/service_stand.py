"""What tests of real services stand on: what this machine has, and processes that all end."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError
from harness.provide.brokers import brokers_at_hand
from harness.provide.chain import Refused
from harness.provide.postgres import PostgresServer, find_postgres, postgres_providers
from harness.provide.redis import find_redis, redis_providers
from harness.provide.runtime import Runtime, runtime_providers
from harness.provide.strays import look
from harness.stores.place import StorePlace


def redis_here() -> tuple[str, ...]:
    """The argv prefix of a server that is there without a download; empty without."""
    try:
        chain = redis_providers(lambda _: None)[:2]
        return find_redis(None, lambda _: None, environ={}, providers=chain).argv or ()
    except MachineError:
        return ()


def postgres_here() -> PostgresServer | None:
    """Binaries that are there without a download."""
    try:
        chain = postgres_providers(lambda _: None)[:2]
        return find_postgres(None, lambda _: None, environ={}, providers=chain)
    except MachineError:
        return None


def runtime_here() -> Runtime | None:
    """The Dapr runtime that is there without a build."""
    for provider in runtime_providers(lambda _: None)[:3]:
        try:
            return provider.get()
        except Refused:
            continue
    return None


SHIPPED = Path(__file__).resolve().parents[2] / "components"
REDIS = redis_here()
NEEDS_REDIS = pytest.mark.skipif(
    not REDIS, reason="no Redis here: `python -m harness.provide redis`"
)
POSTGRES = postgres_here()
NEEDS_POSTGRES = pytest.mark.skipif(
    POSTGRES is None, reason="no PostgreSQL here: `python -m harness.provide postgres`"
)
STORE_MARKS = {"redis": NEEDS_REDIS, "postgres": NEEDS_POSTGRES}
RUNTIME = runtime_here()
NEEDS_RUNTIME = pytest.mark.skipif(RUNTIME is None, reason="no Dapr runtime here: `make runtime`")
HERE = brokers_at_hand()
SERVED = ("redis", "nats", "rabbitmq", "kafka")


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Of a broker: skipped with reason and remedy where its server is not here."""
    absent = name in SERVED and name not in HERE
    return [pytest.mark.skipif(absent, reason=f"no {name} here: `make services`")]


def store_place(root: Path, processes: Processes, **fields: Any) -> StorePlace:
    """A corner for one store; ``fields`` name another folder, server, deadline."""
    here: dict[str, Any] = {
        "folder": root / "store",
        "redis": REDIS,
        "postgres": POSTGRES,
        "ports": Ports(os.getpid()),
    }
    return StorePlace(processes=processes, clock=SystemClock(), **here | fields)


def perform(
    folder: Path, act: Callable[[Processes], Awaitable[None]], *, within_s: float = 60.0
) -> Processes:
    """Act with real processes; none may be left, nor a child of theirs."""
    processes = Processes(run=folder, logs=folder / "logs", clock=SystemClock())

    async def run() -> None:
        try:
            async with asyncio.timeout(within_s):
                await act(processes)
        finally:
            left = [process for process in processes.all if process.exit is None]
            await processes.kill(left)
        assert left == []
        async with asyncio.timeout(5):
            while [seen for seen in look() if seen.run == str(folder.resolve())]:
                await asyncio.sleep(0.05)

    asyncio.run(run())
    return processes
