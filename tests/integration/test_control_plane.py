"""Dapr's own servers, for real: one cluster of schedulers; one dies, and takes part again."""

import asyncio
import os
from pathlib import Path

import httpx
import psutil
import pytest

from harness.clock import SystemClock
from harness.cluster.dapr import ControlPlane, DaprCommands
from harness.cluster.etcd import leads, leases
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import HarnessError, MachineError
from harness.provide.runtime import find_runtime

pytestmark = pytest.mark.integration
DEADLINE_S = 40.0


def test_a_scheduler_of_three_dies_and_takes_part_again(tmp_path: Path) -> None:
    """The leader of etcd ends by SIGTERM, with proof; it is back when it has a lease of its own.

    Before that all three share the jobs. Placement dies by SIGKILL, then two schedulers at once, of
    which no majority is left to die. All listen on loopback alone.
    """
    try:
        runtime = find_runtime(None, lambda _: None)
    except MachineError as error:
        pytest.skip(str(error))
    clock = SystemClock()
    processes = Processes(run=tmp_path, logs=tmp_path / "logs", clock=clock)
    plane = ControlPlane(
        commands=DaprCommands(
            daprd=runtime.daprd, placement=runtime.placement, scheduler=runtime.scheduler
        ),
        processes=processes,
        ports=Ports(os.getpid()),
        folder=tmp_path,
        clock=clock,
        schedulers=3,
    )

    async def act() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            with pytest.raises(HarnessError, match="nothing of the control plane was struck"):
                await plane.restore(after_s=0.0, deadline_s=1.0)
            await plane.start(http)
            urls = [server.etcd for server in plane.schedulers]
            before = await leases(http, urls[0])
            led = [await leads(http, url) for url in urls]
            assert sorted(before) == [f"dapr-scheduler-server-{number}" for number in range(3)]
            assert sum(led) == 1
            assert addresses(processes) == {"127.0.0.1"}

            struck = await plane.kill("scheduler", "leader", is_graceful=True)
            victim = led.index(True)
            assert struck.proof.startswith(f"scheduler-{victim} (leader of etcd, pid ")
            assert "SIGKILL" not in struck.proof
            healed = await plane.restore(after_s=0.0, deadline_s=DEADLINE_S)
            after = await leases(http, urls[victim])
            changed = {id for id, lease in after.items() if before[id] != lease}
            assert healed.caller == f"scheduler-{victim}"
            assert changed == {f"dapr-scheduler-server-{victim}"}

            struck = await plane.kill("placement", "", is_graceful=False)
            assert struck.proof.endswith("reaped: signal SIGKILL")
            assert (await plane.restore(after_s=0.0, deadline_s=DEADLINE_S)).caller == "placement"

            struck = await plane.kill("scheduler", "majority", is_graceful=False)
            assert struck.proof.count("reaped: signal SIGKILL") == 2
            assert sum(server.is_alive for server in plane.schedulers) == 1
            with pytest.raises(HarnessError, match="no scheduler lives that is majority"):
                await plane.kill("scheduler", "majority", is_graceful=False)

    async def run() -> None:
        try:
            async with asyncio.timeout(2 * DEADLINE_S):
                await act()
        finally:
            await plane.stop()

    asyncio.run(run())
    assert all(process.exit is not None for process in processes.all)


def addresses(processes: Processes) -> set[str]:
    """Where the living listen."""
    return {
        connection.laddr.ip
        for process in processes.all
        if process.exit is None
        for connection in psutil.Process(process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
