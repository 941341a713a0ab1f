"""What a run shall do, as frozen data with a JSON codec: programs, load, faults, limits.

Pure vocabulary: `plan` makes the draws, `runner` acts on them. Every field can be set from the
command line by its path, as in ``--set load.agents=500``.
"""

import math
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import msgspec

from harness.errors import UsageError

SCHEMA = 1
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding can raise for a text that is no record: wrong form, nested too deeply, no UTF-8."""
SHAPES = ("constant", "ramp", "spike", "at_once")
PATTERNS = (
    "chain",
    "tools",
    "parallel",
    "routing",
    "orchestrator",
    "evaluator",
    "child",
    "timer",
    "event",
    "parked",
    "poison",
    "notes",
    "bulletins",
    "poison_note",
    "team",
    "solo",
)
AGENTS_MAX, PODS_MAX, STEPS_MAX, FAULTS_MAX = 200_000, 64, 1000, 1000
SCHEDULERS_MAX = 7
MEMBERS = ("any", "leader", "follower", "majority")
if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a program's graph.

    ``prompt`` is complete: newline, marker, newline, text; ``{answer:<path>}`` in it stands for the
    answer of a predecessor. Only what ``kind`` needs is filled.
    """

    path: str
    kind: str
    """say | tools | parallel | route | plan | judge | child | wait | receive | publish | team; see
    docs/authoring-scenarios.md."""
    prompt: str = ""
    after: tuple[str, ...] = ()
    """Paths of the declared predecessors, whose answers the prompt embeds."""
    branches: tuple[tuple["Step", ...], ...] = ()
    """For parallel and route: each branch is a sequence; of a route the answer chooses the one that
    is run. For judge: each is a round, which ends in the verdict. For child: one, run by an
    instance of its own. For team: each is a member's, an instance of its own that is started by a
    message and answers by one."""
    turns: int = 0
    """For tools: turns that end in a tool call; the final answer is one turn more."""
    tasks: int = 0
    """For plan: sub-tasks that the answer delegates, run side by side as ``<path>.b0`` and up. For
    publish: notes that go in one call, as ``<path>.0`` and up; 0 for one of the step's own path."""
    wait_s: float = 0.0
    """For wait: seconds, from the answer before; for receive: when the event is sent, seconds after
    the agent's start was accepted. Its name is the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What one agent does; the worker gets it with the start and copies prompts unread."""

    schema: int = SCHEMA
    agent: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """Offered load, open loop: arrivals come by the clock, not by answers."""

    agents: int = 100
    """How many are started, those of the warm-up not counted."""
    shape: str = "constant"
    """constant | ramp | spike | at_once."""
    rate_per_s: float | None = None
    """Agents per second; None means ``capacity_ratio`` of what the warm-up measured."""
    capacity_ratio: float = 0.7
    """Share of the warm-up's agents per second that is offered when no rate is given."""
    warm_up_agents: int = 30
    """Started at once before the load, and left out of every figure."""
    starts_in_flight: int = 256
    """Bound on concurrent start requests of the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSpec:
    """How the mock LLM answers."""

    latency_ms: float = 1000.0
    """Median of a lognormal."""
    latency_sigma: float = 0.3
    """Of the logarithm: 0.3 puts one answer in twenty above 1.6 medians."""
    tool_latency_ms: float = 0.0
    """Median of the same lognormal for the answer of a tool; its effect happens at once."""
    requests_per_min: int | None = None
    """Quota, as a bucket that fills continuously; None means unlimited."""
    tokens_per_min: int | None = None
    """Quota of prompt and completion tokens together; None means unlimited."""
    burst: float = 1.0
    """Share of a minute's quota that may come at once; a provider may enforce shorter periods."""
    stable_answers: bool = False
    """Leave the attempt marks out, so that equal steps get equal bytes: for parity runs. S1 is then
    unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """A family of faults; `plan` draws the victims and the moments."""

    kind: str
    """A name of the faults registry, such as kill_pod."""
    count: int = 1
    """How many of this family, spread over the range of progress."""
    in_flight_min: int = 3
    """Steps in flight on the victim before the fault may strike."""
    progress_from: float = 0.05
    """Share of the plan's LLM answers from which on it may strike."""
    progress_to: float = 0.95
    """Share before which the last one is due."""
    after_s: float = 0.0
    """Seconds from the begin of the load before which it does not strike; for agents that wait."""
    to: str = ""
    """Of a broker_swap: the broker that messages go over afterwards."""
    member: str = "any"
    """Of kill_scheduler: any (drawn), a number from 0, or leader, follower or majority (as few as
    make one, at once) of their etcd."""
    grace: bool = False
    """Of pods and servers that are killed: by SIGTERM, with SIGKILL only if that does not do."""
    down_s: float | None = 0.0
    """Of kill_scheduler, kill_placement, scale_down: seconds until it comes back; null: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A run's recipe without its engine."""

    schema: int = SCHEMA
    name: str
    """Letters, digits, - and _; part of the run's folder."""
    summary: str
    """One line for the page."""
    mix: dict[str, float] = field(default_factory=lambda: {"chain": 1.0})
    """Pattern -> weight; see docs/authoring-scenarios.md for the patterns."""
    steps: int = 5
    """LLM steps of a chain; the other patterns have about as many."""
    load: LoadSpec = LoadSpec()
    llm: LlmSpec = LlmSpec()
    pods: int = 3
    """Slots; each runs one worker, with its sidecar if the engine has one."""
    pod_memory_mb: float | None = None
    """Resident memory above which a container of a local pod is killed, as a kubelet does; None:
    four fifths of this machine's, shared by the pods."""
    schedulers: int = 1
    """Of Dapr's control plane: 3 are what its chart runs, as one cluster of etcd."""
    debug: bool = False
    """Dapr's processes log at level debug; it costs them something."""
    faults: tuple[FaultSpec, ...] = ()
    broker: str = "none"
    """Agents are started and report by messages over it; --broker names another one."""
    park_s: float = 60.0
    """Of the pattern parked: seconds from an agent's start until the event that wakes it."""
    exposures_min: int = 30
    """Interrupted exposures below which a pass under faults is unknown."""
    liveness_s: float = 60.0
    """Time after the last heal, arrival and event, and after the engine worked through its
    load, in which every accepted agent must end."""
    run_s: float = 900.0
    """Bound on load, faults and drain together; what is left then becomes info."""
    limited_ratio_min: float = 0.0
    """Share of requests that must be limited for the run to count (throttle)."""
    tracing: bool = False
    """Collect the spans that the engine exports over OTLP; it costs the engine something, so a run
    with it is no measure of throughput."""
    checks_store: bool = False
    """Try the state store's own word, etags and transactions, through the pods' sidecars when the
    load is over."""
    thresholds: tuple[str, ...] = ()
    """Comparisons such as `lost == 0`; a false one makes the exit code 3. See "Thresholds"."""


def to_json(value: object) -> bytes:
    """Encode a record of this module, keys in field order: equal records are equal bytes."""
    return msgspec.json.encode(value)


def scenario_of(data: object, *, source: str) -> Scenario:
    """Build a scenario from parsed YAML or JSON.

    Raises:
        UsageError: a field is unknown, missing or of the wrong type.
    """
    unknown = _unknown_fields(data, Scenario, "")
    if unknown:
        raise UsageError(
            f"{source}: unknown field {', '.join(unknown)}; see `onceproof list --fields`"
        )
    try:
        scenario = msgspec.convert(data, Scenario, strict=False)
    except msgspec.ValidationError as error:
        wrong = _with_value(str(error), data)
        raise UsageError(f"{source}: {wrong}; see `onceproof list --fields`") from error
    if scenario.schema not in (SCHEMA, SCHEMA - 1):
        raise UsageError(f"{source}: schema is {scenario.schema}, this version reads {SCHEMA}")
    return scenario


def with_overrides(scenario: Scenario, overrides: list[str]) -> Scenario:
    """Set fields by path, as ``load.agents=500``; the value is JSON, or else a plain string.

    Raises:
        UsageError: one message with every override that cannot be.
    """
    return scenario_of(_overridden(scenario, overrides), source="--set")


def with_fields(record: Record, overrides: list[str]) -> Record:
    """The same for any frozen record of numbers, texts and records.

    Raises:
        UsageError: one message with every override that cannot be.
    """
    data = _overridden(record, overrides)
    unknown = _unknown_fields(data, type(record), "")
    if unknown:
        known = ", ".join(entry.name for entry in fields(record))
        raise UsageError(f"--set: unknown field {', '.join(unknown)}; known: {known}")
    try:
        return msgspec.convert(data, type(record), strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"--set: {_with_value(str(error), data)}") from error


def _with_value(told: str, data: Any) -> str:
    """What msgspec says of a value, with the value; it gives only the place."""
    expected, is_placed, place = told.removesuffix("`").partition(" - at `$.")
    names = re.findall(r"\w+", place)
    try:
        for name in names:
            data = data[int(name) if name.isdecimal() else name]
    except (LookupError, TypeError):
        return told
    return f"{'.'.join(names)} is {data!r}: {expected}" if is_placed else told


def _overridden(record: object, overrides: list[str]) -> object:
    data = msgspec.json.decode(to_json(record))
    wrong = []
    for override in overrides:
        path, equals, text = override.partition("=")
        problem = _set(data, path.split("."), text) if equals else "expected FIELD=VALUE"
        if problem:
            wrong.append(f"--set {override}: {problem}")
    if wrong:
        raise UsageError("; ".join(wrong))
    return data


def problems_of(scenario: Scenario) -> list[str]:
    """Say all that makes a scenario impossible, one sentence each; empty when it can run."""
    checks = [
        (
            _NAME.fullmatch(scenario.name) is not None,
            f"name is {scenario.name!r}, expected letters, digits, - and _: it names a folder",
        ),
        *_within("pods", scenario.pods, 1, PODS_MAX),
        *_within("steps", scenario.steps, 1, STEPS_MAX),
        (bool(scenario.mix), "mix is empty, expected pattern: weight"),
        *(
            (name in PATTERNS, f"mix: unknown pattern {name!r}; known: {', '.join(PATTERNS)}")
            for name in scenario.mix
        ),
        *(
            (0 < weight < math.inf, f"mix.{name} is {weight}, expected a positive weight")
            for name, weight in scenario.mix.items()
        ),
        *_positive("park_s", scenario.park_s),
        *_positive("run_s", scenario.run_s),
        *_positive("pod_memory_mb", scenario.pod_memory_mb or 1),
        (scenario.pod_memory_mb != 0, "pod_memory_mb is 0, expected a positive number or null"),
        *_positive("liveness_s", scenario.liveness_s),
        (scenario.exposures_min >= 0, "exposures_min is negative, expected 0 or more"),
        (
            0 <= scenario.limited_ratio_min <= 1,
            f"limited_ratio_min is {scenario.limited_ratio_min}, expected 0 to 1",
        ),
        *_load_checks(scenario.load),
        *_llm_checks(scenario.llm),
        *_within("schedulers", scenario.schedulers, 1, SCHEDULERS_MAX),
        *(check for fault in scenario.faults for check in _fault_checks(fault)),
        *_scheduler_checks(scenario),
    ]
    return [text for is_fine, text in checks if not is_fine]


def _load_checks(load: LoadSpec) -> list[tuple[bool, str]]:
    return [
        *_within("load.agents", load.agents, 1, AGENTS_MAX),
        *_within("load.warm_up_agents", load.warm_up_agents, 0, AGENTS_MAX),
        *_within("load.starts_in_flight", load.starts_in_flight, 1, 10_000),
        (load.shape in SHAPES, f"load.shape is {load.shape!r}, known: {', '.join(SHAPES)}"),
        *_positive("load.rate_per_s", 1 if load.rate_per_s is None else load.rate_per_s),
        (
            0 < load.capacity_ratio <= 2,
            f"load.capacity_ratio is {load.capacity_ratio}, expected above 0 and at most 2",
        ),
        (
            load.shape == "at_once" or load.rate_per_s is not None or load.warm_up_agents != 0,
            "load.rate_per_s is null and load.warm_up_agents is 0, so that no rate is known; "
            "set one of them",
        ),
    ]


def _llm_checks(llm: LlmSpec) -> list[tuple[bool, str]]:
    return [
        (
            0 <= llm.latency_ms < math.inf,
            f"llm.latency_ms is {llm.latency_ms}, expected 0 or more",
        ),
        (
            0 <= llm.tool_latency_ms < math.inf,
            f"llm.tool_latency_ms is {llm.tool_latency_ms}, expected 0 or more",
        ),
        (0 <= llm.latency_sigma <= 5, f"llm.latency_sigma is {llm.latency_sigma}, expected 0 to 5"),
        *(
            (
                value is None or value > 0,
                f"llm.{name} is {value}, expected a positive number or null",
            )
            for name, value in (
                ("requests_per_min", llm.requests_per_min),
                ("tokens_per_min", llm.tokens_per_min),
            )
        ),
    ]


def _fault_checks(fault: FaultSpec) -> list[tuple[bool, str]]:
    return [
        *_within(f"fault {fault.kind}: count", fault.count, 1, FAULTS_MAX),
        *_within(f"fault {fault.kind}: in_flight_min", fault.in_flight_min, 0, AGENTS_MAX),
        (
            0 <= fault.after_s < math.inf,
            f"fault {fault.kind}: after_s is {fault.after_s}, expected 0 or more",
        ),
        (
            fault.kind != "scale_down"
            or (fault.down_s is not None and 0 <= fault.down_s < math.inf),
            f"fault {fault.kind}: down_s is {fault.down_s}, expected 0 or more",
        ),
        (
            0 <= fault.progress_from < fault.progress_to <= 1,
            f"fault {fault.kind}: progress_from is {fault.progress_from} and progress_to "
            f"{fault.progress_to}, expected 0 <= from < to <= 1",
        ),
    ]


def _scheduler_checks(scenario: Scenario) -> list[tuple[bool, str]]:
    """Members that there are, and never so many dead that their etcd has no majority."""
    count = scenario.schedulers
    own = [fault for fault in scenario.faults if fault.kind in ("kill_scheduler", "kill_placement")]
    numbers = tuple(str(number) for number in range(count))
    left_dead = sum(
        fault.count * (count // 2 + 1 if fault.member == "majority" else 1)
        for fault in own
        if fault.kind == "kill_scheduler" and fault.down_s is None
    )
    return [
        *(
            (
                fault.member in (*MEMBERS, *numbers),
                f"fault {fault.kind}: member is {fault.member!r}, known: "
                f"{', '.join((*MEMBERS, *numbers))}, with schedulers={count}",
            )
            for fault in own
        ),
        (
            count > 1 or all(fault.member != "follower" for fault in own),
            "fault kill_scheduler: one scheduler has no follower; set schedulers=3",
        ),
        (
            left_dead <= (count - 1) // 2,
            f"fault kill_scheduler: {left_dead} of {count} schedulers stay dead (down_s is null), "
            f"expected at most {(count - 1) // 2}: their etcd needs a majority",
        ),
        (
            all(fault.down_s is not None for fault in own if fault.kind == "kill_placement"),
            "fault kill_placement: down_s is null, expected a number: there is no other one",
        ),
        *(
            (
                fault.down_s is None or 0 <= fault.down_s < math.inf,
                f"fault {fault.kind}: down_s is {fault.down_s}, expected 0 or more, or null",
            )
            for fault in own
        ),
    ]


def _within(name: str, value: int, least: int, most: int) -> list[tuple[bool, str]]:
    return [
        (value >= least, f"{name} is {value}, expected at least {least}"),
        (value <= most, f"{name} is {value}, expected at most {most}"),
    ]


def _positive(name: str, value: float) -> list[tuple[bool, str]]:
    return [(0 < value < math.inf, f"{name} is {value}, expected a positive number")]


def _set(data: Any, path: list[str], text: str) -> str:
    for name in path[:-1]:
        if isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        elif isinstance(data, dict) and isinstance(data.get(name), dict | list):
            data = data[name]
        else:
            return f"no field {'.'.join(path)!r}"
    if not isinstance(data, dict):
        return f"no field {'.'.join(path)!r}"
    try:
        data[path[-1]] = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        data[path[-1]] = text
    return ""


def _unknown_fields(data: object, record: type, prefix: str) -> list[str]:
    """Paths in ``data`` that no field of ``record`` takes; records nest in fields and tuples."""
    if not isinstance(data, dict):
        return []
    known = {entry.name: entry.type for entry in fields(record)}
    unknown = [prefix + str(name) for name in data if name not in known]
    for name, kind in known.items():
        nested = [
            part
            for part in (kind, *get_args(kind))
            if isinstance(part, type) and hasattr(part, "__dataclass_fields__")
        ]
        for part in nested:
            values = data.get(name)
            for index, value in enumerate(values if isinstance(values, list) else [values]):
                place = (
                    f"{prefix}{name}.{index}." if isinstance(values, list) else f"{prefix}{name}."
                )
                unknown += _unknown_fields(value, part, place)
    return unknown
