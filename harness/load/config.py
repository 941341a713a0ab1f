"""What the driver is told: one JSON file, written by the runner before the driver starts.

Pure; the runner encodes, the driver decodes. A field that the driver does not know is an error, so
that a setting can never be lost in silence.
"""

from dataclasses import dataclass, fields
from typing import Any

import msgspec

from harness.errors import UsageError

SCHEMA = 1
SHAPES = ("constant", "ramp", "spike", "at_once")
FILE = "live/driver.json"
"""Where the configuration stands in a run's directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """The driver's whole input; relative paths start at the run's directory."""

    schema: int = SCHEMA
    witness: str
    """Base URL of the witness, such as http://127.0.0.1:20001."""
    programs: str
    """programs.jsonl, an agent a line, in arrival order."""
    pods: str
    """pods.json, replaced by the runner whenever a pod comes or goes."""
    events: str
    """Output: what the driver did and saw, JSON Lines."""
    histograms: str
    """Output: the histograms of lateness and latency."""
    stop_file: str
    """The driver stops when this file appears."""
    deadline_s: float
    """From the first intended start; what has not ended then is left over as info."""
    shape: str = "constant"
    """constant | ramp | spike | at_once; the plan has shaped the unit-rate times already."""
    rate_per_s: float | None = None
    """Agents per second; None starts all at once."""
    starts_in_flight: int = 64
    """Bound on concurrent start requests."""
    asks_in_flight: int = 256
    """Bound on concurrent status requests."""
    any_pod_answers: bool = False
    """True when every pod takes every agent; else only the slot that the plan gave it."""
    agents_prefix: str = ""
    """Only agents whose id starts so; empty means all."""
    request_timeout_s: float = 10.0
    """After this a request is undecided."""
    status_wait_s: int = 0
    """How long a worker may hold the answer about one agent until it has ended; 0 asks plainly."""
    ask_interval_s: float = 30.0
    """How often an agent without an end is asked."""


def encode(config: DriverConfig) -> bytes:
    """Write a configuration as JSON."""
    return msgspec.json.format(msgspec.json.encode(config), indent=1)


def decode(data: bytes, *, source: str) -> DriverConfig:
    """Read a configuration and check it.

    Raises:
        UsageError: not JSON, an unknown or missing field, a value out of its range.
    """
    try:
        found: Any = msgspec.json.decode(data)
        config = msgspec.convert(found, DriverConfig)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{source} is no driver configuration: {error}") from error
    unknown = sorted(set(found) - {field.name for field in fields(DriverConfig)})
    if unknown:
        raise UsageError(
            f"{source} has unknown fields {unknown}; this driver reads schema {SCHEMA}"
        )
    problem = _problem_of(config)
    if problem:
        raise UsageError(f"{source}: {problem}")
    return config


def _problem_of(config: DriverConfig) -> str:
    if config.schema != SCHEMA:
        return f"schema is {config.schema}; this driver reads {SCHEMA}"
    if config.shape not in SHAPES:
        return f"shape is {config.shape!r}; known: {', '.join(SHAPES)}"
    if config.rate_per_s is not None and config.rate_per_s <= 0:
        return f"rate_per_s is {config.rate_per_s}; it must be above 0, or null for all at once"
    for name in ("deadline_s", "request_timeout_s", "ask_interval_s"):
        if getattr(config, name) <= 0:
            return f"{name} is {getattr(config, name)}; it must be above 0"
    if config.status_wait_s < 0:
        return f"status_wait_s is {config.status_wait_s}; it must be at least 0"
    for name in ("starts_in_flight", "asks_in_flight"):
        if getattr(config, name) < 1:
            return f"{name} is {getattr(config, name)}; it must be at least 1"
    return ""
