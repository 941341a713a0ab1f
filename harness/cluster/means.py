"""What the parts of a run are started with, said once for every place where pods can live."""

from dataclasses import dataclass

import httpx

from harness.clock import Clock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes

LOOPBACK = "127.0.0.1"
"""Where what a run starts listens, unless its pods are elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """One run's; whoever starts something with them is also the one who ends it."""

    processes: Processes
    ports: Ports
    clock: Clock
    http: httpx.AsyncClient
