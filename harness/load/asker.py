"""Finds out which agents have ended, with few requests, and marks each outcome at the witness.

The outcome mark stands at the witness before `ended` stands in the driver's events. Blocking calls
throughout; greenlets share one `Asker`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from harness.clock import NS_PER_S, Clock
from harness.load import ends
from harness.load.config import DriverConfig
from harness.load.contract import Witness, Worker
from harness.load.events import EventKind, EventLog
from harness.load.histograms import Histogram
from harness.load.pods import PodEntry, PodsFile
from harness.load.roster import Agent, Roster
from harness.load.starter import Report
from harness.load.wire import Answer, Lost, Refused

BATCH_MAX = 500
_NO_POD_NS = NS_PER_S // 2
_BUSY_NS = NS_PER_S // 20
_SILENT_NS = NS_PER_S
_ABSENT = ends.NotYet(status="not in the answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """Ask for one agent."""

    agent: Agent
    token: int
    """Void once the agent's own token is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Ask one pod for many agents in one request."""

    pod: PodEntry
    agents: tuple[Agent, ...]


Later = Callable[[int, One | Many], None]
"""Puts an item on the agenda of asks: due_ns, item."""


class Asker:
    """Asks workers for statuses, and the witness for ends.

    A pod that lets a request time out gets one at a time until it answers again, and no pod may
    occupy all askers: a paused pod must not delay what is learned of the others.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        pods: PodsFile,
        worker: Worker,
        witness: Witness,
        events: EventLog,
        clock: Clock,
        report: Report,
        later: Later,
        config: DriverConfig,
    ) -> None:
        self._roster = roster
        self._pods = pods
        self._worker = worker
        self._witness = witness
        self._events = events
        self._clock = clock
        self._report = report
        self._later = later
        self._any_pod_answers = config.any_pod_answers
        self._interval_ns = int(config.ask_interval_s * NS_PER_S)
        self._busy_max = max(1, config.asks_in_flight * 3 // 4)
        self._busy: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._singles: set[str] = set()
        """URLs of workers without the request for many agents."""
        self._after = 0
        self.latency = Histogram()

    def follow(self) -> int | None:
        """Wait once at the witness's feed and chase what ended; how many, None when it failed."""
        seen = ends.ends_of(self._witness.ends(self._after))
        if seen is None:
            return None
        for end in seen:
            self._after = max(self._after, end.seq)
            agent = self._roster.agents.get(end.agent)
            if agent is not None and not agent.ended:
                self._chase(agent)
        return len(seen)

    def ask(self, item: One | Many) -> None:
        """Make one request, and put the agent back on the agenda while it is chased."""
        if isinstance(item, Many):
            self._ask_many(item)
        elif not (item.agent.ended or item.agent.is_ending or item.token != item.agent.token):
            self._ask_one(item.agent)

    def sweep(self) -> None:
        """Put on the agenda every agent that nobody asked for a while, many in one request."""
        now_ns = self._clock.monotonic_ns()
        groups: dict[PodEntry, list[Agent]] = {}
        for agent in self._roster.open():
            if agent.asked_ns <= now_ns - self._interval_ns and not agent.end_seen_ns:
                pod = self._pod_for(agent)
                if pod is not None and pod.url not in self._silent:
                    agent.asked_ns = now_ns
                    groups.setdefault(pod, []).append(agent)
        for pod, agents in groups.items():
            for first in range(0, len(agents), BATCH_MAX):
                batch = tuple(agents[first : first + BATCH_MAX])
                self._later(now_ns, Many(pod=pod, agents=batch))

    def mark_due(self, slot: str) -> None:
        """Have the next sweep ask for all unfinished agents of a slot; a chase begins anew."""
        for agent in self._roster.open():
            if agent.arrival.slot == slot:
                agent.asked_ns = 0
                if agent.end_seen_ns:
                    self._chase(agent)

    def _ask_one(self, agent: Agent) -> None:
        pod = self._pod_for(agent)
        if pod is None:
            self._again(agent, _NO_POD_NS)
        elif self._busy[pod.url] >= (1 if pod.url in self._silent else self._busy_max):
            self._again(agent, _SILENT_NS if pod.url in self._silent else _BUSY_NS)
        else:
            agent.asked_ns = self._clock.monotonic_ns()
            found = ends.status_of(
                self._speak(pod, lambda: self._worker.status(pod.url, agent.arrival.agent))
            )
            if not self._learn(agent, pod.caller, found):
                agent.tries += 1
                self._again(agent, ends.ask_delay_ns(agent.tries))

    def _ask_many(self, item: Many) -> None:
        pod = item.pod
        if pod.url not in self._singles:
            names = [agent.arrival.agent for agent in item.agents if not agent.ended]
            answer = self._speak(pod, lambda: self._worker.statuses(pod.url, names))
            if not ends.is_unsupported(answer):
                found = ends.statuses_of(answer) or {}
                for agent in item.agents:
                    self._learn(agent, pod.caller, found.get(agent.arrival.agent, _ABSENT))
                return
            self._singles.add(pod.url)
        now_ns = self._clock.monotonic_ns()
        for agent in item.agents:
            self._later(now_ns, One(agent=agent, token=agent.token))

    def _speak(self, pod: PodEntry, call: Callable[[], Answer]) -> Answer:
        self._busy[pod.url] += 1
        try:
            answer = call()
        finally:
            self._busy[pod.url] -= 1
        if isinstance(answer, Lost):
            self._silent.add(pod.url)
        else:
            self._silent.discard(pod.url)
        return answer

    def _chase(self, agent: Agent) -> None:
        now_ns = self._clock.monotonic_ns()
        agent.end_seen_ns = now_ns
        agent.tries = 0
        agent.token += 1
        self._later(now_ns, One(agent=agent, token=agent.token))

    def _again(self, agent: Agent, delay_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        if agent.end_seen_ns and now_ns - agent.end_seen_ns < ends.CHASE_NS_MAX:
            self._later(now_ns + delay_ns, One(agent=agent, token=agent.token))
        else:
            agent.end_seen_ns = 0

    def _learn(self, agent: Agent, caller: str, found: ends.Ended | ends.NotYet) -> bool:
        """Take in a status; True when the agent has ended and its mark stands at the witness."""
        if agent.ended or agent.is_ending:
            return True
        agent.last_status = found.status
        if isinstance(found, ends.NotYet):
            return False
        agent.is_ending = True
        mark = self._witness.outcome(agent.arrival.agent, found.status, found.text)
        if isinstance(mark, Refused | Lost) or mark.status >= 300:
            agent.is_ending = False
            agent.last_status = f"{found.status}, but the witness did not take the outcome: {mark}"
            return False
        now_ns = self._events.write(
            EventKind.ENDED,
            agent=agent.arrival.agent,
            intended_ns=agent.intended_ns,
            caller=caller,
            status=found.status,
        )
        self._roster.end(agent, found.status)
        self.latency.record(now_ns - agent.intended_ns)
        error = "" if found.status == ends.COMPLETED else found.status
        self._report("agent", agent.intended_ns, now_ns, error)
        return True

    def _pod_for(self, agent: Agent) -> PodEntry | None:
        pods = self._pods.current
        live = pods.live_for(agent.arrival.slot, any_pod_answers=self._any_pod_answers)
        return live[agent.tries % len(live)] if live else None
