"""Starts agents: does what `starts` decides, and writes down what came of it.

Blocking calls throughout; many greenlets run `advance` at once, each for an agent of its own.
"""

from collections.abc import Callable

from harness.clock import NS_PER_S, Clock
from harness.load import starts
from harness.load.contract import Programs, Worker
from harness.load.events import EventKind, EventLog
from harness.load.histograms import Histogram
from harness.load.pods import PodsFile
from harness.load.roster import Agent, Roster

LATE_NS = NS_PER_S

Report = Callable[[str, int, int, str], None]
"""Tells Locust: name, intended_ns, now_ns, error (empty when it went well)."""


class Starter:
    """Carries starts forward, one request after the other."""

    def __init__(
        self,
        *,
        roster: Roster,
        pods: PodsFile,
        programs: Programs,
        worker: Worker,
        events: EventLog,
        clock: Clock,
        report: Report,
    ) -> None:
        self._roster = roster
        self._pods = pods
        self._programs = programs
        self._worker = worker
        self._events = events
        self._clock = clock
        self._report = report
        self.lateness = Histogram()
        self.latency = Histogram()
        self.late_count = 0
        self.held_count = 0
        """Arrivals that found no pod to speak to."""

    def advance(self, agent: Agent) -> int | None:
        """Go on with the start of an agent; returns for how long to hold it, None when it is done.

        The first call measures lateness: from the intended start until the driver came to it. Time
        spent waiting for a pod counts in the latency, not there.
        """
        if not agent.is_taken:
            self._take(agent)
        while not agent.ended:
            action = starts.next_action(agent.start, self._pods.current, self._clock.monotonic_ns())
            if isinstance(action, starts.Hold):
                self.held_count += not agent.is_invoked
                return action.for_ns
            turn = self._do(agent, action)
            agent.start = turn.state
            self._write(agent, action.pod.caller, turn)
            if turn.is_done:
                return None
            if turn.hold_ns:
                return turn.hold_ns
        return None

    def _take(self, agent: Agent) -> None:
        agent.is_taken = True
        late_ns = self._clock.monotonic_ns() - agent.intended_ns
        self.lateness.record(late_ns)
        self.late_count += late_ns > LATE_NS

    def _do(self, agent: Agent, action: starts.Post | starts.Ask) -> starts.Turn:
        if isinstance(action, starts.Ask):
            answer = self._worker.status(action.pod.url, agent.arrival.agent)
            return starts.after_ask(agent.start, action, answer)
        body = self._programs.start_of(agent.arrival)
        self._roster.invoke(agent)
        self._events.write(
            EventKind.INVOKE,
            agent=agent.arrival.agent,
            intended_ns=agent.intended_ns,
            caller=action.pod.caller,
            status="",
        )
        answer = self._worker.start(action.pod.url, body)
        return starts.after_post(agent.start, action.pod, answer, self._clock.monotonic_ns())

    def _write(self, agent: Agent, caller: str, turn: starts.Turn) -> None:
        if turn.kind is None:
            return
        now_ns = self._events.write(
            turn.kind,
            agent=agent.arrival.agent,
            intended_ns=agent.intended_ns,
            caller=caller,
            status=turn.status,
        )
        if turn.kind is EventKind.OK:
            # An agent that a GET found may have ended already: the next sweep asks for it.
            self._roster.accept(agent, 0 if agent.start.undecided else now_ns)
            self.latency.record(now_ns - agent.intended_ns)
            self._report("start", agent.intended_ns, now_ns, "")
        elif turn.kind is EventKind.FAIL and turn.is_done:
            self._roster.reject(agent)
            self._report("start", agent.intended_ns, now_ns, turn.status)
        agent.is_refused = turn.kind is EventKind.FAIL and not turn.is_done
