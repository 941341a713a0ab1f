"""What a broker gets from the run: a place, a way to start processes, the servers there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster.means import LOOPBACK
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.provide.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPlace:
    """A run's corner for one broker."""

    folder: Path
    processes: Processes
    ports: Ports
    servers: Mapping[str, Server] = field(default_factory=dict)
    """Broker -> what `provide` found; a broker that is absent cannot be started."""
    host: str = LOOPBACK
    """Where pods reach it, and so where it listens."""
    ready_s: float = 60.0
    """Time in which it must be ready, all services starting at once on two busy cores."""
