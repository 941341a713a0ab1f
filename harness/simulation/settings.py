"""What is simulated, as frozen data: load, pods, service times, quota, kills.

Made by `harness.simulation.fit` from a real run; every field can be set from the command line by
its path, as in ``--set worker.servers=2``. Milliseconds here, since this is an edge; the walk
counts in whole nanoseconds.
"""

import math
from dataclasses import dataclass

from harness.clock import NS_PER_MS
from harness.errors import UsageError
from harness.scenario import SHAPES

AGENTS_MAX, PODS_MAX, STEPS_MAX, SERVERS_MAX, KILLS_MAX = 5_000_000, 10_000, 1000, 100_000, 10_000
RUN_S_MAX = 100_000.0
"""Keeps every time, in nanoseconds, small enough for one sorting key of pod and time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A queue, first come, first served, before equal servers."""

    ms: float = 0.0
    """Mean service time of one visit; 0 leaves the station out."""
    servers: int = 1
    """Servers side by side: cores, or processes."""
    cv: float = 0.5
    """Standard deviation of a service by its mean: 0 is constant, 1 exponential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A pod that dies."""

    at_s: float
    """Seconds after the begin of the load."""
    pod: int
    """Counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One simulated run."""

    agents: int
    steps: int = 5
    """LLM calls of an agent, one after the other."""
    pods: int
    shape: str = "constant"
    """constant | ramp | spike | at_once, as in `LoadSpec`."""
    rate_per_s: float
    """Agents that arrive per second, on average; without meaning for at_once."""
    llm_ms: tuple[float, ...]
    """Latency of an answer: quantiles from 0 to 1 in equal steps; a single one is constant."""
    requests_per_min: int | None = None
    """Quota; None is unlimited."""
    tokens_per_min: int | None = None
    """Quota; None is unlimited."""
    burst: float = 1.0
    """Share of a minute's quota that may come at once."""
    tokens_per_call: int = 0
    """What a call is charged of ``tokens_per_min``."""
    tries_max: int = 1000
    """Tries of one call after which its agent gives up."""
    worker: Station = Station()
    """Of each pod: the worker's process."""
    sidecar: Station = Station()
    """Of each pod: the sidecar."""
    shared: Station = Station()
    """One for all pods: store, scheduler, placement."""
    machine: Station = Station()
    """One for all pods: the cores of the machine that they share; 0 ms when each has its own."""
    wait_ms: float = 0.0
    """What each phase takes besides, at no server: disk, network, timers, polls."""
    kills: tuple[Kill, ...] = ()
    restart_ms: float = 0.0
    """From a kill until the pod's replacement serves."""
    recovery_ms: float = 0.0
    """From a kill until the pod's agents go on."""
    pause_ms: float = 0.0
    """From a kill until the shared services take anybody's phase again."""
    moves: bool = False
    """A killed pod's agents go on at other pods; else they wait for its replacement."""
    tick_ms: float | None = None
    """Time step; None chooses it: see docs/simulation.md."""
    run_s: float = RUN_S_MAX
    """Simulated seconds after which agents that have not ended are left."""


def ns(ms: float) -> int:
    """Milliseconds as whole nanoseconds."""
    return round(ms * NS_PER_MS)


def capacity_per_s(settings: Settings) -> tuple[float, str]:
    """Agents per second that the scarcest resource can end, and its name; no kills, no repeats.

    Source: the utilisation law: no resource works more than all of its time.
    """
    phases = settings.steps + 1
    found = {
        name: count * 1000 / (station.ms * phases)
        for name, station, count in (
            ("worker", settings.worker, settings.worker.servers * settings.pods),
            ("sidecar", settings.sidecar, settings.sidecar.servers * settings.pods),
            ("shared", settings.shared, settings.shared.servers),
            ("machine", settings.machine, settings.machine.servers),
        )
        if station.ms > 0
    }
    if settings.requests_per_min:
        found["requests per minute"] = settings.requests_per_min / 60 / settings.steps
    if settings.tokens_per_min and settings.tokens_per_call:
        calls = settings.tokens_per_min / 60 / settings.tokens_per_call
        found["tokens per minute"] = calls / settings.steps
    return min(((rate, name) for name, rate in found.items()), default=(math.inf, "nothing"))


def checked(settings: Settings, *, source: str) -> Settings:
    """The settings, if they can be simulated.

    Raises:
        UsageError: one message with all that is wrong.
    """
    wrong = [text for is_fine, text in _checks(settings) if not is_fine]
    if wrong:
        raise UsageError(f"{source}: {'; '.join(wrong)}")
    return settings


def _checks(one: Settings) -> list[tuple[bool, str]]:
    quantiles = one.llm_ms
    charge, limit = one.tokens_per_call, one.tokens_per_min
    return [
        *_within("agents", one.agents, 1, AGENTS_MAX),
        *_within("steps", one.steps, 1, STEPS_MAX),
        *_within("pods", one.pods, 1, PODS_MAX),
        *_within("tries_max", one.tries_max, 1, 1000),
        *_within("kills", len(one.kills), 0, KILLS_MAX),
        *_within("run_s", one.run_s, 0.001, RUN_S_MAX),
        *_within("tick_ms", 1.0 if one.tick_ms is None else one.tick_ms, 0.001, 60_000),
        *(
            check
            for name in ("wait_ms", "restart_ms", "recovery_ms", "pause_ms")
            for check in _within(name, getattr(one, name), 0, 3_600_000)
        ),
        (one.shape in SHAPES, f"shape is {one.shape!r}, known: {', '.join(SHAPES)}"),
        (0 < one.rate_per_s < 1e6, f"rate_per_s is {one.rate_per_s}, expected above 0"),
        (0 < one.burst <= 1, f"burst is {one.burst}, expected above 0 and at most 1"),
        (
            bool(quantiles)
            and all(0 <= value < 3_600_000 for value in quantiles)
            and list(quantiles) == sorted(quantiles),
            "llm_ms is no list of rising quantiles, expected such as [200, 500, 900]",
        ),
        *(
            (value is None or value >= 1, f"{name} is {value}, expected 1 or more, or null")
            for name, value in (
                ("requests_per_min", one.requests_per_min),
                ("tokens_per_min", limit),
            )
        ),
        (charge >= 0, f"tokens_per_call is {charge}, expected 0 or more"),
        (
            limit is None or charge <= limit,
            f"tokens_per_call is {charge}, more than the whole tokens_per_min of {limit}: no call "
            "would ever be admitted",
        ),
        *(
            check
            for name in ("worker", "sidecar", "shared", "machine")
            for check in _station_checks(name, getattr(one, name))
        ),
        *(
            (
                0 <= kill.pod < one.pods and 0 <= kill.at_s <= RUN_S_MAX,
                f"kills: pod {kill.pod} at {kill.at_s:g} s, but pods are 0 to {one.pods - 1}",
            )
            for kill in one.kills
        ),
        (
            not one.pause_ms or not one.kills or one.shared.ms > 0,
            "pause_ms is above 0 and shared.ms is 0: there is nothing shared to pause",
        ),
        (
            not one.moves or one.pods > 1 or not one.kills,
            "moves is true, there are kills, and pods is 1: there is no other pod to move to",
        ),
    ]


def _station_checks(name: str, station: Station) -> list[tuple[bool, str]]:
    return [
        *_within(f"{name}.ms", station.ms, 0, 3_600_000),
        *_within(f"{name}.servers", station.servers, 1, SERVERS_MAX),
        *_within(f"{name}.cv", station.cv, 0, 1),
    ]


def _within(name: str, value: float, least: float, most: float) -> list[tuple[bool, str]]:
    is_fine = math.isfinite(value) and least <= value <= most
    return [(is_fine, f"{name} is {value:g}, expected {least:g} to {most:g}")]
