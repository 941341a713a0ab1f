"""The simulation again, event by event, one agent at a time: plain, with the real limiter.

Shares with `harness.simulation.walk` the settings and the arrivals, nothing else: one heap of
events in order of time, queues as lists of servers, `mock_llm.limiter`, the client's own policy.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np

from harness.engines.llm import Limited, polite_wait_s
from harness.seeds import derive
from harness.simulation.draws import Use
from harness.simulation.settings import Settings, Station, ns
from mock_llm.limiter import Limiter, Limits

WORD = 1 << 64
STATIONS = ("worker", "sidecar", "shared")


@dataclass(slots=True)
class Agent:
    number: int
    pod: int
    arrival: int
    turn: int = 0
    phase: int = 0
    kept: int = 0
    tries: int = 0
    has_answer: bool = False
    machine: int = 0
    struck: int = -1
    done: int = -1
    has_failed: bool = False


@dataclass(slots=True)
class Exact:
    """What `Trace` has, to compare."""

    done_ns: list[int]
    calls_count: int = 0
    refused_count: int = 0
    wasted_count: int = 0
    resumes_ns: dict[int, list[int]] = field(default_factory=dict)
    busy_ns: dict[str, int] = field(default_factory=dict)


class Oracle:
    def __init__(self, settings: Settings, seed: int, arrivals: list[int]) -> None:
        self.settings, self.key = settings, derive(seed, "simulation")
        self.table = [float(ns(value)) for value in settings.llm_ms]
        self.places = np.linspace(0, 1, len(self.table))
        self.agents = [
            Agent(number, int(self.draw(number, 0, Use.POD) * settings.pods), at)
            for number, at in enumerate(arrivals)
        ]
        self.free = {
            (name, pod): [0] * getattr(settings, name).servers
            for name in (*STATIONS, "machine")
            for pod in range(settings.pods if name in ("worker", "sidecar") else 1)
        }
        self.up: dict[tuple[str, int], int] = {}
        self.series = [name for name in STATIONS if getattr(settings, name).ms]
        self.limiter = Limiter(
            Limits(
                requests_per_minute=settings.requests_per_min,
                tokens_per_minute=settings.tokens_per_min,
                burst=settings.burst,
            )
        )
        self.events: list[tuple[int, int, int, int, int]] = []
        self.out = Exact(done_ns=[], busy_ns=dict.fromkeys((*STATIONS, "machine"), 0))

    def draw(self, agent: int, phase: int, use: int) -> float:
        """`Draws.uniform` for a single one, in Python's own whole numbers."""
        mixed = agent * 0x9E3779B97F4A7C15 + phase * 0xD1B54A32D192ED03
        mixed = (mixed + use * 0x8CB92BA72F3D8DD7 + self.key) % WORD
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % WORD
        return ((mixed ^ mixed >> 31) >> 12) * 2.0**-52 + 2.0**-53

    def put(self, at: int, agent: Agent, place: int) -> None:
        agent.turn += 1
        heapq.heappush(self.events, (at, 1, agent.number, place, agent.turn))

    def run(self) -> Exact:
        for agent in self.agents:
            self.put(agent.arrival, agent, 0)
        for place, kill in enumerate(self.settings.kills):
            heapq.heappush(self.events, (int(kill.at_s * 1e9), 0, kill.pod, place, 0))
        while self.events and not all(agent.done >= 0 for agent in self.agents):
            at, is_agent, number, place, turn = heapq.heappop(self.events)
            if not is_agent:
                self.strike(place, number, at)
            elif self.agents[number].turn == turn:
                self.step(self.agents[number], place, at)
        self.out.done_ns = [agent.done for agent in self.agents]
        return self.out

    def visit(self, agent: Agent, name: str, pod: int, use: int, at: int) -> int:
        station: Station = getattr(self.settings, name)
        mean = ns(station.ms)
        work = int(mean * (1 - station.cv))
        if mean * station.cv:
            drawn = np.log(self.draw(agent.number, agent.phase, use))
            work = int(-mean * station.cv * drawn + mean * (1 - station.cv))
        servers = self.free[name, pod]
        first = servers.index(min(servers))
        servers[first] = max(at, servers[first]) + work
        self.out.busy_ns[name] += work
        return servers[first]

    def step(self, agent: Agent, place: int, at: int) -> None:
        if place == 0:
            agent.phase += 1
            if self.settings.machine.ms:
                agent.machine = self.visit(agent, "machine", 0, 3, at)
        last = max(1, len(self.series))
        if place == last:
            self.call(agent, at)
            return
        if self.series:
            name = self.series[place]
            pod = 0 if name == "shared" else agent.pod
            at = self.visit(agent, name, pod, STATIONS.index(name), at)
        if place == last - 1:
            at = max(at, agent.machine) + ns(self.settings.wait_ms)
        self.put(at, agent, place + 1)

    def call(self, agent: Agent, at: int) -> None:
        if agent.has_answer:
            agent.kept += 1
            agent.has_answer = False
            if agent.struck >= 0:
                fired = int(self.settings.kills[agent.struck].at_s * 1e9)
                self.out.resumes_ns.setdefault(agent.struck, []).append(at - fired)
                agent.struck = -1
        if agent.kept == self.settings.steps:
            agent.done = at
            return
        told = self.limiter.admit("a", self.settings.tokens_per_call, at, model="m")
        if told.refusal is None:
            drawn = self.draw(agent.number, agent.phase, Use.LLM)
            took = int(np.interp(drawn, self.places, self.table))
            agent.has_answer, agent.tries = True, 0
            self.out.calls_count += 1
            self.put(at + took, agent, 0)
            return
        agent.tries += 1
        self.out.refused_count += 1
        if agent.tries >= self.settings.tries_max:
            agent.done, agent.has_failed = at, True
            return
        refused = Limited(told.retry_after_ms / 1000, is_retryable=True)
        seconds = polite_wait_s(refused, agent.tries)
        assert seconds is not None
        self.put(at + round(seconds * 1e9), agent, len(self.series) or 1)

    def strike(self, place: int, pod: int, at: int) -> None:
        self.out.resumes_ns.setdefault(place, [])
        for name in STATIONS[:2]:
            since = max(at, self.up.get((name, pod), 0))
            lost = sum(max(0, one - since) for one in self.free[name, pod])
            self.out.busy_ns[name] -= lost
            until = at + ns(self.settings.restart_ms)
            self.free[name, pod] = [until] * len(self.free[name, pod])
            self.up[name, pod] = until
        if self.settings.pause_ms:
            until = at + ns(self.settings.pause_ms)
            self.free["shared", 0] = [max(one, until) for one in self.free["shared", 0]]
        for agent in self.agents:
            if agent.pod != pod or agent.phase == 0 or agent.done >= 0:
                continue
            self.out.wasted_count += agent.has_answer
            agent.has_answer, agent.tries, agent.struck = False, 0, place
            if self.settings.moves:
                pods = self.settings.pods
                drawn = self.draw(agent.number, agent.phase, Use.MOVE)
                agent.pod = (pod + 1 + int(drawn * (pods - 1))) % pods
            self.put(at + ns(self.settings.recovery_ms), agent, 0)
