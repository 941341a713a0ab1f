"""What a judged run says, as one record: results.json, and all that a page may show.

The runner fills it from evidence, `reports` reads it, `gate` compares two of them. Units are in the
names; seconds here, since this is an edge.
"""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from harness.effort import Effort
from harness.errors import UsageError
from harness.messages import MessageFigures
from harness.state_store import StateStore
from harness.verdict import Anomaly

SCHEMA = 1
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    """One promise of the vector, judged, beside what the engine itself promises."""

    key: str
    text: str
    expectation: str
    """promised | not promised | unstated: the engine's word, from scenarios/expectations.yaml."""
    source: str
    """Where the engine says so."""
    quote: str
    verdict: str
    """valid | unknown | invalid."""
    is_surprise: bool
    """Promised and refuted: this is what turns the exit code to 1."""
    is_offered: bool
    reason: str
    checked_count: int
    exposed_count: int
    kills_count: int
    violations_count: int
    not_judged_count: int
    bound_per_kill_ratio: float
    """At 95 %, meaningful only when violations_count is 0."""
    bound_per_exposure_ratio: float
    anomalies: tuple[Anomaly, ...] = ()
    is_applicable: bool = True
    """False for M in a run without a broker and messages: neither a pass nor a doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that must hold before any verdict counts."""

    name: str
    is_met: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault as it struck."""

    name: str
    kind: str
    victims: tuple[str, ...]
    fired_s: float
    """Seconds after the begin of the load; -1 when it never fired."""
    healed_s: float
    in_flight_count: int
    """Steps exposed on the victims: an upper bound."""
    resume_s_p50: float
    """-1 when nobody was exposed."""
    resume_s_max: float
    repeats_count: int
    proof: str
    parts_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A set of durations, from full-precision samples or an HDR histogram."""

    name: str
    count: int
    ms_p50: float
    ms_p95: float
    ms_p99: float
    ms_max: float
    ms_p50_range: tuple[float, float] | None = None
    """Between which the quantile lies at 95 %, by order statistics, samples taken as independent;
    None where there are too few samples, or none were kept."""
    ms_p95_range: tuple[float, float] | None = None
    ms_p99_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Counts per bin over the run; ``start_s`` is a bin's start, seconds after the load's begin."""

    bin_s: float
    start_s: tuple[float, ...]
    steps_per_s: tuple[float, ...]
    """Answered steps."""
    ended_per_s: tuple[float, ...]
    started_per_s: tuple[float, ...]
    limited_per_s: tuple[float, ...]
    running: tuple[float, ...]
    """Agents started and not ended, at the end of the bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """What the faults cost in repeated work."""

    llm_count: int
    """LLM executions beyond the first of a step and turn."""
    tool_count: int
    """Tool executions beyond the first."""
    tool_applied_extra_count: int
    wasted_tokens: int
    useful_tokens: int
    auxiliary_count: int
    auxiliary_tokens: int
    requests_per_used_step: float
    limited_count: int
    requests_count: int
    non_victim_count: int
    """Repeats inside a window of steps that did not run on the victim: legal, listed apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCommits:
    """Repeats against the engine's own history; beside S2 and S3, and no verdict rests on it."""

    reason: str
    """Why there are no figures; empty when there are."""
    bound: str
    """What limited the asking; empty when every chosen agent was asked."""
    chosen_count: int
    """Agents that a fault had hit or that repeated something."""
    read_count: int
    """Of these, agents whose history was read."""
    commits_count: int
    """Answers and tool results that the engine's history names."""
    before_count: int
    """Repeats that began before the engine had the step's result: at-least-once permits them."""
    after_count: int
    """Repeats that began after the engine had it."""
    unordered_count: int
    """Repeats too close to the commit for the clocks, or of steps without a dated commit."""
    unread_count: int
    """Repeats of agents whose history was not read."""
    stamp_ms: float
    """Uncertainty allowed for the resolution of time stamps."""
    drift_ms: float
    """Uncertainty by the wall clock: how far it moved against the monotonic one in the run."""
    lag: Distribution
    """From an answer at the witness to the engine's first date of its commit."""
    lag_certain: Distribution
    """To the date from which it was kept for certain; the same where the engine has one date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBehaviour:
    """How an engine treats the LLM as a customer; made by `harness.measures.client`."""

    requests_count: int
    """LLM requests for steps, refused ones included."""
    limited_count: int
    limited_ratio: float
    """Of the requests. Below 0.1 the figures about limits say little."""
    retried_count: int
    """Tries again after a 429 that told a Retry-After."""
    early_count: int
    """Of these, those that began before that time was over."""
    non_retryable_retried_count: int
    """Tries again after an answer that no waiting helps against: a 4xx, or a 429 without a time."""
    storm_count: int
    """Answers that were tried more than 10 times within 5 s by one caller."""
    no_backoff_count: int
    """Answers with 3 fruitless tries in a row, whose waits neither grew nor obeyed Retry-After."""
    requests_per_used_step: float
    """All requests for each answer that was used; 1 is the least, 0 without a used answer."""
    sdk_requests_per_used_step: float
    """Of these, repeats by the SDK: those with x-stainless-retry-count of 1 or more."""
    engine_requests_per_used_step: float
    """The others: first tries, and repeats by the engine."""
    herd_ratio: float
    """Of the tries again after a 429, those within 50 ms of another agent's with an equal
    Retry-After."""
    herd_chance_ratio: float
    """The same, if as many tries again were spread evenly: what is no herd."""
    goodput_quota_ratio: float | None
    """Used answers a minute, by the quota of requests a minute; None without a quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """Resources of one kind of process over the run."""

    name: str
    count: int
    """Processes of this kind that ever ran."""
    is_engine: bool
    """True when the engine needs it; false for witness, driver and harness."""
    cpu_s: float
    rss_mb_max: float
    """Largest sum over the processes alive at one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineCall:
    """One attempt on an agent's time axis; seconds after the begin of the load, -1 for never."""

    call: str
    """Path and turn, as in ``2 turn 1``; of a tool its path."""
    caller: str
    outcome: str
    """answered | limited | faulted | client_gone | dropped | refused | open"""
    mark: int
    begin_s: float
    end_s: float
    used_s: float
    """When a later call, or the outcome, carried this very answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFault:
    """A fault window on an agent's time axis."""

    name: str
    victims: tuple[str, ...]
    begin_s: float
    end_s: float
    """-1 when health was never seen again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTimeline:
    """What the ledger has of one agent, for a picture."""

    agent: str
    begin_s: float
    end_s: float
    outcome_s: float
    """When the driver read its outcome; -1 for never."""
    calls: tuple[TimelineCall, ...]
    calls_hidden: int
    """Calls beyond those that are kept."""
    faults: tuple[TimelineFault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCell:
    """One call x point x victim of a sweep, over its repeats."""

    victim: str
    """pod | worker | sidecar"""
    point: str
    """A name of `harness.sweep.POINTS`."""
    call: str
    """Path and turn, as in ``2 turn 1``."""
    is_tool: bool
    outcomes: tuple[str, ...]
    """A repeat each: names of the promises that fell, else repeated, else once; ``other``
    before a word says that it befell another call of the same agent. Or missed: <why>."""
    proofs: tuple[str, ...]
    """A repeat each: the ledger's numbers that show where the strike met the call."""

    @property
    def varies(self) -> bool:
        """The same strike ended differently: a race of the engine's own."""
        return len(set(self.outcomes)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure that the gate compares; made by `harness.measures.figures`."""

    name: str
    """A name of `harness.measures.figures.FIGURES`."""
    value: float | None
    reason: str = ""
    """Why there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRow:
    """What became of a threshold of the scenario; made by `harness.thresholds`."""

    threshold: str
    state: str
    """holds | broken | unknown"""
    text: str
    """Its figures, or what was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """What the spans show that the engine exported; made by `harness.measures.tracing`."""

    exports: str
    """How they leave, by the engine's documentation, or why none do."""
    problems: tuple[str, ...]
    """Why the figures are not to be trusted; empty when the spans are whole."""
    spans_count: int
    left_out_count: int
    """Spans that the sink had no room for."""
    refused_count: int
    """Spans without proper ids or times, and requests that were no OTLP."""
    orphans_count: int
    """Spans whose parent never came."""
    strangers_count: int
    """Spans that neither name an agent of the load nor stand below one that does."""
    steps_count: int
    """Answers and tool calls that were executed at least once, by the ledger."""
    steps_spanned_count: int
    """Of these, with a span around an execution."""
    executions_count: int
    """All executions of them, repeats included."""
    executions_spanned_count: int
    agents_count: int
    """Agents with a span."""
    agents_one_trace_count: int
    """Of these, agents whose spans are all of one trace."""
    interrupted_count: int
    """Agents that a fault found with a step in flight on its victim; one that two found counts
    twice."""
    survived_count: int
    """Of these, with spans of one trace that ended before and after the strike."""
    cut_count: int
    """Of these, with spans before and after, but of no trace in common."""
    lost_count: int
    """Of these, without spans before, or without spans after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One judged run."""

    schema: int = SCHEMA
    name: str
    """<scenario>.<engine>:<variant>.<store>.<broker>.<repeat>; the platform stands before the
    repeat where it is another than local."""
    scenario: str
    summary: str
    engine: str
    variant: str
    store: str
    broker: str
    repeat: int
    seed: int
    pods: int
    state: str
    """judged | skipped | failed"""
    state_reason: str
    verdict: str
    exit_code: int
    headline: str
    recovery_kind: str
    """native | assisted | none"""
    promises: tuple[PromiseRow, ...]
    assumptions: tuple[Assumption, ...]
    doubts: tuple[str, ...]
    agents_planned: int
    agents_accepted: int
    agents_completed: int
    agents_failed: int
    agents_unfinished: int
    steps_expected: int
    steps_used: int
    agents_per_s: float
    steps_per_s: float
    offered_per_s: float
    """0 for at_once."""
    capacity_per_s: float
    """Of the warm-up; 0 without one."""
    load_s: float
    """Begin of the load to the last end."""
    lateness_ms_p99: float
    """Driver: sent minus intended."""
    resume: Distribution
    """Victim resume time; count 0 without victims."""
    latencies: tuple[Distribution, ...]
    faults: tuple[FaultRow, ...]
    faults_planned: int
    series: Series
    repeats: Repeats
    processes: tuple[ProcessRow, ...]
    environment: dict[str, str]
    repeat_command: str
    directory: str
    """Relative to the matrix directory."""
    client: ClientBehaviour | None = None
    """None in results of before it was measured, and in runs that were not judged."""
    messages: MessageFigures | None = None
    """None in a run without messages."""
    timelines: tuple[AgentTimeline, ...] = ()
    """Of the worst agents: those of the anomalies shown, the smallest of each kind first, then the
    slowest."""
    sweep: tuple[SweepCell, ...] = ()
    """Of a sweep: what came of each call, point and victim."""
    figures: tuple[Figure, ...] = ()
    """What the gate compares; none in results of before there was a gate."""
    thresholds: tuple[ThresholdRow, ...] = ()
    """Of the scenario; a broken one makes the exit code 3 where it would be 0 or 2."""
    commits: EngineCommits | None = None
    """None in results of before it was measured, and in runs that were not judged."""
    tracing: Tracing | None = None
    """None in a run that collected no spans."""
    state_store: StateStore | None = None
    """None in a run without a store, and in results of before it was shown."""
    platform: str = "local"
    """Where its pods lived, as in `harness.plan.PLATFORMS`."""
    effort: Effort | None = None
    """By the adapter of the version that judged; None for a worker of the user's own."""

    @property
    def is_on_kubernetes(self) -> bool:
        """Results of before the platform was a field say so in their environment only."""
        told = self.environment.get("pods", "").startswith("Kubernetes")
        return self.platform == "kubernetes" or told


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody says of an engine, beside what the runs of a matrix say about it."""

    text: str
    """The claim as a sentence that evidence can decide."""
    quote: str
    source: str
    verdict: str
    """supported | contradicted | unknown | not tested"""
    reason: str
    """Why, with the figures; for unknown and not tested, what is missing."""
    runs: tuple[str, ...] = ()
    """Names of the runs that it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixResult:
    """The runs of one command."""

    schema: int = SCHEMA
    name: str
    seed: int
    started_utc: str
    duration_s: float
    command: str
    exit_code: int
    runs: tuple[RunResult, ...]
    claims: tuple[Claim, ...] = ()
    """Empty where nobody's claims were put to the test."""


def encode(result: RunResult | MatrixResult) -> bytes:
    """Encode as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1)


def decode_run(data: bytes, *, source: str) -> RunResult:
    """Decode results.json of a run.

    Raises:
        UsageError: not JSON, another schema, or a field is missing.
    """
    return _decode(data, RunResult, source)


def decode_matrix(data: bytes, *, source: str) -> MatrixResult:
    """Decode matrix.json.

    Raises:
        UsageError: not JSON, another schema, or a field is missing.
    """
    return _decode(data, MatrixResult, source)


def _decode(data: bytes, kind: type[Record], source: str) -> Record:
    try:
        found = msgspec.json.decode(data)
        schema = found.get("schema") if isinstance(found, dict) else None
        if schema not in (SCHEMA, SCHEMA - 1):
            raise UsageError(
                f"{source}: schema is {schema!r}, this version reads {SCHEMA}; "
                "run `onceproof check` on the run"
            )
        return msgspec.convert(found, kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{source}: {error}; run `onceproof check` on the run to make it anew"
        ) from error
