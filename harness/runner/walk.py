"""The walk of one run, from an empty folder to evidence: start, warm up, load, break, drain, stop.

`perform` never judges. Whatever happens, it tears down what it started, writes run.json, and says how
the run ended.
"""

import asyncio
import contextlib
import os
import resource
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from harness.clock import NS_PER_S, Clock
from harness.cluster.components import write_component
from harness.cluster.dapr import ControlPlane, DaprCommands
from harness.cluster.pods import Pods, PodTemplate
from harness.cluster.ports import Ports, is_free
from harness.cluster.processes import Processes
from harness.cluster.usage import Usage
from harness.cluster.witness import WitnessProcess
from harness.errors import HarnessError, OnceproofError
from harness.plan import Plan, PlannedAgent, programs_jsonl, slots_of
from harness.protocols import EngineSpec, Progress
from harness.results import ProcessRow
from harness.runner.conductor import Conductor, stop
from harness.runner.display import Display, Snapshot
from harness.runner.driving import Driver, DriverProgress
from harness.facts import RunFacts
from harness.runner.folder import RunFolder
from harness.runner.roster import Roster
from harness.runner.stage import RunStage
from harness.runner.supervisor import Supervisor
from harness.scenario import to_json
from harness.stores import make_store
from harness.stores.place import StorePlace

TICK_S = 0.25
NOT_ENGINE = ("witness", "driver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What `provide` found for this command."""

    dapr: DaprCommands | None
    redis: tuple[str, ...]
    redis_address: str
    components: Path
    facts: dict[str, str]
    """For environment.json."""


@dataclass(slots=True, kw_only=True)
class Walk:
    """One run under way; `perform` is the way in."""

    plan: Plan
    agents: list[PlannedAgent]
    warm_up: list[PlannedAgent]
    spec: EngineSpec
    provided: Provided
    folder: RunFolder
    clock: Clock
    display: Display
    interrupted: asyncio.Event
    facts: dict[str, object] = field(default_factory=dict)
    _usage: Usage = field(default_factory=Usage)
    _own_cpu_s: float = 0.0
    _lag_ns_max: int = 0
    _steps_before: int = 0

    async def perform(self) -> RunFacts:
        """Do it all; returns what is in run.json then."""
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write_plan()
        processes = Processes(run=self.folder.root.name, logs=self.folder.logs, clock=self.clock)
        ports = Ports(os.getpid())
        ending, leftovers = "finished", []
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                ending = await self._run(processes, ports, http)
        except* OnceproofError as errors:
            ending = "broken: " + "; ".join(str(error) for error in flatten(errors))
        finally:
            leftovers = await self._assert_nothing_left(processes, ports)
        facts = RunFacts(
            started_utc=started,
            ending=ending,
            processes=self._rows(processes),
            harness_lag_ms_max=self._lag_ns_max / 1e6,
            leftovers=tuple(leftovers),
            **self.facts,  # type: ignore[arg-type]
        )
        (self.folder.root / "run.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(facts), indent=1)
        )
        return facts

    async def _run(self, processes: Processes, ports: Ports, http: httpx.AsyncClient) -> str:
        began_ns = self.clock.monotonic_ns()
        async with contextlib.AsyncExitStack() as undo:
            witness = WitnessProcess(processes=processes, ports=ports, clock=self.clock, http=http)
            pods = await self._start_all(processes, ports, http, witness, undo)
            roster = Roster.of(self.agents + self.warm_up, self.folder.driver_events)
            supervisor = Supervisor(
                pods=pods,
                processes=processes,
                spec=self.spec,
                roster=roster,
                clock=self.clock,
                http=http,
            )
            self.facts["set_up_s"] = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
            self.display.tell(
                f"{self.plan.scenario.pods} pods ready in {self.facts['set_up_s']:.1f} s"
            )
            self.facts["about"] = await self._about(pods, http)
            rate = await self._warm_up(processes, witness, pods)
            keeper = asyncio.create_task(supervisor.run())
            try:
                return await self._load(processes, witness, pods, supervisor, rate, keeper)
            finally:
                await stop(keeper)
                self.facts["resubmits"] = tuple(supervisor.resubmitted)
                self._trouble(*supervisor.troubles)

    async def _start_all(
        self,
        processes: Processes,
        ports: Ports,
        http: httpx.AsyncClient,
        witness: WitnessProcess,
        undo: contextlib.AsyncExitStack,
    ) -> Pods:
        """Store, control plane and witness side by side, then the pods side by side."""
        place = StorePlace(
            folder=self.folder.state / "store",
            processes=processes,
            ports=ports,
            clock=self.clock,
            redis=self.provided.redis,
            redis_address=self.provided.redis_address,
        )
        store = make_store(self.plan.cell.store, place)
        undo.push_async_callback(store.stop)
        undo.push_async_callback(witness.stop)
        llm = self.plan.scenario.llm
        config: dict[str, object] = {
            "latency_ms_median": llm.latency_ms,
            "latency_sigma": llm.latency_sigma,
            "requests_per_minute": llm.requests_per_min,
            "tokens_per_minute": llm.tokens_per_min,
        }
        control_plane = None
        if self.spec.needs_dapr:
            assert self.provided.dapr is not None
            control_plane = ControlPlane(
                commands=self.provided.dapr,
                processes=processes,
                ports=ports,
                folder=self.folder.state / "dapr",
                clock=self.clock,
            )
            undo.push_async_callback(control_plane.stop)
        async with asyncio.TaskGroup() as group:
            group.create_task(store.start())
            group.create_task(
                witness.start(
                    run=self.folder.root.name,
                    seed=self.plan.seed,
                    ledger=self.folder.live,
                    config=config,
                )
            )
            if control_plane is not None:
                control_plane.write_configuration()
                group.create_task(control_plane.start(http))
        component = store.component()
        if component is not None:
            write_component(
                component, source=self.provided.components, target=self.folder.components
            )
        pods = Pods(
            PodTemplate(
                worker=self.spec.worker,
                environ={"ONCEPROOF_VARIANT": self.spec.variant},
                witness=witness.url,
                state=self.folder.state / "slots",
                sidecar=(
                    (lambda own: control_plane.sidecar_command(own, self.folder.components))
                    if control_plane is not None
                    else None
                ),
            ),
            slots_of(self.plan.scenario),
            processes=processes,
            ports=ports,
            clock=self.clock,
            http=http,
            address_book=self.folder.address_book,
        )
        undo.push_async_callback(pods.stop)
        for pod in pods.by_slot.values():
            pods.launch(pod)
        async with asyncio.TaskGroup() as group:
            for pod in pods.by_slot.values():
                group.create_task(pods.until_ready(pod))
        return pods

    async def _about(self, pods: Pods, http: httpx.AsyncClient) -> dict[str, str]:
        """Ask a worker who it is; it must be what the adapter says."""
        pod = next(iter(pods.by_slot.values()))
        answer = (await http.get(pod.url + "/about")).json()
        for name in ("engine", "recovery", "intake", "any_pod_answers"):
            if answer[name] != getattr(self.spec, name):
                raise HarnessError(
                    f"the worker says {name} is {answer[name]!r}, its adapter says "
                    f"{getattr(self.spec, name)!r}"
                )
        return {str(name): str(value) for name, value in answer["versions"].items()}

    async def _warm_up(
        self, processes: Processes, witness: WitnessProcess, pods: Pods
    ) -> float | None:
        """Measure the capacity if there is a warm-up; returns the rate to offer, None for at once."""
        load = self.plan.scenario.load
        if self.warm_up:
            driver = self._driver(
                processes, witness, self.folder.warm_up, "driver-warm-up", "at_once", None
            )
            await self._until_ended(driver)
            result = driver.result()
            ended = result.get("completed", 0.0) + result.get("failed", 0.0)
            if ended < len(self.warm_up):
                raise HarnessError(
                    f"warm-up: {ended:.0f} of {len(self.warm_up)} agents ended; see "
                    f"{self.folder.logs}"
                )
            capacity = _capacity_per_s(self.folder.warm_up / "live" / "driver.jsonl")
            self.facts["capacity_per_s"] = capacity
            self.display.tell(f"warm-up: {len(self.warm_up)} agents at {capacity:.1f} agents/s")
        if load.shape == "at_once":
            return None
        rate = load.rate_per_s or load.capacity_ratio * float(
            str(self.facts.get("capacity_per_s", 0.0))
        )
        if rate <= 0:
            raise HarnessError("no rate to offer: set load.rate_per_s or load.warm_up_agents")
        self.facts["rate_per_s"] = rate
        return rate

    def _driver(
        self,
        processes: Processes,
        witness: WitnessProcess,
        folder: Path,
        name: str,
        shape: str,
        rate: float | None,
    ) -> Driver:
        driver = Driver(folder, processes, name=name)
        programs = (
            self.folder.programs if name == "driver" else self.folder.warm_up / "programs.jsonl"
        )
        driver.start(
            witness=witness.url,
            programs=programs,
            address_book=self.folder.address_book,
            shape=shape,
            rate_per_s=rate,
            starts_in_flight=self.plan.scenario.load.starts_in_flight,
            deadline_s=self.plan.scenario.run_s,
            any_pod_answers=self.spec.any_pod_answers,
        )
        return driver

    async def _load(
        self,
        processes: Processes,
        witness: WitnessProcess,
        pods: Pods,
        supervisor: Supervisor,
        rate: float | None,
        keeper: asyncio.Task[None],
    ) -> str:
        """Load, faults, drain; returns how it ended."""
        self._steps_before = (await witness.progress()).answered_steps
        self._usage.begin(processes.all)
        self._own_cpu_s = time.process_time()
        await witness.note("phase", "load", {})
        driver = self._driver(
            processes, witness, self.folder.root, "driver", self.plan.scenario.load.shape, rate
        )
        stage = RunStage(pods=pods, supervisor=supervisor, witness=_Since(witness, self))
        conductor = Conductor(plan=self.plan, stage=stage, clock=self.clock, tell=self.display.tell)
        playing = asyncio.create_task(conductor.run())
        try:
            ending = await self._watch(
                driver, witness, pods, conductor, processes, (playing, keeper)
            )
        finally:
            await stop(playing)
            self._trouble(*conductor.troubles)
        await self._final_heal(pods)
        driver.ask_to_stop()
        await self._until_ended(driver)
        driver.result()
        await witness.note("phase", "end", {})
        self._usage.sample(processes.all)
        return ending

    async def _watch(
        self,
        driver: Driver,
        witness: WitnessProcess,
        pods: Pods,
        conductor: Conductor,
        processes: Processes,
        tasks: tuple[asyncio.Task[None], ...],
    ) -> str:
        """Until every agent ended, or the liveness clock or the run's bound or a person says stop."""
        scenario = self.plan.scenario
        began_ns = self.clock.monotonic_ns()
        arrivals_ns = 0
        last_steps, last_ns, speed = 0, began_ns, 0.0
        assert driver.process is not None
        while driver.process.exit is None:
            await self._tick()
            for task in tasks:
                if task.done():
                    task.result()
            now_ns = self.clock.monotonic_ns()
            seen = driver.progress()
            progress = await witness.progress()
            steps = progress.answered_steps - self._steps_before
            if now_ns - last_ns >= NS_PER_S:
                speed = (steps - last_steps) * NS_PER_S / (now_ns - last_ns)
                last_steps, last_ns = steps, now_ns
                self._usage.sample(processes.all)
            self.display.show(self._snapshot(seen, progress, steps, speed, pods, conductor))
            if self.interrupted.is_set():
                return "interrupted"
            if seen.accepted >= seen.planned > 0 and not arrivals_ns:
                arrivals_ns = now_ns
                await witness.note("phase", "drain", {})
            quiet_since_ns = max(arrivals_ns, conductor.last_heal_ns)
            if arrivals_ns and conductor.is_done:
                if now_ns - quiet_since_ns > (scenario.liveness_s + 5) * NS_PER_S:
                    return "finished"
            if now_ns - began_ns > scenario.run_s * NS_PER_S:
                return "out of time"
        return "finished"

    def _snapshot(
        self,
        seen: DriverProgress,
        progress: Progress,
        steps: int,
        speed: float,
        pods: Pods,
        conductor: Conductor,
    ) -> Snapshot:
        return Snapshot(
            phase="drain" if seen.accepted >= seen.planned > 0 else "load",
            planned=len(self.agents),
            started=seen.started,
            ended=seen.ended,
            answered_steps=steps,
            steps_per_s=speed,
            limited=progress.limited,
            faults_struck=conductor.struck_count,
            faults_planned=len(self.plan.faults),
            pods_ready=sum(pod.is_ready for pod in pods.by_slot.values()),
            pods=len(pods.by_slot),
        )

    async def _final_heal(self, pods: Pods) -> None:
        """Give the supervisor time to bring everything back."""
        until = self.clock.monotonic_ns() + 20 * NS_PER_S
        while not all(pod.is_ready for pod in pods.by_slot.values()):
            if self.clock.monotonic_ns() > until:
                self._trouble("not all pods were healthy again at the end")
                return
            await self._tick()

    async def _until_ended(self, driver: Driver) -> None:
        """Wait for a driver's end, a little longer than its own deadline."""
        assert driver.process is not None
        try:
            async with asyncio.timeout(self.plan.scenario.run_s + 30):
                while driver.process.exit is None:
                    await self._tick()
                    if self.interrupted.is_set():
                        driver.ask_to_stop()
        except TimeoutError:
            raise HarnessError("the driver did not end; see logs/driver.log") from None

    async def _tick(self) -> None:
        """Wait a moment; what it took too long is the harness's own lag."""
        before = self.clock.monotonic_ns()
        await self.clock.sleep_s(TICK_S)
        late = self.clock.monotonic_ns() - before - int(TICK_S * NS_PER_S)
        self._lag_ns_max = max(self._lag_ns_max, late)

    def _trouble(self, *texts: str) -> None:
        known = self.facts.get("troubles", ())
        assert isinstance(known, tuple)
        self.facts["troubles"] = known + texts

    def _rows(self, processes: Processes) -> tuple[ProcessRow, ...]:
        spent = self._usage.spent(processes.all)
        rows = [
            ProcessRow(
                name=kind,
                count=sum(p.name.partition("-")[0] == kind for p in processes.all),
                is_engine=kind not in NOT_ENGINE,
                cpu_s=round(cpu_s, 3),
                rss_mb_max=round(self._usage.rss_mb_max.get(kind, 0.0), 1),
            )
            for kind, cpu_s in spent.items()
        ]
        own = ProcessRow(
            name="harness",
            count=1,
            is_engine=False,
            cpu_s=round(time.process_time() - self._own_cpu_s, 3),
            rss_mb_max=round(_own_rss_mb(), 1),
        )
        return (*rows, own)

    def _write_plan(self) -> None:
        for path in (
            self.folder.live,
            self.folder.logs,
            self.folder.components,
            self.folder.warm_up,
        ):
            path.mkdir(parents=True, exist_ok=True)
        self.folder.plan.write_bytes(msgspec.json.format(to_json(self.plan), indent=1))
        self.folder.programs.write_bytes(programs_jsonl(self.agents))
        (self.folder.warm_up / "programs.jsonl").write_bytes(programs_jsonl(self.warm_up))
        self.folder.environment.write_bytes(
            msgspec.json.format(msgspec.json.encode({"schema": 1, **self.provided.facts}), indent=1)
        )

    async def _assert_nothing_left(self, processes: Processes, ports: Ports) -> list[str]:
        """End what a broken start left over; name what should have been gone already."""
        alive = [process for process in processes.all if process.exit is None]
        await processes.kill(alive)
        left = [f"process {process.name} ({process.pid})" for process in alive]
        return left + [f"port {port}" for port in sorted(ports.taken) if not is_free(port)]


class _Since:
    """The witness as the conductor sees it: steps of the warm-up do not count."""

    def __init__(self, witness: WitnessProcess, walk: Walk) -> None:
        self._witness = witness
        self._walk = walk

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        return await self._witness.note(kind, subject, detail)

    async def progress(self) -> Progress:
        seen = await self._witness.progress()
        return Progress(
            answered_steps=seen.answered_steps - self._walk._steps_before,
            limited=seen.limited,
            ended_agents=seen.ended_agents,
            unused=seen.unused,
        )


def flatten(errors: BaseExceptionGroup[OnceproofError]) -> list[OnceproofError]:
    """The leaves of a group of ours, in order."""
    leaves: list[OnceproofError] = []
    for error in errors.exceptions:
        leaves += flatten(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


def _capacity_per_s(events: Path) -> float:
    """Agents per second between the first start and the last end."""
    times: dict[str, list[int]] = {"invoke": [], "ended": []}
    for line in events.read_bytes().splitlines():
        event = msgspec.json.decode(line)
        if event["kind"] in times:
            times[event["kind"]].append(event["t_ns"])
    span_s = (max(times["ended"]) - min(times["invoke"])) / NS_PER_S
    return len(times["ended"]) / span_s


def _own_rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
