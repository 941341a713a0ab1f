"""The walk of one run, from an empty folder to evidence: start, warm up, load, break, drain, stop.

`perform` never judges. Whatever happens, it tears down what it started, writes run.json, and says
how the run ended.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from harness.clock import NS_PER_S, Clock
from harness.cluster.dapr import ControlPlane
from harness.cluster.disk import ran_out_of_disk
from harness.cluster.local import RESTART_DELAYS_S
from harness.cluster.ports import Ports, is_free
from harness.cluster.processes import Processes
from harness.cluster.sink import SinkProcess
from harness.cluster.witness import WitnessProcess
from harness.errors import HarnessError, OnceproofError
from harness.facts import RunFacts
from harness.plan import Plan, PlannedAgent, programs_jsonl
from harness.protocols import SPANS, EngineSpec, Platform
from harness.runner.conductor import Conductor, stop
from harness.runner.costs import Costs
from harness.runner.display import Display
from harness.runner.driving import Driver
from harness.runner.folder import RunFolder
from harness.runner.histories import Asker
from harness.runner.idle import Idle
from harness.runner.kept import Kept
from harness.runner.roster import Roster
from harness.runner.sender import Sender
from harness.runner.set_up import Provided, SetUp
from harness.runner.stage import RunStage, SinceLoad
from harness.runner.supervisor import Supervisor
from harness.runner.switchboard import RunSwitchboard
from harness.runner.watch import Watch
from harness.scenario import to_json
from harness.stores.state_api import checks_of
from mock_llm.ledger import iter_records


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
    restart_delays_s: tuple[float, ...] = RESTART_DELAYS_S
    """Of containers restarted in place; a sweep has none."""
    facts: dict[str, object] = field(default_factory=dict)
    _costs: Costs = field(default_factory=Costs)
    _watch: Watch = field(init=False)
    _kept: Kept | None = None
    _idle: Idle | None = None
    _offset_ns: int = 0
    """Wall clock less monotonic clock at the begin of the run."""
    _board: RunSwitchboard | None = None
    _control_plane: ControlPlane | None = None

    def __post_init__(self) -> None:
        self._costs.measures_pods = self.provided.back_end.measures_pods
        self._watch = Watch(
            plan=self.plan,
            clock=self.clock,
            display=self.display,
            interrupted=self.interrupted,
            costs=self._costs,
        )

    async def perform(self) -> RunFacts:
        """Do it all; returns what is in run.json then."""
        started = datetime.fromtimestamp(self.clock.wall_ns() / NS_PER_S, UTC)
        self._offset_ns = self.clock.wall_ns() - self.clock.monotonic_ns()
        self._write_plan()
        processes = Processes(run=self.folder.root, logs=self.folder.logs, clock=self.clock)
        ports = Ports(os.getpid())
        ending = "broken: the harness crashed; its traceback stands in the terminal"
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                ending = await self._run(processes, ports, http)
        except* OnceproofError as errors:
            ending = "broken: " + "; ".join(str(error) for error in flatten(errors))
        finally:
            leftovers = await self._assert_nothing_left(processes, ports)
            facts = RunFacts(
                started_utc=f"{started:%Y-%m-%dT%H:%M:%SZ}",
                ending=ending,
                processes=self._costs.rows(processes),
                harness_lag_ms_max=self._watch.lag_ns_max / 1e6,
                clock_step_ms=(self.clock.wall_ns() - self.clock.monotonic_ns() - self._offset_ns)
                / 1e6,
                leftovers=tuple(leftovers),
                samples=tuple(self._costs.samples),
                cores=len(os.sched_getaffinity(0)),
                **self.facts,  # type: ignore[arg-type]
            )
            (self.folder.root / "run.json").write_bytes(
                msgspec.json.format(msgspec.json.encode(facts), indent=1)
            )
        return facts

    async def _run(self, processes: Processes, ports: Ports, http: httpx.AsyncClient) -> str:
        began_ns = self.clock.monotonic_ns()
        set_up = self._set_up(processes, ports, http)
        async with contextlib.AsyncExitStack() as undo:
            witness = WitnessProcess(
                processes=processes,
                ports=ports,
                clock=self.clock,
                http=http,
                host=self.provided.back_end.host,
            )
            store = set_up.store()
            self._board = set_up.switchboard(witness)
            self._kept = Kept(store=store, slots=self.folder.state / "slots", logs=self.folder.logs)
            self._control_plane = set_up.control_plane()
            pods = await set_up.start(witness, store, self._board, self._control_plane, undo)
            self._idle = Idle(processes=processes, pods=pods, http=http)
            supervisor = Supervisor(
                platform=pods,
                spec=self.spec,
                roster=Roster.of(self.agents + self.warm_up, self.folder.driver_events),
                http=http,
                witness=witness,
            )
            self.facts["set_up_s"] = set_up_s = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
            self.display.tell(f"{self.plan.scenario.pods} pods ready in {set_up_s:.1f} s")
            self.facts["about"] = await set_up.about(pods)
            rate = await self._warm_up(processes, witness)
            if self.interrupted.is_set():
                return "interrupted"
            beside = [asyncio.create_task(supervisor.run())]
            sender = self._watch.sender = Sender(
                agents=self.agents,
                roster=supervisor.roster,
                pods=pods,
                spec=self.spec,
                clock=self.clock,
                http=http,
                witness=witness,
            )
            if sender.has_work:
                beside.append(asyncio.create_task(sender.run()))
            try:
                ending = await self._load(processes, witness, pods, rate=rate, beside=beside)
                await self._ask(pods, supervisor.roster, http)
                if self.plan.scenario.checks_store:
                    self.facts["store_checks"] = await checks_of(http, sidecars_of(pods, self.spec))
                if set_up.sink is not None and ending == "finished":
                    self._trouble(*await set_up.sink.until_quiet())
                return ending
            finally:
                for task in beside:
                    await stop(task)
                self.facts["resubmits_count"] = supervisor.resubmitted_count
                self._trouble(*pods.troubles, *ran_out_of_disk(self.folder.logs))

    def _set_up(self, processes: Processes, ports: Ports, http: httpx.AsyncClient) -> SetUp:
        """What brings up the run's parts; with a sink of spans where the scenario wants them."""
        sink = None
        if self.plan.scenario.tracing:
            sink = SinkProcess(processes=processes, ports=ports, clock=self.clock, http=http)
            self.facts["exports"] = exports_of(self.spec)
        return SetUp(
            plan=self.plan,
            spec=self.spec,
            provided=self.provided,
            folder=self.folder,
            clock=self.clock,
            processes=processes,
            ports=ports,
            http=http,
            sink=sink,
            restart_delays_s=self.restart_delays_s,
        )

    async def _warm_up(self, processes: Processes, witness: WitnessProcess) -> float | None:
        """Measure the capacity if there is a warm-up; returns the rate to offer, None: at once."""
        load = self.plan.scenario.load
        capacity = 0.0
        if self.warm_up:
            driver = self._driver(
                processes,
                witness,
                folder=self.folder.warm_up,
                name="driver-warm-up",
                shape="at_once",
                rate=None,
            )
            answers = await self._watch.answers_until_ended(driver, witness)
            if self.interrupted.is_set():
                return None
            result = driver.result()
            ended = result.completed + result.failed
            if ended < len(self.warm_up):
                raise HarnessError(
                    f"warm-up: {ended} of {len(self.warm_up)} agents ended; see {self.folder.logs}"
                )
            capacity = capacity_per_s(answers, len(self.warm_up))
            self.facts["capacity_per_s"] = capacity
            self.display.tell(f"warm-up: {len(self.warm_up)} agents at {capacity:.1f} agents/s")
        if load.shape == "at_once":
            return None
        rate = load.rate_per_s or load.capacity_ratio * capacity
        if rate <= 0:
            raise HarnessError("no rate to offer: set load.rate_per_s or load.warm_up_agents")
        self.facts["rate_per_s"] = rate
        return rate

    def _driver(
        self,
        processes: Processes,
        witness: WitnessProcess,
        *,
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
            holds_status=self.spec.holds_status,
        )
        return driver

    async def _load(
        self,
        processes: Processes,
        witness: WitnessProcess,
        pods: Platform,
        *,
        rate: float | None,
        beside: list[asyncio.Task[None]],
    ) -> str:
        """Load, faults, drain; returns how it ended."""
        since_load = SinceLoad(witness, steps_before=(await witness.progress()).answered_steps)
        await self._costs.begin(processes, pods)
        assert self._kept is not None
        await self._kept.begin()
        if "parked" in self.plan.scenario.mix and self._idle is not None:
            await self._idle.look("before")
            self._watch.idle = self._idle
        if self._board is not None:
            await self._board.begin()
        await witness.note("phase", "load", {})
        driver = self._driver(
            processes,
            witness,
            folder=self.folder.root,
            name="driver",
            shape=self.plan.scenario.load.shape,
            rate=rate,
        )
        conductor = self._conductor(pods, since_load)
        playing = asyncio.create_task(conductor.run())
        try:
            ending = await self._watch.until_over(
                driver,
                witness=since_load,
                pods=pods,
                conductor=conductor,
                processes=processes,
                tasks=(playing, *beside),
            )
            await self._watch.until_settled(conductor)
            if self._board is not None:
                await self._watch.until_arrived(since_load, healed_ns=conductor.last_heal_ns)
        finally:
            await stop(playing)
            self._trouble(*conductor.troubles)
        if not await self._watch.until_healed(pods):
            self._trouble("not all pods were healthy again at the end")
        driver.ask_to_stop()
        await self._watch.until_ended(driver)
        self.facts["lateness_ms_p99"] = driver.result().lateness.ms_p99 or 0.0
        await witness.note("phase", "end", {})
        if self._board is not None:
            self._board.is_over = True
        if self._idle is not None and self._idle.figures:
            await self._idle.look("ended")
            self.facts["idle"] = self._idle.figures
        await self._costs.end(processes, pods)
        await self._kept.end()
        self.facts |= self._kept.facts()
        return ending

    def _conductor(self, pods: Platform, witness: SinceLoad) -> Conductor:
        stage = RunStage(
            platform=pods,
            witness=witness,
            switchboard=self._board,
            control_plane=self._control_plane or pods.control_plane,
        )
        return Conductor(plan=self.plan, stage=stage, clock=self.clock, tell=self.display.tell)

    async def _ask(self, pods: Platform, roster: Roster, http: httpx.AsyncClient) -> None:
        """The engine's own history, while the pods still answer."""
        asker = Asker(
            agents=frozenset(agent.agent for agent in self.agents),
            spec=self.spec,
            pods=pods,
            roster=roster,
            clock=self.clock,
            http=http,
            offset_ns=self._offset_ns,
            interrupted=self.interrupted,
        )
        await asker.ask(iter(iter_records(self.folder.live)), self.folder.history)

    def _trouble(self, *texts: str) -> None:
        known = self.facts.get("troubles", ())
        assert isinstance(known, tuple)
        self.facts["troubles"] = known + texts

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


def sidecars_of(pods: Platform, spec: EngineSpec) -> list[str]:
    """Addresses of the healthy sidecars of the engine's first app: keys of another are others."""
    own = list(pods.by_slot.values())[:: max(len(spec.app_ids), 1)]
    return [pod.sidecar_url for pod in own if pod.is_ready and pod.sidecar_url]


def exports_of(spec: EngineSpec) -> str:
    """How the engine's spans leave, or why none do, for people."""
    return spec.exports or f"not implemented: {spec.lacks.get(SPANS, 'none by default')}"


def flatten(errors: BaseExceptionGroup[OnceproofError]) -> list[OnceproofError]:
    """The leaves of a group of ours, in order."""
    leaves: list[OnceproofError] = []
    for error in errors.exceptions:
        leaves += flatten(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


def capacity_per_s(answers: list[tuple[int, int]], agents: int) -> float:
    """Agents per second in the middle of a warm-up, from its LLM answers over time; 0 without any.

    The first and the last fifth of the answers are left out: there too few agents are at work. What
    remains is a rate of answers; by the answers of one agent it is a rate of agents.
    """
    total = answers[-1][1] if answers else 0
    middle = [moment for moment in answers if total * 0.2 <= moment[1] <= total * 0.8]
    if len(middle) < 2 or middle[-1][1] == middle[0][1]:
        middle = [moment for moment in answers if moment[1]]
    if len(middle) < 2 or middle[-1][0] == middle[0][0]:
        return 0.0
    (began_ns, before), (ended_ns, after) = middle[0], middle[-1]
    return (after - before) * NS_PER_S / (ended_ns - began_ns) / (total / agents)
