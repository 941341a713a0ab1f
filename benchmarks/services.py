"""How long until every broker and state store is ready, all started in the same moment.

python -m benchmarks.services [--repeat 3]

What this machine lacks is named and left out. Exit code 1 when the slowest of any round took longer
than the limit.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.brokers import BROKERS, make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import NS_PER_S, SystemClock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError
from harness.protocols import Broker, Store
from harness.provide.brokers import FINDERS, find_brokers
from harness.provide.postgres import PostgresServer, find_postgres
from harness.provide.redis import find_redis
from harness.provide.server import Server
from harness.stores import STORES, make_store
from harness.stores.place import StorePlace

LIMIT_S = 15.0


async def one_round(
    root: Path,
    *,
    servers: Mapping[str, Server],
    redis: tuple[str, ...],
    postgres: PostgresServer | None,
    number: int,
) -> dict[str, float]:
    """Start all at once in new folders, stop them again; seconds of each from the common begin."""
    clock = SystemClock()
    processes = Processes(run=root, logs=root / "logs", clock=clock)
    ports = Ports(number)
    services: dict[str, Broker | Store] = {
        f"broker {name}": make_broker(
            name,
            BrokerPlace(
                folder=root / f"broker-{name}", processes=processes, ports=ports, servers=servers
            ),
        )
        for name in BROKERS
        if name not in FINDERS or name in servers
    }
    has = {"redis": bool(redis), "postgres": postgres is not None}
    services |= {
        f"store {name}": make_store(
            name,
            StorePlace(
                folder=root / f"store-{name}",
                processes=processes,
                ports=ports,
                clock=clock,
                redis=redis,
                postgres=postgres,
            ),
        )
        for name in STORES
        if has.get(name, True)
    }
    began_ns = clock.monotonic_ns()

    async def ready(service: Broker | Store) -> float:
        await service.start()
        return (clock.monotonic_ns() - began_ns) / NS_PER_S

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(ready(one)) for name, one in services.items()}
        return {name: task.result() for name, task in tasks.items()}
    finally:
        for one in services.values():
            await one.stop()


def main() -> None:
    """Find everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    servers, missing = find_brokers(list(FINDERS), lambda _: None)
    redis: tuple[str, ...] = ()
    postgres = None
    try:
        redis = find_redis(None, lambda _: None).argv or ()
    except MachineError as error:
        missing["store redis"] = str(error)
    try:
        postgres = find_postgres(None, lambda _: None)
    except MachineError as error:
        missing["store postgres"] = str(error)
    for name, reason in missing.items():
        print(f"{name}: skipped: {reason}")
    slowest = 0.0
    for number in range(repeat):
        with tempfile.TemporaryDirectory(prefix="onceproof-services-") as folder:
            root = Path(folder)
            root.chmod(0o755)
            found = asyncio.run(
                one_round(root, servers=servers, redis=redis, postgres=postgres, number=number)
            )
        slowest = max(slowest, *found.values())
        shown = ", ".join(
            f"{name} {found[name]:.2f}" for name in sorted(found, key=found.__getitem__)
        )
        print(f"round {number + 1}: all ready in {max(found.values()):.2f} s: {shown}", flush=True)
    print(f"slowest round {slowest:.2f} s, limit {LIMIT_S:g} s, {len(missing)} absent")
    sys.exit(int(slowest > LIMIT_S))


if __name__ == "__main__":
    main()
