"""How much one driver and one witness can do, each on a core of its own.

    python -m benchmarks.load_generator --rates 200,400,600,800 --connections 64,2000

The driver starts agents at one rate after the other against a trivial worker, and follows them to
their ends. A rate is *full* as a level of `onceproof capacity` is: late by more than 250 ms (p99),
less than 95 % ended in time, or above 0.9 of its core. The witness is asked by chains of agents, as
many at a time as there are connections. Both have core 0, what they speak to has core 1; where that
one is the busier, the figure is a lower bound, and says so.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from benchmarks.stand import scenario_of
from harness.capacity.level import LATENESS_MS_MAX
from harness.clock import NS_PER_S, SystemClock
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.usage import live_cpu_s
from harness.cluster.witness import WitnessProcess
from harness.load.events import EventKind, decode_line
from harness.load.result import decode
from harness.plan import draw_agents, programs_jsonl
from harness.runner.driving import Driver
from harness.runner.folder import RunFolder
from harness.scenario import LoadSpec

SUBJECT, FAR_SIDE = {0}, {1}
FULL_RATIO = 0.9
IN_TIME_RATIO = 0.95
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a measurement stands on: a folder, processes and their ports."""

    folder: RunFolder
    processes: Processes
    ports: Ports
    clock: SystemClock
    http: httpx.AsyncClient

    def plan(self, agents: int, steps: int) -> None:
        """Put the programs of so many chains on file."""
        load = LoadSpec(agents=agents, rate_per_s=1.0, warm_up_agents=0)
        planned = draw_agents(replace(scenario_of(agents, steps), load=load), 1)
        self.folder.live.mkdir(parents=True, exist_ok=True)
        self.folder.programs.write_bytes(programs_jsonl(planned))


async def on_bench(root: Path, number: int, measure: Callable[[Bench], Awaitable[Found]]) -> Found:
    """Measure in a new folder; all processes are gone afterwards."""
    folder, clock = RunFolder(root), SystemClock()
    processes = Processes(run=root, logs=folder.logs, clock=clock)
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await measure(
                Bench(
                    folder=folder,
                    processes=processes,
                    ports=Ports(number),
                    clock=clock,
                    http=http,
                )
            )
    finally:
        await processes.kill([one for one in processes.all if one.exit is None])


async def driver_at(bench: Bench, *, rate_per_s: float, seconds: float, steps: int) -> bool:
    """One rate; prints it, and says whether the driver was full."""
    bench.plan(round(rate_per_s * seconds), steps)
    port = bench.ports.take()
    url = f"http://127.0.0.1:{port}"
    worker = bench.processes.start(
        "worker", (sys.executable, "-m", "benchmarks.trivial_worker", str(port), "1000")
    )
    os.sched_setaffinity(worker.pid, FAR_SIDE)
    await until_healthy(bench.http, url, worker, clock=bench.clock, deadline_s=20)
    pod = {"slot": "agents-1", "caller": "agents-1.1", "url": url, "state": "ready"}
    bench.folder.address_book.write_bytes(msgspec.json.encode({"pods": [pod]}))
    driver = Driver(bench.folder.root, bench.processes, name="driver")
    driver.start(
        witness=url,
        programs=bench.folder.programs,
        address_book=bench.folder.address_book,
        shape="constant",
        rate_per_s=rate_per_s,
        starts_in_flight=64,
        deadline_s=seconds * 4,
        any_pod_answers=True,
        holds_status=True,
    )
    assert driver.process is not None
    os.sched_setaffinity(driver.process.pid, SUBJECT)
    before_s, began_ns = live_cpu_s(worker.pid), bench.clock.monotonic_ns()
    await asyncio.wait_for(driver.process.exited.wait(), seconds * 4 + 30)
    far = (live_cpu_s(worker.pid) - before_s) * NS_PER_S / (bench.clock.monotonic_ns() - began_ns)
    driver.result()
    found = decode((bench.folder.live / "driver-result.json").read_bytes())
    assert found.unfinished == found.rejected == found.failed == 0, found
    cpu_s = (found.cpu_s - found.cpu_start_up_s) / found.completed
    ended_per_s = _ended_per_s(bench.folder.driver_events)
    late_ms = found.lateness.ms_p99 or 0.0
    is_full = (
        late_ms > LATENESS_MS_MAX
        or cpu_s * ended_per_s > FULL_RATIO
        or ended_per_s < IN_TIME_RATIO * rate_per_s
    )
    print(
        f"driver, {rate_per_s:g} agents/s offered: {ended_per_s:.0f}/s followed to their ends, "
        f"late by {late_ms:.1f} ms (p99), {cpu_s * ended_per_s:.2f} of its core, "
        f"{1000 * cpu_s:.2f} ms of CPU an agent; far side {far:.2f}{'; full' * is_full}",
        flush=True,
    )
    return is_full


def _ended_per_s(events: Path) -> float:
    lines = (decode_line(line) for line in events.read_bytes().splitlines())
    ended = [event.t_ns for event in lines if event.kind is EventKind.ENDED]
    return (len(ended) - 1) * NS_PER_S / (ended[-1] - ended[0])


async def witness_with(bench: Bench, *, connections: int, agents: int, steps: int) -> None:
    """So many agents at a time; prints what the witness answered."""
    bench.plan(agents, steps)
    witness = WitnessProcess(
        processes=bench.processes, ports=bench.ports, clock=bench.clock, http=bench.http
    )
    config: dict[str, object] = {
        "latency_ms_median": 0.0 if connections <= 64 else 500.0,
        "latency_sigma": 0.0,
    }
    await witness.start(run="bench", seed=1, ledger=bench.folder.live / "ledger", config=config)
    assert witness.process is not None
    os.sched_setaffinity(witness.process.pid, SUBJECT)
    command = (sys.executable, "-m", "benchmarks.asking", str(witness.port))
    asking = bench.processes.start(
        "asking", (*command, str(bench.folder.programs), str(connections))
    )
    os.sched_setaffinity(asking.pid, FAR_SIDE)
    before_s = live_cpu_s(witness.process.pid)
    await asyncio.wait_for(asking.exited.wait(), 300)
    spent_s = live_cpu_s(witness.process.pid) - before_s
    assert asking.exit is not None and asking.exit.status == "exit 0", asking.last_lines()
    seconds = float(asking.last_lines(1))
    requests = agents * steps
    print(
        f"witness, {connections} at a time, {config['latency_ms_median']:g} ms an answer: "
        f"{requests / seconds:.0f} LLM requests/s = {agents / seconds:.0f} agents/s of {steps} "
        f"steps, {spent_s / seconds:.2f} of its core, {1000 * spent_s / requests:.3f} ms of CPU a "
        f"request (feed and outcomes with it); far side "
        f"{asking.exit.cpu_s / seconds:.2f} (its start included)",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", default="200,400,600,800,1000,1200")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--connections", default="64,2000")
    parser.add_argument("--agents", type=int, default=4000)
    asked = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed: one for what is measured, one for what it speaks to")
    with tempfile.TemporaryDirectory() as folder:
        for number, rate in enumerate(float(rate) for rate in asked.rates.split(",")):

            async def one_rate(bench: Bench, rate: float = rate) -> bool:
                return await driver_at(
                    bench, rate_per_s=rate, seconds=asked.seconds, steps=asked.steps
                )

            if asyncio.run(on_bench(Path(folder) / f"driver-{number}", number, one_rate)):
                break
        for number, count in enumerate(int(count) for count in asked.connections.split(",")):

            async def one_count(bench: Bench, count: int = count) -> None:
                await witness_with(bench, connections=count, agents=asked.agents, steps=asked.steps)

            asyncio.run(on_bench(Path(folder) / f"witness-{number}", 50 + number, one_count))


if __name__ == "__main__":
    main()
