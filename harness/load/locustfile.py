"""The driver's greenlets: Locust's users start agents, a few others ask, watch and report.

The only module that imports locust or gevent; it runs in a process of its own (`driver`). Importing
locust makes the sockets of this process cooperative.

Open loop: a fixed pool of users takes arrivals from one agenda by the clock. No arrival is skipped,
and every time is counted from the intended start, in Locust's own statistics too. A start that has
to wait for a pod goes back to the agenda, so that it occupies no user.
"""

import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from gevent import Timeout, killall, sleep, spawn
from gevent.event import Event as Bell
from gevent.lock import Semaphore
from locust import User, task
from locust.env import Environment

from harness.clock import NS_PER_MS, NS_PER_S, Clock
from harness.errors import HarnessError
from harness.load import ends, histograms, result, schedule
from harness.load.asker import Asker, Many, One
from harness.load.config import DriverConfig
from harness.load.contract import Programs, Witness, Worker
from harness.load.events import EventKind, EventLog
from harness.load.pods import PodsFile
from harness.load.roster import Agent, Roster
from harness.load.starter import Starter
from harness.load.starts import StartState
from harness.load.wire import Wire

Item = TypeVar("Item")

_HEAD_START_NS = 100 * NS_PER_MS
"""From the end of the start-up to the first intended start: time to spawn the users."""
_PODS_S = 0.02
_PULSE_S = 0.05
_PROGRESS_S = 1.0
_NAP_S_MAX = 1.0
_GATHER_S = 0.02
"""Between two looks at the feed of ends: many ends in one request, and engines need that long."""
_FEED_AGAIN_S = 0.5
_STOP_S_MAX = 1.0


class Agenda(Generic[Item]):
    """What is due next, shared by many greenlets: each takes one item when its time has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timetable: schedule.Timetable[Item] = schedule.Timetable()
        self._turn = Semaphore(1)
        self._bell = Bell()

    def push(self, due_ns: int, item: Item) -> None:
        """Put an item in, and wake the greenlet that waits if it is due before all others."""
        next_ns = self._timetable.next_due_ns
        self._timetable.push(due_ns, item)
        if next_ns is None or due_ns < next_ns:
            self._bell.set()

    def take(self) -> Item:
        """Wait until an item is due and take it."""
        with self._turn:
            while True:
                now_ns = self._clock.monotonic_ns()
                item = self._timetable.pop_due(now_ns)
                if item is not None:
                    return item
                next_ns = self._timetable.next_due_ns
                nap_s = _NAP_S_MAX if next_ns is None else (next_ns - now_ns) / NS_PER_S
                self._bell.clear()
                self._bell.wait(min(nap_s, _NAP_S_MAX))


class StartingUser(User):  # type: ignore[misc]  # locust has no types that we follow
    """One of the pool: takes the next arrival, carries its start forward, takes the next."""

    load: ClassVar["Load"]

    @task  # type: ignore[untyped-decorator]
    def start_agents(self) -> None:
        """Go on until Locust ends this greenlet."""
        while True:
            self.load.start_next()


class Load:
    """One run of the driver, from the first arrival to the last end."""

    def __init__(self, config: DriverConfig, run: Path, clock: Clock) -> None:
        self._config = config
        self._run = run
        self._clock = clock
        self._fatal: BaseException | None = None
        self._environment = _environment(self._break)
        self._arrivals = _arrivals(run / config.programs, config.agents_prefix)
        self._pods = PodsFile(run / config.pods)
        self._events = EventLog(run / config.events, clock)
        self._starts: Agenda[tuple[Agent, int]] = Agenda(clock)
        self._asks: Agenda[One | Many] = Agenda(clock)
        self._held: dict[str, Agent] = {}
        self._restarts: schedule.Timetable[str] = schedule.Timetable()
        self._ready: dict[str, str] = {}
        self._wire = Wire(clock)
        self._cpu_start_up_s = _cpu_s()
        self._t0_ns = clock.monotonic_ns() + _HEAD_START_NS
        self._roster = Roster(self._agent_of(arrival) for arrival in self._arrivals)
        worker = Worker(
            self._wire,
            timeout_s=config.request_timeout_s,
            status_wait_s=config.status_wait_s,
        )
        self._starter = Starter(
            roster=self._roster,
            pods=self._pods,
            programs=Programs(run / config.programs),
            worker=worker,
            events=self._events,
            clock=clock,
            report=self._report,
        )
        self._asker = Asker(
            roster=self._roster,
            pods=self._pods,
            worker=worker,
            witness=Witness(self._wire, config.witness, timeout_s=config.request_timeout_s),
            events=self._events,
            clock=clock,
            report=self._report,
            later=self._asks.push,
            config=config,
        )

    def drive(self, is_told_to_stop: Callable[[], bool]) -> None:
        """Start all arrivals and wait for their ends; returns when all ended or it must stop.

        Raises:
            HarnessError: a greenlet broke; the events are on file, a result is not written.
        """
        for agent in self._roster.agents.values():
            self._starts.push(agent.intended_ns, (agent, 0))
        self._look_at_pods()
        # What is there now stays to the end; looking through it again and again costs, and late.
        gc.collect()
        gc.freeze()
        StartingUser.load = self
        runner = self._environment.create_local_runner()
        runner.start(self._config.starts_in_flight, spawn_rate=self._config.starts_in_flight)
        loops = [
            self._loop(self._follow),
            self._loop(self._watch_pods),
            self._loop(self._tick),
            *(self._loop(self._ask_next) for _ in range(self._config.asks_in_flight)),
        ]
        reason = self._wait(is_told_to_stop)
        with Timeout(_STOP_S_MAX, False):
            runner.quit()
        killall(loops, timeout=_STOP_S_MAX / 2)
        if self._fatal is not None:
            raise HarnessError(f"the driver broke: {self._fatal!r}") from self._fatal
        self._finish(reason)

    def start_next(self) -> None:
        """Wait for the next start that is due, and carry it as far as it goes."""
        agent, token = self._starts.take()
        if token != agent.hold_token:
            return
        self._held.pop(agent.arrival.agent, None)
        hold_ns = self._starter.advance(agent)
        if hold_ns is None:
            return
        agent.hold_token += 1
        self._held[agent.arrival.agent] = agent
        self._starts.push(self._clock.monotonic_ns() + hold_ns, (agent, agent.hold_token))

    def _agent_of(self, arrival: schedule.Arrival) -> Agent:
        intended_ns = schedule.intended_ns(
            arrival.at_ns,
            t0_ns=self._t0_ns,
            rate_per_s=self._config.rate_per_s,
            shape=self._config.shape,
        )
        start = StartState(slot=arrival.slot, any_pod_answers=self._config.any_pod_answers)
        return Agent(arrival=arrival, intended_ns=intended_ns, start=start)

    def _wait(self, is_told_to_stop: Callable[[], bool]) -> str:
        deadline_ns = self._t0_ns + int(self._config.deadline_s * NS_PER_S)
        while True:
            if self._fatal is not None:
                return "broken"
            if self._roster.is_over:
                return "all ended"
            if is_told_to_stop():
                return "stopped"
            if self._clock.monotonic_ns() >= deadline_ns:
                return "deadline"
            sleep(_PULSE_S)

    def _loop(self, turn: Callable[[], None]) -> Any:
        def forever() -> None:
            while True:
                turn()

        greenlet = spawn(forever)
        greenlet.link_exception(lambda broken: self._break(broken.exception))
        return greenlet

    def _ask_next(self) -> None:
        self._asker.ask(self._asks.take())

    def _follow(self) -> None:
        found = self._asker.follow()
        sleep(_FEED_AGAIN_S if found is None else _GATHER_S)

    def _watch_pods(self) -> None:
        sleep(_PODS_S)
        if self._look_at_pods():
            held, self._held = self._held, {}
            now_ns = self._clock.monotonic_ns()
            for agent in held.values():
                agent.hold_token += 1
                self._starts.push(now_ns, (agent, agent.hold_token))

    def _look_at_pods(self) -> bool:
        if not self._pods.refresh():
            return False
        now_ns = self._clock.monotonic_ns()
        for pod in self._pods.current.ready():
            if self._ready.get(pod.slot, pod.caller) != pod.caller:
                self._restarts.push(now_ns + ends.AFTER_RESTART_NS, pod.slot)
            self._ready[pod.slot] = pod.caller
        return True

    def _tick(self) -> None:
        sleep(_PROGRESS_S)
        now_ns = self._clock.monotonic_ns()
        while (slot := self._restarts.pop_due(now_ns)) is not None:
            self._asker.mark_due(slot)
        self._asker.sweep()
        self._wire.prune()
        self._write_progress()

    def _write_progress(self) -> None:
        roster = self._roster
        progress = result.Progress(
            planned=roster.planned,
            started=roster.started,
            accepted=roster.accepted,
            ended=roster.ended,
            failed=roster.failed,
            rejected=roster.rejected,
        )
        result.replace_file(self._run / result.PROGRESS_FILE, msgspec.json.encode(progress))

    def _finish(self, reason: str) -> None:
        for agent in self._roster.leftovers():
            known = f"last status {agent.last_status}" if agent.is_accepted else "start undecided"
            self._events.write(
                EventKind.INFO,
                agent=agent.arrival.agent,
                intended_ns=agent.intended_ns,
                caller="",
                status=f"left over ({reason}): {known}",
            )
        self._events.close()
        self._write_progress()
        found = {
            "lateness": self._starter.lateness,
            "start": self._starter.latency,
            "agent": self._asker.latency,
        }
        result.replace_file(self._run / self._config.histograms, histograms.save(found))
        document = msgspec.json.format(msgspec.json.encode(self._result(reason)), indent=1)
        result.replace_file(self._run / result.FILE, document)

    def _result(self, reason: str) -> result.DriverResult:
        roster = self._roster
        return result.DriverResult(
            reason=reason,
            t0_ns=self._t0_ns,
            planned=roster.planned,
            started=roster.started,
            accepted=roster.accepted,
            rejected=roster.rejected,
            completed=roster.completed,
            failed=roster.failed,
            unfinished=roster.unfinished,
            late_count=self._starter.late_count,
            held_count=self._starter.held_count,
            lateness=result.latency_of(self._starter.lateness),
            start_latency=result.latency_of(self._starter.latency),
            agent_latency=result.latency_of(self._asker.latency),
            locust=_locust_rows(self._environment),
            cpu_s=round(_cpu_s(), 3),
            cpu_start_up_s=round(self._cpu_start_up_s, 3),
        )

    def _report(self, name: str, intended_ns: int, now_ns: int, error: str) -> None:
        self._environment.events.request.fire(
            request_type="onceproof",
            name=name,
            response_time=(now_ns - intended_ns) / NS_PER_MS,
            response_length=0,
            exception=error or None,
            context={},
        )

    def _break(self, error: BaseException) -> None:
        self._fatal = self._fatal or error


def _arrivals(path: Path, prefix: str) -> tuple[schedule.Arrival, ...]:
    with path.open("rb") as lines:
        return schedule.arrivals_of(lines, prefix=prefix, source=str(path))


def _environment(on_broken: Callable[[BaseException], None]) -> Any:
    """Make a Locust environment in which an error of ours ends the run instead of being counted."""
    environment = Environment(user_classes=[StartingUser], catch_exceptions=False)

    def on_user_error(user_instance: object, exception: BaseException, tb: object) -> None:
        on_broken(exception)

    environment.events.user_error.add_listener(on_user_error)
    return environment


def _locust_rows(environment: Any) -> tuple[result.LocustRow, ...]:
    return tuple(
        result.LocustRow(
            name=entry.name,
            requests=entry.num_requests,
            failures=entry.num_failures,
            ms_p50=float(entry.get_response_time_percentile(0.50)),
            ms_p99=float(entry.get_response_time_percentile(0.99)),
        )
        for entry in environment.stats.entries.values()
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
