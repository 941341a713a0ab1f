"""What the runs of a command need from this machine, found or built before anything starts."""

import argparse
import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import __version__
from harness.cluster.dapr import DaprCommands
from harness.errors import MachineError
from harness.plan import LOCAL
from harness.provide.brokers import by_broker, find_brokers
from harness.provide.data import components_folder
from harness.provide.postgres import PostgresServer, find_postgres
from harness.provide.redis import find_redis
from harness.provide.runtime import find_runtime
from harness.provide.server import Server
from harness.runner.order import Order, brokers_of, engine_of
from harness.runner.set_up import Placed, Provided


def provided_of(
    arguments: argparse.Namespace,
    orders: list[Order],
    *,
    placed: Mapping[str, Placed] | None = None,
) -> Provided:
    """As `provide`, with what a command line names."""
    return provide(
        orders,
        dapr_bin=arguments.dapr_bin,
        redis=arguments.redis,
        postgres=arguments.postgres,
        broker_urls=arguments.broker_url,
        placed=placed,
        report=print,
    )


def provide(
    orders: list[Order],
    *,
    dapr_bin: Path | None,
    redis: str | None,
    postgres: str | None = None,
    broker_urls: Sequence[str] = (),
    placed: Mapping[str, Placed] | None = None,
    report: Callable[[str], None],
) -> Provided:
    """Find the runtime and the stores that these orders need, and only those.

    ``placed`` are the platforms other than this machine, by name; runs on this one need a runtime
    of Dapr. A machine without PostgreSQL, or without a broker, skips the runs that need it.

    Raises:
        UsageError: what the caller named cannot be used.
        MachineError: something is not to be had here.
    """
    orders = [order for order in orders if not order.why_skipped]
    facts = machine_facts()
    dapr = None
    server: tuple[str, ...] = ()
    address = ""
    if any(order.cell.platform == LOCAL and engine_of(order).needs_dapr for order in orders):
        runtime = find_runtime(dapr_bin, report)
        dapr = DaprCommands(
            daprd=runtime.daprd, placement=runtime.placement, scheduler=runtime.scheduler
        )
        facts["daprd"] = f"{runtime.version}, {runtime.origin}, {runtime.digest}"
        facts["daprd components"] = ", ".join(runtime.components or ("unknown",))
    if any(order.cell.store == "redis" for order in orders):
        found = find_redis(redis, report)
        server, address = found.argv or (), found.address or ""
        facts["redis"] = f"{found.version}, {found.origin}, appendonly yes, appendfsync everysec"
    database: PostgresServer | None = None
    missing: dict[str, str] = {}
    if any(order.cell.store == "postgres" for order in orders):
        database, missing = or_missing("postgres", lambda: find_postgres(postgres, report))
        facts["postgres"] = _settings_of(database)
    given = by_broker(list(broker_urls))
    wanted = sorted({name for order in orders for name in brokers_of(order.scenario, order.cell)})
    servers, absent = find_brokers(wanted, report, urls=given)
    missing |= {f"broker {name}": reason for name, reason in absent.items()}
    facts |= {f"broker {name}": _server_fact(server) for name, server in servers.items()}
    return Provided(
        brokers=servers,
        dapr=dapr,
        redis=server,
        redis_address=address,
        components=components_folder(),
        facts=facts,
        postgres=database,
        missing=missing,
        placed=placed or {},
    )


def or_missing(
    store: str, find: Callable[[], PostgresServer]
) -> tuple[PostgresServer | None, dict[str, str]]:
    """What a search finds, or the store with the reason why its runs are skipped."""
    try:
        return find(), {}
    except MachineError as error:
        return None, {store: str(error)}


def why_missing(order: Order, missing: dict[str, str]) -> str:
    """Why an order cannot run here; empty when it can."""
    if order.why_skipped:
        return order.why_skipped
    needed = (
        order.cell.store,
        *(f"broker {name}" for name in brokers_of(order.scenario, order.cell)),
    )
    return next((missing[name] for name in needed if name in missing), "")


def _server_fact(server: Server) -> str:
    return f"{server.version}, {server.origin}" if server.version else server.origin


def _settings_of(database: PostgresServer | None) -> str:
    if database is None:
        return "not to be had here"
    if database.folder is None:
        return "the address given, with whatever settings it has"
    return f"{database.version}, {database.origin}, fsync on, synchronous_commit off"


def machine_facts() -> dict[str, str]:
    """What environment.json says of any run on this machine."""
    names = ("dapr", "dapr-ext-workflow", "locust", "numpy", "uvicorn", "aiohttp")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return {
        "onceproof": f"{__version__}, sources {_sources_digest()}",
        "machine": f"{os.cpu_count()} cores, {memory} GiB, {_processor()}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": sys.version.split()[0],
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names),
        "durability": "D1: survives SIGKILL of any process, not power loss; the scheduler's etcd "
        "syncs anyway",
        "pods": "local pods: a worker and its sidecar in one process group",
    }


def _sources_digest() -> str:
    """Of the harness and the mock LLM as they ran."""
    root = Path(__file__).resolve().parents[2]
    total = hashlib.sha256()
    for folder in ("harness", "mock_llm"):
        for path in sorted((root / folder).rglob("*.py")):
            total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
