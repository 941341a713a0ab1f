"""capacity.json: what a ladder says, as one record; the page shows this and nothing else.

Made by `assess`, read by `reports`. Units are in the names; an estimate without a value has the
reason in its place.
"""

from dataclasses import dataclass

import msgspec

from harness.capacity.usl import Estimate, Scalability
from harness.errors import UsageError

SCHEMA = 1
NOT_MEASURED = Estimate(value=None, reason="not measured")

FREE, QUOTA, FAULT, PARKED, PROBE = "free", "quota", "fault", "parked", "probe"
"""Sides of a ladder: without a quota; with one; with a pod killed; agents that wait; the first run,
which only finds out where the ladder stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """CPU of one kind of process while a level was measured."""

    kind: str
    cores: float
    processes: int
    is_engine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LittleCheck:
    """Little's law at one level: agents in flight = throughput x mean time."""

    state: str
    """holds | fails | unchecked"""
    in_flight: float
    """Sampled about once a second while the load went on."""
    product: float
    """Throughput x mean time, from the driver's events."""
    error_ratio: float
    tolerance_ratio: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One run of the ladder, measured between its settling and its last arrival."""

    run: str
    """Its folder below the ladder's."""
    side: str
    """free | quota | fault | parked"""
    offered_per_s: float
    """Asked of the generator."""
    trouble: str = ""
    """Why it counts for nothing; empty when it counts."""
    window_s: float = 0.0
    arrived_per_s: float = 0.0
    """Intended arrivals in the window; drawn, so that it scatters around what was asked."""
    sent_per_s: float = 0.0
    """Starts that the generator sent in the window."""
    throughput: Estimate = NOT_MEASURED
    """Agents that ended, per second."""
    goodput_per_s: float = 0.0
    """Agents that arrived in the window and ended within the objective, rightly, per second."""
    in_flight_mean: float = 0.0
    in_flight_begin: int = 0
    in_flight_end: int = 0
    agent_ms_p50: float = 0.0
    """From the intended start, of those that arrived in the window; so is p99."""
    agent_ms_p99: float = 0.0
    agents_count: int = 0
    """Behind these."""
    unfinished_count: int = 0
    """Arrived in the window and never ended."""
    used: tuple[Used, ...] = ()
    machine_cores: float = 0.0
    """Busy with anything, ours or not."""
    others_cores: float = 0.0
    """Of these, busy with what is not of this run."""
    requests_per_s: float = 0.0
    """LLM requests, refused ones among them."""
    limited_ratio: float = 0.0
    calls_per_agent: float = 0.0
    """LLM calls that were executed; the whole run."""
    requests_per_agent: float = 0.0
    prompt_tokens_per_agent: float = 0.0
    completion_tokens_per_agent: float = 0.0
    repeats_ratio: float = 0.0
    """Of the executed calls, those beyond the first of a step."""
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    lateness_ms_p99: float = 0.0
    """The generator's own."""
    rss_mb: float = 0.0
    """Peak of all processes that the engine needs."""
    little: LittleCheck | None = None
    is_saturated: bool = False
    is_generator_full: bool = False
    """The harness itself was at its end, so the level says nothing of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A level that was planned and not run."""

    side: str
    offered_per_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """Where throughput stops to follow the load, by one definition."""

    name: str
    text: str
    at_per_s: float | None
    """Agents per second."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A resource against its own ceiling."""

    name: str
    used: float
    ceiling: float
    unit: str
    text: str

    @property
    def ratio(self) -> float:
        """Used, by the ceiling."""
        return self.used / self.ceiling if self.ceiling else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What binds at the top of one side of the ladder."""

    side: str
    at_per_s: float
    """Throughput there."""
    what: str
    """Name of the share that binds; empty when none of them does."""
    text: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCeiling:
    """What a quota allows, in closed form, and what was reached under it."""

    requests_per_min: int | None
    tokens_per_min: int | None
    limit: str
    """requests | tokens: which of them binds"""
    calls_per_agent: float
    tokens_per_agent: float
    ceiling_per_s: float
    """Agents per second if no request is ever refused."""
    floor_per_s: float
    """If every refused request costs one, as a service may count them."""
    measured: Estimate
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCost:
    """What a killed pod costs."""

    offered_per_s: float
    kills_count: int
    resume_s_p50: float
    """-1 when nobody was struck."""
    resume_s_max: float
    outage_s_max: float
    """From the strike to health seen again."""
    during_per_s: float
    """Agents that ended per second between strikes and heals; -1 where no bin of the series lies
    there."""
    repeats_ratio: float
    drain_s: Estimate
    """Until the backlog of one outage of the whole node has gone, at this load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fact with its number and what it is made of."""

    name: str
    value: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A fact of the machine and the versions."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityResult:
    """All that the page says."""

    schema: int = SCHEMA
    engine: str
    variant: str
    store: str
    scenario: str
    seed: int
    started_utc: str
    duration_s: float
    command: str
    exit_code: int
    headline: str
    slo_s: float
    slo_source: str
    pods: int
    cores: int
    levels: tuple[Level, ...]
    skipped: tuple[Skipped, ...]
    unknowns: tuple[str, ...]
    """Why a number is not there, or not to be believed; each makes the exit code 2."""
    doubts: tuple[str, ...]
    """When the answer is false."""
    capacity: Estimate
    """The most agents per second without a quota."""
    at_slo: Estimate
    """The most goodput at which the objective held."""
    scalability: Scalability
    knees: tuple[Knee, ...]
    knees_text: str
    bindings: tuple[Binding, ...]
    quota: QuotaCeiling | None
    fault: FaultCost | None
    node: tuple[Row, ...]
    """Agents per node."""
    purchase: tuple[Row, ...]
    costs: tuple[Row, ...]
    environment: tuple[Environment, ...]


def encode(result: CapacityResult) -> bytes:
    """Encode as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def decode(data: bytes, *, source: str) -> CapacityResult:
    """Read capacity.json.

    Raises:
        UsageError: not JSON, another schema, or a field is missing.
    """
    try:
        found = msgspec.json.decode(data, type=CapacityResult)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{source}: {error}; expected a capacity.json") from error
    if found.schema != SCHEMA:
        raise UsageError(f"{source}: schema is {found.schema}, this version reads {SCHEMA}")
    return found
