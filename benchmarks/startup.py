"""How long until three pods of Dapr Workflow are ready, from the first process on; five times.

python -m benchmarks.startup
"""

import asyncio
import contextlib
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import httpx

from benchmarks.stand import CELL, find_provided, scenario_of
from harness.clock import NS_PER_S, SystemClock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.witness import WitnessProcess
from harness.plan import draw_plan
from harness.runner.folder import RunFolder
from harness.runner.order import spec_of
from harness.runner.set_up import Provided, SetUp


async def once(root: Path, provided: Provided, number: int) -> float:
    """Seconds from the first process to all pods ready."""
    clock, folder = SystemClock(), RunFolder(root)
    plan, _, _ = draw_plan(replace(scenario_of(1, 1), pods=3), CELL, 1)
    processes = Processes(run=root, logs=folder.logs, clock=clock)
    ports = Ports(number)
    folder.live.mkdir(parents=True)
    async with httpx.AsyncClient(trust_env=False) as http, contextlib.AsyncExitStack() as undo:
        began_ns = clock.monotonic_ns()
        set_up = SetUp(
            plan=plan,
            spec=spec_of(CELL),
            provided=provided,
            folder=folder,
            clock=clock,
            processes=processes,
            ports=ports,
            http=http,
        )
        witness = WitnessProcess(processes=processes, ports=ports, clock=clock, http=http)
        await set_up.start(witness, set_up.store(), None, set_up.control_plane(), undo)
        return (clock.monotonic_ns() - began_ns) / NS_PER_S


def main() -> None:
    """Measure and print."""
    provided = find_provided()
    seconds = []
    for number in range(5):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(asyncio.run(once(Path(folder) / "run", provided, number)))
        print(f"run {number + 1}: {seconds[-1]:.2f} s", flush=True)
    print(f"3 pods ready: median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
