"""The simulation itself: all agents at once, time step by time step.

An agent goes through phases: a phase is the engine's work (start, or commit of an answer and what
leads to the next call) at worker, sidecar and shared services in turn, and beside them at the
machine that all share; then a call of the LLM, admitted or refused by the quota. After the last
call one more phase ends the agent. In a time step every station takes all arrivals of the step in
order of time, so that queues are exact; an event that comes of an event of its own step is late: it
keeps its time, and is taken in the next one. `late_count` says how many there were.

A kill of a pod cuts the step in two. What its agents had begun and not committed is lost: a call
that was in flight, or answered and not committed, is wasted and made again.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.clock import NS_PER_S
from harness.history import NONE, Flags, Ints, SmallInts
from harness.plan import SPIKE_AT, SPIKE_RATIO, SPIKE_SPAN
from harness.simulation.calendar import Calendar
from harness.simulation.draws import Draws, Use
from harness.simulation.quota import Quota
from harness.simulation.settings import Kill, Settings, Station, capacity_per_s, ns
from harness.simulation.stations import Queues

SERIES, OWN = ("worker", "sidecar", "shared"), ("worker", "sidecar")
"""Stations that a phase visits in turn, and those that each pod has of its own."""
NEVER = np.iinfo(np.int64).max
TICKS = 8_000
"""Steps that a run should have at most."""
EVENTS_MAX = 400_000_000
"""Bound on all events of a run: a quota that nobody can meet makes retries without end."""
POLITE_NS, BACKOFF_NS, BACKOFF_NS_MAX = 2_000_000, 50_000_000, 20_000_000_000
"""The client's waits, as in `harness.engines.llm.polite_wait_s`; a test compares them."""


@dataclass(slots=True, kw_only=True)
class Trace:
    """What happened, agent by agent; NONE for never."""

    arrival_ns: Ints
    done_ns: Ints
    has_failed: Flags
    """Gave up after ``tries_max``."""
    llm_ns: Ints
    """Time with a call in flight, those that a kill cut off included."""
    calls_count: int = 0
    """Admitted and executed."""
    refused_count: int = 0
    """Answered 429."""
    wasted_count: int = 0
    """Executed, and lost by a kill."""
    resumes_ns: dict[int, Ints] = field(default_factory=dict)
    """Kill, by its place -> per victim, from the kill to its first answer that was kept."""
    busy_ns: dict[str, int] = field(default_factory=dict)
    """Station -> time that servers worked."""
    agents_ns: float = 0.0
    """Integral of the agents in the system over time, counted step by step."""
    events_count: int = 0
    late_count: int = 0
    """Events that were taken one step late."""
    late_ns_max: int = 0
    tick_ns: int = 0
    end_ns: int = 0
    is_cut: bool = False
    """A bound on events ended it, not its own end."""


def simulate(settings: Settings, seed: int) -> Trace:
    """Simulate one run: the same settings and seed give the same trace."""
    walk = Walk(settings, seed)
    walk.perform()
    return walk.trace


class Walk:
    """The state of a run: arrays of all agents."""

    def __init__(self, settings: Settings, seed: int) -> None:
        count = settings.agents
        self._settings = settings
        self._draws = Draws(seed)
        self._pod = _drawn_below(self._draws, np.arange(count), Use.POD, settings.pods)
        self._due = _arrivals(settings, seed)
        self._stage = np.zeros(count, np.int8)
        self._phase = np.zeros(count, np.int64)
        self._kept = np.zeros(count, np.int32)
        self._tries = np.zeros(count, np.int64)
        self._has_answer = np.zeros(count, np.bool_)
        self._struck: SmallInts = np.full(count, NONE, np.int32)
        """Place of the kill that an agent is to resume from."""
        self._machine_ns = np.zeros(count if settings.machine.ms else 0, np.int64)
        series = [name for name in SERIES if getattr(settings, name).ms]
        self._queues = {
            name: Queues(
                getattr(settings, name), count=settings.pods if name in OWN else 1, place=place
            )
            for place, name in enumerate((*SERIES, "machine"))
        }
        self._series = [self._queues[name] for name in series]
        self._is_own = [name in OWN for name in series]
        self._call_stage = max(1, len(series))
        self._quota = Quota(settings)
        self._llm_ns = np.array([ns(value) for value in settings.llm_ms], np.float64)
        self._wait_ns = ns(settings.wait_ms)
        self._calendar = Calendar()
        self._present = 0
        self.trace = Trace(
            arrival_ns=self._due.copy(),
            done_ns=np.full(count, NONE, np.int64),
            has_failed=np.zeros(count, np.bool_),
            llm_ns=np.zeros(count, np.int64),
            tick_ns=tick_ns(settings),
        )

    def perform(self) -> None:
        """Walk until nothing is left, or a bound is met."""
        trace, tick = self.trace, self.trace.tick_ns
        kills = sorted(enumerate(self._settings.kills), key=lambda one: (one[1].at_s, one[0]))
        limit = int(self._settings.run_s * NS_PER_S)
        self._calendar.put(np.arange(len(self._due)), self._due // tick)
        while (window := self._calendar.first()) is not None and window * tick < limit:
            end = (window + 1) * tick
            is_kill = bool(kills) and int(kills[0][1].at_s * NS_PER_S) < end
            if is_kill:
                end = int(kills[0][1].at_s * NS_PER_S)
            agents = self._calendar.take(window)
            due = self._due[agents]
            self._step(agents[due < end], window, end)
            if is_kill:
                # Whoever is due later still was moved by an earlier kill, and stands there, too.
                self._calendar.put_all(agents[(due >= end) & (due < (window + 1) * tick)], window)
            trace.agents_ns += self._present * (max(end, trace.end_ns) - trace.end_ns)
            trace.end_ns = max(end, trace.end_ns)
            self._defer(window, end, is_whole=not is_kill)
            if is_kill:
                self._strike(*kills.pop(0), window)
            if trace.events_count > EVENTS_MAX:
                trace.is_cut = True
                break
        trace.busy_ns = {name: queues.busy_ns for name, queues in self._queues.items()}

    def _step(self, agents: Ints, window: int, end: int) -> None:
        """Take all that is due before ``end``, station by station."""
        if not len(agents):
            return
        stage = self._stage[agents]
        carried = np.zeros(0, np.int64)
        for place in range(self._call_stage):
            group = self._in_order(agents[stage == place], carried)
            if not len(group):
                carried = group
                continue
            if place == 0:
                self._begin(group)
            self._serve(group, place)
            is_due = self._due[group] < end
            self._put(group[~is_due], window)
            carried = group[is_due]
        group = self._in_order(agents[stage == self._call_stage], carried)
        if len(group):
            self._call(group, window)

    def _in_order(self, waiting: Ints, carried: Ints) -> Ints:
        """Two groups as one, by time, and by number where times are equal."""
        group = np.sort(np.concatenate((waiting, carried))) if len(carried) else waiting
        self.trace.events_count += len(group)
        found: Ints = group[np.argsort(self._due[group], kind="stable")]
        return found

    def _begin(self, group: Ints) -> None:
        """Phases begin; the machine's cores work on them from now on."""
        self._phase[group] += 1
        self._present += int(np.count_nonzero(self._phase[group] == 1))
        if len(self._machine_ns):
            pods = np.zeros(len(group), np.int64)
            self._machine_ns[group] = self._queues["machine"].serve(
                self._draws, group, self._phase[group], pods, self._due[group]
            )

    def _serve(self, group: Ints, place: int) -> None:
        """Serve a group at a station of the series; behind the last one is the wait."""
        due = self._due[group]
        if self._series:
            queues, is_own = self._series[place], self._is_own[place]
            pods = self._pod[group] if is_own else np.zeros(len(group), np.int64)
            due = queues.serve(self._draws, group, self._phase[group], pods, due)
        if place == self._call_stage - 1:
            if len(self._machine_ns):
                due = np.maximum(due, self._machine_ns[group])
            due = due + self._wait_ns
        self._due[group] = due
        self._stage[group] = place + 1

    def _call(self, group: Ints, window: int) -> None:
        """Commit what was answered; then end, or ask the LLM."""
        due, has_answer = self._due[group], self._has_answer[group]
        self._kept[group] += has_answer
        self._has_answer[group] = False
        self._resume(group[has_answer], due[has_answer])
        is_done = self._kept[group] == self._settings.steps
        self._end(group[is_done], due[is_done])
        group, due = group[~is_done], due[~is_done]
        if self._quota.is_unlimited:
            self._answer(group, due)
        else:
            is_admitted, wait_ms = self._quota.admit(due)
            self._answer(group[is_admitted], due[is_admitted])
            self._refuse(group[~is_admitted], due[~is_admitted], wait_ms[~is_admitted])
            group = group[self.trace.done_ns[group] == NONE]
        self._put(group, window)

    def _answer(self, group: Ints, due: Ints) -> None:
        drawn = self._draws.uniform(group, self._phase[group], Use.LLM)
        places = np.linspace(0, 1, len(self._llm_ns))
        took = np.interp(drawn, places, self._llm_ns).astype(np.int64)
        self._due[group] = due + took
        self._stage[group] = 0
        self._tries[group] = 0
        self._has_answer[group] = True
        self.trace.llm_ns[group] += took
        self.trace.calls_count += len(group)

    def _refuse(self, group: Ints, due: Ints, wait_ms: Ints) -> None:
        self._tries[group] += 1
        tries = self._tries[group]
        self.trace.refused_count += len(group)
        is_over = tries >= self._settings.tries_max
        self.trace.has_failed[group[is_over]] = True
        self._due[group] = due + wait_ms * 1_000_000 + polite_ns(tries)
        self._end(group[is_over], due[is_over])

    def _end(self, group: Ints, due: Ints) -> None:
        self.trace.done_ns[group] = due
        self._due[group] = NEVER
        self._present -= len(group)

    def _resume(self, group: Ints, due: Ints) -> None:
        is_struck = self._struck[group] != NONE
        if is_struck.any():
            group, due = group[is_struck], due[is_struck]
            for place in np.unique(self._struck[group]).tolist():
                is_his = self._struck[group] == place
                fired = int(self._settings.kills[place].at_s * NS_PER_S)
                before = self.trace.resumes_ns.get(place, np.zeros(0, np.int64))
                self.trace.resumes_ns[place] = np.append(before, due[is_his] - fired)
            self._struck[group] = NONE

    def _strike(self, place: int, kill: Kill, window: int) -> None:
        """A pod dies: its agents begin their phase anew, elsewhere or at the replacement."""
        fired = int(kill.at_s * NS_PER_S)
        trace, settings = self.trace, self._settings
        is_here = (self._pod == kill.pod) & (trace.done_ns == NONE) & (self._phase > 0)
        victims = np.flatnonzero(is_here)
        trace.wasted_count += int(np.count_nonzero(self._has_answer[victims]))
        self._has_answer[victims] = False
        self._tries[victims] = 0
        self._struck[victims] = place
        self._stage[victims] = 0
        self._due[victims] = fired + ns(settings.recovery_ms)
        for queues, is_own in zip(self._series, self._is_own, strict=True):
            if is_own:
                queues.stop(kill.pod, fired, fired + ns(settings.restart_ms))
            elif settings.pause_ms:
                queues.pause(fired + ns(settings.pause_ms))
        if settings.moves:
            drawn = self._draws.uniform(victims, self._phase[victims], Use.MOVE)
            further = 1 + (drawn * (settings.pods - 1)).astype(np.int64)
            self._pod[victims] = (kill.pod + further) % settings.pods
        trace.resumes_ns.setdefault(place, np.zeros(0, np.int64))
        self._put(victims, window)

    def _put(self, agents: Ints, window: int) -> None:
        if len(agents):
            tick = self.trace.tick_ns
            self._calendar.put(agents, np.maximum(self._due[agents] // tick, window))

    def _defer(self, window: int, end: int, *, is_whole: bool) -> None:
        """What came of the step's own events and is due in it: the next step takes it."""
        agents = self._calendar.take(window)
        due = self._due[agents]
        is_late = due < end
        if is_late.any():
            self.trace.late_count += int(np.count_nonzero(is_late))
            self.trace.late_ns_max = max(self.trace.late_ns_max, end - int(due[is_late].min()))
        if is_whole:
            self._calendar.put_all(agents[is_late], window + 1)
        else:
            self._calendar.put_all(agents, window)


def polite_ns(tries: Ints) -> Ints:
    """What a well-behaved client adds to the wait that it was told, after so many refusals."""
    doubled = BACKOFF_NS * 2 ** np.minimum(np.maximum(tries - 2, 0), 10).astype(np.int64)
    more = np.where(tries > 1, np.minimum(doubled, BACKOFF_NS_MAX), 0)
    found: Ints = more + POLITE_NS
    return found


def tick_ns(settings: Settings) -> int:
    """The time step: the shortest answer, so that none is late; longer where the run is long.

    Under a quota also a quarter of the time between two admissions, as refused calls come back
    soon. At most a second, at least what makes `TICKS` steps of the run as it is expected.
    """
    if settings.tick_ms is not None:
        return ns(settings.tick_ms)
    capacity = capacity_per_s(settings)[0]
    rate = capacity if settings.shape == "at_once" else min(capacity, settings.rate_per_s)
    least_ns = settings.agents / rate / TICKS * NS_PER_S
    found_ns = min(ns(settings.llm_ms[0]), NS_PER_S)
    if settings.requests_per_min or settings.tokens_per_min:
        none = Station()
        quota = replace(settings, worker=none, sidecar=none, shared=none, machine=none)
        admitted_per_s = capacity_per_s(quota)[0] * settings.steps
        found_ns = min(found_ns, int(NS_PER_S / admitted_per_s / 4))
    return int(max(found_ns, least_ns, 1_000_000))


def _arrivals(settings: Settings, seed: int) -> Ints:
    """When agents arrive, in order: sorted uniform draws are a Poisson process."""
    count = settings.agents
    if settings.shape == "at_once":
        return np.zeros(count, np.int64)
    drawn = seeds.array_stream(seed, "simulation", "arrivals").random(count)
    if settings.shape == "ramp":
        drawn **= 0.5
    if settings.shape == "spike":
        crowd = seeds.array_stream(seed, "simulation", "crowd").random(count)
        rest = (drawn - SPIKE_RATIO) / (1 - SPIKE_RATIO)
        drawn = np.where(drawn < SPIKE_RATIO, SPIKE_AT + SPIKE_SPAN * crowd, rest)
    drawn.sort()
    found: Ints = (drawn * (count / settings.rate_per_s * NS_PER_S)).astype(np.int64)
    return found


def _drawn_below(draws: Draws, agents: Ints, use: Use, count: int) -> NDArray[np.int64]:
    drawn = draws.uniform(agents, np.zeros(len(agents), np.int64), use)
    return (drawn * count).astype(np.int64)
