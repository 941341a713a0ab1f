"""What a run shall do, as frozen data with a JSON codec: programs, load, faults, limits.

Pure vocabulary: `plan` makes the draws, `runner` acts on them. Every field can be set from the
command line by its path, as in ``--set load.agents=500``.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

import msgspec

from harness.errors import UsageError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a program's graph.

    ``prompt`` is complete: newline, marker, newline, text; ``{answer:<path>}`` in it stands for the
    answer of a predecessor. Only what ``kind`` needs is filled.
    """

    path: str
    kind: str
    """say | tools | parallel; the others come with the engines that need them."""
    prompt: str = ""
    after: tuple[str, ...] = ()
    """Paths of the declared predecessors, whose answers the prompt embeds."""
    branches: tuple[tuple["Step", ...], ...] = ()
    """For parallel: each branch is a sequence."""
    turns: int = 0
    """For tools: turns that end in a tool call; the final answer is one turn more."""


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
    shape: str = "constant"
    """constant | ramp | at_once."""
    rate_per_s: float | None = None
    """Agents per second; None means ``capacity_ratio`` of what the warm-up measured."""
    capacity_ratio: float = 0.7
    warm_up_agents: int = 30
    """Started at once before the load, and left out of every figure."""
    starts_in_flight: int = 64
    """Bound on concurrent start requests of the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSpec:
    """How the mock LLM answers."""

    latency_ms: float = 1000.0
    """Median of a lognormal."""
    latency_sigma: float = 0.3
    requests_per_min: int | None = None
    tokens_per_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """A family of faults; `plan` draws the victims and the moments."""

    kind: str
    """A name of the faults registry, such as kill_pod."""
    count: int = 1
    in_flight_min: int = 3
    """Steps in flight on the victim before the fault may strike."""
    progress_from: float = 0.05
    progress_to: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A run's recipe without its engine."""

    schema: int = SCHEMA
    name: str
    summary: str
    mix: dict[str, float] = field(default_factory=lambda: {"chain": 1.0})
    """Pattern -> weight; patterns are chain, tools, parallel."""
    steps: int = 5
    """LLM steps of a chain; the other patterns have about as many."""
    load: LoadSpec = LoadSpec()
    llm: LlmSpec = LlmSpec()
    pods: int = 3
    faults: tuple[FaultSpec, ...] = ()
    exposures_min: int = 30
    """Interrupted exposures below which a pass under faults is unknown."""
    liveness_s: float = 60.0
    """Time after the last heal (or the last arrival) in which every accepted agent must end."""
    run_s: float = 900.0
    """Bound on load, faults and drain together; what is left then becomes info."""
    limited_ratio_min: float = 0.0
    """Share of requests that must be limited for the run to count (throttle)."""


def to_json(value: object) -> bytes:
    """Encode a record of this module, keys in field order, so that equal records are equal bytes."""
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
        return msgspec.convert(data, Scenario, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {error}; see `onceproof list --fields`") from error


def with_overrides(scenario: Scenario, overrides: list[str]) -> Scenario:
    """Set fields by path, as ``load.agents=500``; the value is JSON, or else a plain string.

    Raises:
        UsageError: one message with every override that cannot be.
    """
    data = msgspec.json.decode(to_json(scenario))
    wrong = []
    for override in overrides:
        path, equals, text = override.partition("=")
        problem = _set(data, path.split("."), text) if equals else "expected FIELD=VALUE"
        if problem:
            wrong.append(f"--set {override}: {problem}")
    if wrong:
        raise UsageError("; ".join(wrong))
    return scenario_of(data, source="--set")


def problems_of(scenario: Scenario) -> list[str]:
    """Say everything that makes a scenario impossible, one sentence each; empty when it can run."""
    checks = [
        (scenario.load.agents >= 1, f"load.agents is {scenario.load.agents}, expected at least 1"),
        (
            scenario.load.agents <= 200_000,
            f"load.agents is {scenario.load.agents}, expected at most 200000",
        ),
        (scenario.pods >= 1, f"pods is {scenario.pods}, expected at least 1"),
        (scenario.pods <= 64, f"pods is {scenario.pods}, expected at most 64"),
        (scenario.steps >= 1, f"steps is {scenario.steps}, expected at least 1"),
        (scenario.steps <= 1000, f"steps is {scenario.steps}, expected at most 1000"),
        (scenario.load.warm_up_agents >= 0, "load.warm_up_agents is negative, expected 0 or more"),
        (scenario.load.starts_in_flight >= 1, "load.starts_in_flight is below 1"),
        (
            scenario.load.shape in SHAPES,
            f"load.shape is {scenario.load.shape!r}, known: {', '.join(SHAPES)}",
        ),
        (
            scenario.load.rate_per_s is None or scenario.load.rate_per_s > 0,
            "load.rate_per_s must be positive",
        ),
        (0 < scenario.load.capacity_ratio <= 2, "load.capacity_ratio must be in (0, 2]"),
        (
            scenario.llm.latency_ms >= 0,
            f"llm.latency_ms is {scenario.llm.latency_ms}, expected 0 or more",
        ),
        (scenario.llm.latency_sigma >= 0, "llm.latency_sigma is negative"),
        ((scenario.llm.requests_per_min or 1) > 0, "llm.requests_per_min must be positive or null"),
        ((scenario.llm.tokens_per_min or 1) > 0, "llm.tokens_per_min must be positive or null"),
        (bool(scenario.mix), "mix is empty, expected pattern: weight"),
        (
            all(weight > 0 for weight in scenario.mix.values()),
            "mix has a weight that is not positive",
        ),
        (scenario.run_s > 0 and scenario.liveness_s > 0, "run_s and liveness_s must be positive"),
        (scenario.exposures_min >= 0, "exposures_min is negative, expected 0 or more"),
    ]
    problems = [text for is_fine, text in checks if not is_fine]
    problems += [
        f"mix: unknown pattern {name!r}; known: {', '.join(PATTERNS)}"
        for name in scenario.mix
        if name not in PATTERNS
    ]
    for fault in scenario.faults:
        if fault.count < 1 or fault.in_flight_min < 0:
            problems.append(
                f"fault {fault.kind}: count is {fault.count}, in_flight_min is {fault.in_flight_min}; expected at least 1 and 0"
            )
        if not 0 <= fault.progress_from < fault.progress_to <= 1:
            problems.append(
                f"fault {fault.kind}: progress_from {fault.progress_from} and progress_to {fault.progress_to} must be 0 <= from < to <= 1"
            )
    return problems


SHAPES = ("constant", "ramp", "at_once")
PATTERNS = ("chain", "tools", "parallel")


def with_agents(scenario: Scenario, agents: int) -> Scenario:
    """The same scenario with another number of agents."""
    return replace(scenario, load=replace(scenario.load, agents=agents))


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
    """Paths in ``data`` that no field of ``record`` takes; records nest only in fields and tuples."""
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
