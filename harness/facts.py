"""run.json: what only the harness itself could see of a run, written when it ends.

Together with the ledger, the driver's events and the plan it is all that `judge` reads, so that
`onceproof check` needs no cluster.
"""

from dataclasses import dataclass, field

from harness.results import ProcessRow
from harness.scenario import SCHEMA
from harness.state_store import StoreCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a load under way, about once a second."""

    t_ns: int
    """CLOCK_MONOTONIC, as in the evidence."""
    started: int
    """Agents with at least one POST, by the driver's last word."""
    ended: int
    cpu_s: dict[str, float]
    """CPU seconds so far by kind of process, the harness among them."""
    machine_s: float
    """CPU seconds of everything on this machine since it began; 0 where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Facts about the run as a whole; durations in seconds."""

    schema: int = SCHEMA
    started_utc: str
    ending: str
    """finished | interrupted | out of time | broken: <why>"""
    capacity_per_s: float = 0.0
    """Agents per second that the warm-up ended; 0 without one."""
    rate_per_s: float = 0.0
    """Offered; 0 for at_once."""
    set_up_s: float = 0.0
    """First process to all pods ready."""
    lateness_ms_p99: float = 0.0
    """Of the driver: from the intended start to the moment when it turned to it; waiting for a slot
    that is down is the engine's and the platform's, and counts in the start's latency."""
    processes: tuple[ProcessRow, ...] = ()
    harness_lag_ms_max: float = 0.0
    """Longest delay of the harness's own event loop during the load."""
    clock_step_ms: float = 0.0
    """How far the wall clock moved against the monotonic one from the first process to the last."""
    troubles: tuple[str, ...] = ()
    """What went wrong and was survived; shown as doubts."""
    resubmits_count: int = 0
    """Re-submissions by the supervisor that were accepted (assisted recovery)."""
    leftovers: tuple[str, ...] = ()
    """Processes and ports of ours found after the teardown; must be empty."""
    store: dict[str, float] | None = None
    """What the store counted during the load, and what the engine kept at its end; None in runs of
    before this was counted. Names are those of `harness.measures.figures`."""
    store_reason: str = ""
    """Why figures of the store are missing."""
    store_sources: dict[str, str] = field(default_factory=dict)
    """Figure -> where the store says so."""
    store_trouble: str = ""
    """The word by which sidecars' logs tell that the store refused; empty where there is none."""
    store_troubles_count: int = 0
    """Lines of the sidecars' logs with that word."""
    store_checks: tuple[StoreCheck, ...] = ()
    """Of runs that try the store's own word."""
    idle: dict[str, float] = field(default_factory=dict)
    """Of runs with parked agents: memory and active actors before, parked and ended; see
    `harness.runner.idle`."""
    exports: str = ""
    """Of runs with tracing: how the engine's spans leave, or why none do."""
    about: dict[str, str] = field(default_factory=dict)
    """What the worker said of itself."""
    samples: tuple[Sample, ...] = ()
    """Of the load; none in runs of before they were taken."""
    cores: int = 0
    """Of the machine, that the harness may use; 0 in runs of before."""
