"""The figures that the gate compares: what a run cost, and how long things took, one number each.

A *cost* follows from the programs: one run is enough to compare it. A *timing* is noise around a
value: it is compared by repeats. What cannot be had is None, with the reason.

Called by `runner.judge`; the gate reads `FIGURES` for units and tolerances. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_MS
from harness.history import Evidence, Kind
from harness.measures.own_time import own_time_ns
from harness.results import Distribution, Figure, ProcessRow, Repeats

OPERATIONS, SIZE = "operations", "bytes"
"""Names of what a store counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """One figure, and how much worse it may be than the baseline."""

    name: str
    unit: str
    text: str
    is_timing: bool
    tolerance_ratio: float
    """Without faults and quotas; 0 means exact."""
    tolerance_faulted_ratio: float
    """Where faults or a quota decide what is repeated."""


def _cost(name: str, unit: str, text: str, *, tolerance: float, faulted: float) -> FigureSpec:
    return FigureSpec(
        name=name,
        unit=unit,
        text=text,
        is_timing=False,
        tolerance_ratio=tolerance,
        tolerance_faulted_ratio=faulted,
    )


def _timing(name: str, text: str, tolerance: float = 0.10) -> FigureSpec:
    return FigureSpec(
        name=name,
        unit="ms",
        text=text,
        is_timing=True,
        tolerance_ratio=tolerance,
        tolerance_faulted_ratio=tolerance,
    )


FIGURES: tuple[FigureSpec, ...] = (
    _cost(
        "failed_agents",
        "agents",
        "Agents that gave up",
        tolerance=0.0,
        faulted=0.0,
    ),
    _cost(
        "llm_steps_per_agent",
        "answers",
        "Different answers that were computed, repeats and auxiliary calls left out",
        tolerance=0.0,
        faulted=0.0,
    ),
    _cost(
        "effects_per_agent",
        "effects",
        "Different tool effects that were attempted, repeats left out",
        tolerance=0.0,
        faulted=0.0,
    ),
    _cost(
        "llm_calls_per_agent",
        "calls",
        "LLM calls that were executed, repeats and auxiliary calls included",
        tolerance=0.0,
        faulted=0.25,
    ),
    _cost(
        "tokens_per_agent",
        "tokens",
        "Prompt and completion tokens of these calls",
        tolerance=0.005,
        faulted=0.25,
    ),
    _cost(
        "store_operations_per_agent",
        "commands",
        "Commands that the state store served during the load",
        tolerance=0.15,
        faulted=0.25,
    ),
    _cost(
        "history_bytes_per_agent",
        "bytes",
        "What the engine kept durably at the end: its store, and its slots' folders",
        tolerance=0.02,
        faulted=0.25,
    ),
    _timing("agent_ms_p50", "Median time from an agent's intended start until its end was read"),
    _timing("agent_ms_p95", "The same, 95th percentile", 0.25),
    _timing(
        "own_ms_p50",
        "Median time of an agent in which no call of its was open; in runs without faults",
        0.25,
    ),
    _timing("resume_ms_p50", "Median victim resume time", 0.25),
    _timing("cpu_ms_per_agent", "CPU time of the engine's processes, by agents", 0.15),
)
SPECS: dict[str, FigureSpec] = {spec.name: spec for spec in FIGURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the harness itself counted of a run beside the evidence."""

    processes: tuple[ProcessRow, ...] = ()
    store: Mapping[str, float] | None = None
    """During the load: `OPERATIONS`, and at its end `SIZE`; None in runs of before."""
    store_reason: str = "the run kept no figures of its store"
    """Why a figure of the store is not there."""


def figures_of(
    evidence: Evidence,
    *,
    repeats: Repeats,
    failed: int,
    agent: Distribution,
    resume: Distribution,
    counted: Counted,
) -> tuple[Figure, ...]:
    """All figures of a run, in the order of `FIGURES`."""
    agents = len(evidence.names.agents)
    has_own = not evidence.faults_planned
    own = own_time_ns(evidence) if has_own else np.zeros(0, np.int64)
    calls, effects, tokens = _executed(evidence)
    of_engine = [row.cpu_s for row in counted.processes if row.is_engine]
    is_auxiliary = evidence.requests.kind == Kind.AUXILIARY
    auxiliary = int(np.count_nonzero(is_auxiliary & evidence.requests.is_executed))
    store = counted.store or {}
    values: dict[str, float | None] = {
        "failed_agents": float(failed),
        "llm_steps_per_agent": _per(calls - auxiliary - repeats.llm_count, agents),
        "effects_per_agent": _per(effects - repeats.tool_count, agents),
        "llm_calls_per_agent": _per(calls, agents),
        "tokens_per_agent": _per(tokens, agents),
        "store_operations_per_agent": _per(store.get(OPERATIONS), agents),
        "history_bytes_per_agent": _per(store.get(SIZE), agents),
        "agent_ms_p50": agent.ms_p50 if agent.count else None,
        "agent_ms_p95": agent.ms_p95 if agent.count else None,
        "own_ms_p50": float(np.median(own)) / NS_PER_MS if len(own) else None,
        "resume_ms_p50": resume.ms_p50 if resume.count else None,
        "cpu_ms_per_agent": _per(sum(of_engine) * 1000, agents) if of_engine else None,
    }
    reasons = {
        "store_operations_per_agent": counted.store_reason,
        "history_bytes_per_agent": counted.store_reason,
        "agent_ms_p50": "no agent ended",
        "agent_ms_p95": "no agent ended",
        "own_ms_p50": "no agent got an answer"
        if has_own
        else "with kills it is mostly recovery; see resume_ms_p50",
        "resume_ms_p50": "no step was interrupted",
        "cpu_ms_per_agent": "the engine's processes are out of the harness's sight"
        if counted.processes
        else "the harness ended before the run did",
    }
    return tuple(
        Figure(
            name=spec.name,
            value=None if values[spec.name] is None else round(float(values[spec.name] or 0), 6),
            reason="" if values[spec.name] is not None else reasons.get(spec.name, "no agent"),
        )
        for spec in FIGURES
    )


def _executed(evidence: Evidence) -> tuple[int, int, int]:
    """LLM calls and effects that were executed, and the tokens of the calls."""
    requests = evidence.requests
    is_llm = (requests.kind == Kind.STEP) | (requests.kind == Kind.AUXILIARY)
    calls = np.flatnonzero(is_llm & requests.is_executed)
    effects = np.count_nonzero((requests.kind == Kind.EFFECT) & requests.is_executed)
    tokens = requests.prompt_tokens[calls].sum(dtype=np.int64)
    tokens += requests.completion_tokens[calls].sum(dtype=np.int64)
    return len(calls), int(effects), int(tokens)


def _per(total: float | None, agents: int) -> float | None:
    return None if total is None or not agents else total / agents
