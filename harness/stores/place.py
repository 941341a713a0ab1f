"""What a store gets from the run: where to live and how to start a process."""

from dataclasses import dataclass
from pathlib import Path

from harness.clock import Clock
from harness.cluster.means import LOOPBACK
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.provide.postgres import PostgresServer


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """A run's corner for one store."""

    folder: Path
    processes: Processes
    ports: Ports
    clock: Clock
    host: str = LOOPBACK
    """Where pods reach the store."""
    redis: tuple[str, ...] = ()
    """Command of a Redis server, or empty."""
    redis_address: str = ""
    """Of a Redis that the user runs, or empty."""
    postgres: PostgresServer | None = None
    """Binaries or an address; None when there is none."""
    ready_s: float = 30.0
    """Time in which a server must be ready, all services starting at once on two busy cores."""
