"""What both sides of the overhead benchmark stand on: one runtime, store and mock LLM."""

import asyncio
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from harness.archive import read_run
from harness.cli.providing import provide
from harness.clock import NS_PER_S, SystemClock
from harness.cluster.components import write_component
from harness.cluster.dapr import ControlPlane, SidecarPorts
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.usage import cpu_s_of
from harness.cluster.witness import WitnessProcess
from harness.history import NONE
from harness.plan import Cell, draw_plan
from harness.runner.display import PlainDisplay
from harness.runner.folder import RunFolder
from harness.runner.order import Order, spec_of
from harness.runner.set_up import Provided, witness_config
from harness.runner.walk import Walk
from harness.scenario import LlmSpec, LoadSpec, Scenario, to_json
from harness.stores import make_store
from harness.stores.place import StorePlace

CELL = Cell(engine="dapr_workflow", store="redis")
BARE = Path(__file__).with_name("bare_driver.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One side, once."""

    agents_per_s: float
    """First start to last end."""
    cpu_s: dict[str, float]
    """By kind of process, from the begin of the load to the end of everything."""


def scenario_of(agents: int, steps: int) -> Scenario:
    """Chains all at once on one pod, 50 ms a step, no faults."""
    return Scenario(
        name="overhead",
        summary="chains at once on one pod",
        mix={"chain": 1.0},
        steps=steps,
        pods=1,
        load=LoadSpec(agents=agents, shape="at_once", warm_up_agents=0),
        llm=LlmSpec(latency_ms=50.0, latency_sigma=0.0),
    )


def find_provided() -> Provided:
    """The runtime and Redis of this machine."""
    order = Order(scenario=scenario_of(1, 1), cell=CELL)
    return provide([order], dapr_bin=None, redis=None, report=print)


async def under_harness(root: Path, provided: Provided, agents: int, steps: int) -> Measured:
    """The whole harness: witness, driver, supervisor, evidence."""
    plan, planned, warm_up = draw_plan(scenario_of(agents, steps), CELL, 1)
    clock = SystemClock()
    facts = await Walk(
        plan=plan,
        agents=planned,
        warm_up=warm_up,
        spec=spec_of(CELL),
        provided=provided,
        folder=RunFolder(root),
        clock=clock,
        display=PlainDisplay(Console(file=io.StringIO()), clock),
        interrupted=asyncio.Event(),
    ).perform()
    starts = read_run(root).evidence.starts
    assert (starts.ended_ns != NONE).all(), f"not all agents ended: {facts.ending}"
    span_s = float(starts.ended_ns.max() - starts.sent_ns.min()) / NS_PER_S
    return Measured(
        agents_per_s=agents / span_s, cpu_s={row.name: row.cpu_s for row in facts.processes}
    )


async def bare(root: Path, provided: Provided, agents: int, steps: int) -> Measured:
    """bare_driver.py: the same programs on the same parts, nothing of the harness in the way."""
    folder, clock = RunFolder(root), SystemClock()
    folder.root.mkdir(parents=True)
    _, planned, _ = draw_plan(scenario_of(agents, steps), CELL, 1)
    folder.programs.write_bytes(to_json([one.program for one in planned]))
    processes = Processes(run=root, logs=folder.logs, clock=clock)
    ports = Ports(7)
    place = StorePlace(
        folder=folder.state / "store",
        processes=processes,
        ports=ports,
        clock=clock,
        redis=provided.redis,
        redis_address=provided.redis_address,
    )
    store = make_store(CELL.store, place)
    assert provided.dapr is not None
    plane = ControlPlane(
        commands=provided.dapr, processes=processes, ports=ports, folder=folder.state, clock=clock
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            plane.write_configuration()
            witness = WitnessProcess(processes=processes, ports=ports, clock=clock, http=http)
            config = witness_config(scenario_of(agents, steps).llm)
            await asyncio.gather(
                store.start(),
                plane.start(http),
                witness.start(run=root.name, seed=1, ledger=folder.live, config=config),
            )
            component = store.component()
            assert component is not None
            write_component(component, source=provided.components, target=folder.components)
            own = SidecarPorts.taken_from(ports)
            command = plane.sidecar_command(own, folder.components)
            sidecar = processes.start("sidecar-bare", command)
            url = f"http://127.0.0.1:{own.http}/v1.0/healthz/outbound"
            await until_healthy(http, url, sidecar, clock=clock, deadline_s=30)
            before = cpu_s_of(processes.all)
            driver = processes.start(
                "bare",
                (sys.executable, str(BARE), str(folder.programs)),
                environ={
                    "DAPR_HTTP_PORT": str(own.http),
                    "DAPR_GRPC_PORT": str(own.grpc),
                    "OPENAI_BASE_URL": f"{witness.url}/pods/bare.1/v1",
                },
            )
            await asyncio.wait_for(driver.exited.wait(), 900)
            spent = cpu_s_of(processes.all)
            seconds = json.loads(driver.last_lines(1))["seconds"]
    finally:
        await processes.kill([process for process in processes.all if process.exit is None])
    return Measured(
        agents_per_s=agents / seconds,
        cpu_s={kind: total - before.get(kind, 0.0) for kind, total in spent.items()},
    )
