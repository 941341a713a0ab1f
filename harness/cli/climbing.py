"""The runs of a ladder, one after the other, under a keeper: each decides whether there is a next.

First a probe whose warm-up guesses the capacity; then levels without a quota, levels with one, a
level with a pod killed, and agents that only wait. Every run is an ordinary one in a folder of its
own; what they say is read from there afterwards.
"""

import io
import math
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from harness.capacity.ladder import (
    QUOTA_RATIO,
    Ladder,
    agents_for,
    planned_rates,
    quota_rates,
    rounded,
)
from harness.capacity.laws import Quota, quota_agents_per_s
from harness.capacity.record import FAULT, FREE, PARKED, PROBE, QUOTA, Level, Skipped
from harness.cli.laddered import FILE, LadderFile, level_of
from harness.cli.running import fresh_folder, one_run
from harness.clock import NS_PER_S, Clock, SystemClock
from harness.cluster.keeper import keep
from harness.drafts import write_whole
from harness.errors import HarnessError, OnceproofError
from harness.results import MatrixResult, RunResult, encode
from harness.runner.order import Order, engine_of, lacking_problem
from harness.runner.set_up import Provided
from harness.scenario import FaultSpec, LoadSpec, Scenario

PROBE_AGENTS, PROBE_WARM_UP = 12, 100
FREE_SHARE, QUOTA_SHARE, FAULT_SHARE = 0.6, 0.85, 0.93
"""Of the minutes: until here a side may begin a level."""
FAULT_RATIO = 0.6
"""Of the capacity: the load under which a pod is killed; the rest is headroom for its backlog."""
KILLS = 2
PARK_S = 8.0
"""Between the last arrival of agents that wait and the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is run."""

    levels: int
    seconds: float
    repeats: int
    minutes: float
    parked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What a ladder needs to be climbed."""

    order: Order
    """Its scenario is every level's, but for the load."""
    size: Size
    quota: Quota
    provided: Provided
    seed: int
    out: Path
    keeps_state: bool


def climb_kept(climb: Climb, finish: Callable[[Path], int]) -> int:
    """Climb in a harness of its own, kept by this process; ``finish`` gets the folder."""
    return keep(lambda: _climbed(climb, finish))


def _climbed(climb: Climb, finish: Callable[[Path], int]) -> int:
    started = datetime.now(UTC)
    cell = climb.order.cell
    root = fresh_folder(
        climb.out.absolute(), f"{started:%Y%m%dT%H%M%SZ}-capacity-{cell.engine}-{climb.seed}"
    )
    command = shlex.join(["onceproof", *sys.argv[1:]])
    print(f"seed {climb.seed} | {root} | at most about {climb.size.minutes:g} min")
    print(f"repeat: {command}")
    runs = Runs(wanted=climb, root=root, command=command)
    code = 255
    try:
        runs.climb()
        code = 0
    except OnceproofError as error:
        print(f"onceproof: {error}")
        code = error.exit_code
    said = LadderFile(
        engine=cell.engine,
        variant=cell.variant,
        store=cell.store,
        scenario=climb.order.scenario.name,
        seed=climb.seed,
        pods=climb.order.scenario.pods,
        started_utc=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        duration_s=round(runs.elapsed_s, 1),
        command=command,
        skipped=tuple(runs.skipped),
        is_interrupted=runs.is_interrupted,
    )
    write_whole(root / FILE, msgspec.json.format(msgspec.json.encode(said), indent=1))
    matrix = MatrixResult(
        name="capacity",
        seed=climb.seed,
        started_utc=said.started_utc,
        duration_s=said.duration_s,
        command=command,
        exit_code=code,
        runs=tuple(runs.results),
    )
    write_whole(root / "matrix.json", encode(matrix))
    return code if code else finish(root)


@dataclass(slots=True, kw_only=True)
class Runs:
    """The runs so far."""

    wanted: Climb
    root: Path
    command: str
    clock: Clock = field(default_factory=SystemClock)
    tell: Callable[[str], None] = print
    results: list[RunResult] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    is_interrupted: bool = False
    _began_ns: int = field(init=False)
    _slowest_s: float = 0.0

    def __post_init__(self) -> None:
        self._began_ns = self.clock.monotonic_ns()

    @property
    def elapsed_s(self) -> float:
        """Since the first."""
        return (self.clock.monotonic_ns() - self._began_ns) / NS_PER_S

    def climb(self) -> None:
        """All sides, as far as time, sense and a person allow.

        Raises:
            HarnessError: the probe did not come to its end, so that no load is known.
        """
        guess = self._probe()
        if guess <= 0:
            return
        size, order = self.wanted.size, self.wanted.order
        rates = planned_rates(guess, size.levels)
        self._side(Ladder(side=FREE, rates=list(rates)), order.scenario, share=FREE_SHARE)
        capacity, calls, tokens = self._reached()
        if capacity > 0:
            self._quota_side(capacity, calls, tokens)
            self._fault(capacity)
            self._parked(capacity)

    def _probe(self) -> float:
        """Agents per second of a warm-up: where the ladder stands, and no more than that."""
        order = probe_order(self.wanted.order)
        result = self._run(order)
        if result.state != "judged" or result.capacity_per_s <= 0:
            reason = result.state_reason or "its warm-up measured nothing"
            raise HarnessError(f"{order.name}: {reason}; see {self.root / order.name / 'logs'}")
        self.tell(f"probe: about {result.capacity_per_s:.3g} agents/s, {self.elapsed_s:.0f} s")
        return result.capacity_per_s

    def _side(self, ladder: Ladder, scenario: Scenario, *, share: float) -> None:
        number = 0
        while not self.is_interrupted:
            rate = ladder.next_rate(is_time_left=self._is_time_left(share))
            if rate is None:
                break
            number += 1
            ladder.done(self._level(f"{ladder.side}_{number}", scenario, rate))
        for one in ladder.skipped:
            self.tell(f"{one.side} {one.offered_per_s:g}/s: skipped: {one.reason}")
        self.skipped += ladder.skipped

    def _level(self, name: str, scenario: Scenario, rate: float) -> list[Level]:
        """All repeats of a level."""
        found = []
        for repeat in range(self.wanted.size.repeats):
            order = level_order(
                self.wanted.order, scenario, name, rate=rate, seconds=self.wanted.size.seconds
            )
            order = replace(order, cell=replace(order.cell, repeat=repeat))
            self._run(order)
            found.append(level_of(self.root / order.name))
            self.tell(told(name, found[-1], self.elapsed_s))
            if self.is_interrupted:
                break
        self.levels += found
        return found

    def _run(self, order: Order) -> RunResult:
        before_s = self.elapsed_s
        result, self.is_interrupted = one_run(
            order,
            self.wanted.provided,
            seed=self.wanted.seed,
            root=self.root,
            console=Console(file=io.StringIO()),
            command=self.command,
        )
        self.results.append(result)
        self._slowest_s = max(self._slowest_s, self.elapsed_s - before_s)
        if result.state == "judged" and not self.wanted.keeps_state:
            shutil.rmtree(self.root / order.name / "state", ignore_errors=True)
        return result

    def _is_time_left(self, share: float) -> bool:
        """Whether a run as long as the longest would end within this share of the minutes."""
        return self.elapsed_s + self._slowest_s < share * self.wanted.size.minutes * 60

    def _reached(self) -> tuple[float, float, float]:
        """The most throughput of a level, and its calls and tokens an agent."""
        counted = [
            one
            for one in self.levels
            if one.throughput.value and not (one.trouble or one.is_generator_full)
        ]
        if not counted:
            return 0.0, 0.0, 0.0
        best = max(counted, key=lambda level: level.throughput.value or 0.0)
        return best.throughput.value or 0.0, best.calls_per_agent, best.prompt_tokens_per_agent

    def _quota_side(self, capacity: float, calls: float, tokens: float) -> None:
        quota = self.wanted.quota
        if not quota.is_there:
            quota = Quota(requests_per_min=max(1, round(QUOTA_RATIO * capacity * calls * 60)))
        ceiling, which = quota_agents_per_s(
            quota, requests_per_agent=calls, tokens_per_agent=tokens
        )
        rates = quota_rates(ceiling)
        if ceiling >= capacity:
            reason = (
                f"the quota allows {ceiling:.3g} agents/s by {which}, and the engine does "
                f"{capacity:.3g}: it never binds"
            )
            self.skipped += [
                Skipped(side=QUOTA, offered_per_s=rate, reason=reason) for rate in rates
            ]
            self.tell(f"quota: skipped: {reason}")
            return
        scenario = self.wanted.order.scenario
        llm = replace(
            scenario.llm,
            requests_per_min=quota.requests_per_min,
            tokens_per_min=quota.tokens_per_min,
        )
        ladder = Ladder(side=QUOTA, rates=list(rates), extra=0)
        self._side(ladder, replace(scenario, llm=llm), share=QUOTA_SHARE)

    def _fault(self, capacity: float) -> None:
        rate = rounded(FAULT_RATIO * capacity)
        if self._is_left(FAULT, rate, FAULT_SHARE):
            scenario = replace(self.wanted.order.scenario, faults=FAULTS, exposures_min=1)
            self._level(FAULT, scenario, rate)

    def _parked(self, capacity: float) -> None:
        agents, order = self.wanted.size.parked, self.wanted.order
        if not agents:
            return
        lacking = lacking_problem(engine_of(order), "parked")
        rate = rounded(FAULT_RATIO * capacity)
        if lacking:
            self.skipped.append(Skipped(side=PARKED, offered_per_s=rate, reason=lacking))
        elif self._is_left(PARKED, rate, 1.0):
            self._run(parked_order(order, agents=agents, rate=rate))
            self.tell(f"parked: {agents} agents waited, {self.elapsed_s:.0f} s")

    def _is_left(self, side: str, rate: float, share: float) -> bool:
        if self.is_interrupted:
            return False
        if self._is_time_left(share):
            return True
        self.skipped.append(Skipped(side=side, offered_per_s=rate, reason="the time is spent"))
        self.tell(f"{side}: skipped: the time is spent")
        return False


FAULTS = (
    FaultSpec(kind="kill_pod", count=KILLS, in_flight_min=1, progress_from=0.3, progress_to=0.8),
)


def ladder_orders(order: Order, size: Size) -> list[Order]:
    """One order of each side that can be known beforehand: what must be provided, and drawn."""
    found = [
        probe_order(order),
        level_order(order, order.scenario, f"{FREE}_1", rate=1.0, seconds=size.seconds),
    ]
    if size.parked and not lacking_problem(engine_of(order), "parked"):
        found.append(parked_order(order, agents=size.parked, rate=1.0))
    return found


def probe_order(order: Order) -> Order:
    """A warm-up, and hardly a load."""
    load = LoadSpec(agents=PROBE_AGENTS, warm_up_agents=PROBE_WARM_UP, capacity_ratio=0.25)
    return _named(order, replace(order.scenario, load=load), PROBE)


def level_order(
    order: Order, scenario: Scenario, name: str, *, rate: float, seconds: float
) -> Order:
    """A level: as many agents as come in its seconds, at its rate."""
    load = LoadSpec(
        agents=agents_for(rate, seconds),
        rate_per_s=rate,
        warm_up_agents=0,
        starts_in_flight=order.scenario.load.starts_in_flight,
    )
    return _named(order, replace(scenario, load=load), name)


def parked_order(order: Order, *, agents: int, rate: float) -> Order:
    """Agents that wait until all have come, and a little longer."""
    load = LoadSpec(agents=agents, rate_per_s=rate, warm_up_agents=0)
    scenario = replace(
        order.scenario, mix={"parked": 1.0}, load=load, park_s=math.ceil(agents / rate + PARK_S)
    )
    return _named(order, scenario, PARKED)


def told(name: str, level: Level, elapsed_s: float) -> str:
    """A level in one line."""
    if level.trouble:
        return f"{name}: counts for nothing: {level.trouble}"
    state = (
        "the harness is full"
        if level.is_generator_full
        else "saturated"
        if level.is_saturated
        else "follows"
    )
    return (
        f"{name}: {level.arrived_per_s:.3g} offered, {level.throughput.value or 0:.3g} ended a "
        f"second, p99 {level.agent_ms_p99 / 1000:.2f} s, {level.in_flight_mean:.0f} in flight: "
        f"{state}; {elapsed_s:.0f} s"
    )


def _named(order: Order, scenario: Scenario, name: str) -> Order:
    return replace(order, scenario=replace(scenario, name=f"{order.scenario.name}_{name}"))
