"""From a real run to settings: what was measured is read, what was not is assumed, both are said.

Called by the command line with a run as `archive` reads it. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import UsageError
from harness.facts import RunFacts
from harness.history import NONE, Evidence, Kind
from harness.measures.latency import step_latency_ns
from harness.measures.own_time import own_time_ns
from harness.measures.series import load_begin_ns
from harness.plan import Plan
from harness.results import FaultRow, RunResult
from harness.simulation.outcome import outcome_of
from harness.simulation.settings import Kill, Settings, Station, checked
from harness.simulation.walk import simulate

QUANTILES = 101
OUR_OWN = ("witness", "driver", "harness")
"""Kinds of process that take the machine's time and are no part of the engine."""
KILLS = ("kill_pod", "kill_worker", "kill_sidecar")
PAUSE_NS_MAX = 15_000_000_000
"""After a heal, silence beyond this is nobody's pause."""
_RESTART_MS, _CV = 2000.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a setting comes from."""

    name: str
    value: str
    is_read: bool
    """Measured by the run; else assumed."""
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A real run, as it lies on disk."""

    name: str
    plan: Plan
    evidence: Evidence
    facts: RunFacts | None
    result: RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model of one real run, on the machine that it ran on."""

    settings: Settings
    sources: tuple[Source, ...]


def fit(run: Run) -> Fitted:
    """Read a run's service times.

    Raises:
        UsageError: the run has none, with what is missing.
    """
    latencies, facts = step_latency_ns(run.evidence), run.facts
    answered = len(latencies)
    if facts is None or run.result.state != "judged" or not facts.processes or not answered:
        raise UsageError(
            f"{run.name} has no measured service times: "
            + ("no call was answered" if facts and facts.processes else "it did not end in order")
            + "; name a judged run with answered calls"
        )
    phases = answered + run.result.agents_completed
    cpu_ms = {row.name: row.cpu_s * 1000 / phases for row in facts.processes}
    cores = _cores(run.result.environment)
    quantiles = np.quantile(latencies, np.linspace(0, 1, QUANTILES)) / NS_PER_MS
    shared = [name for name in cpu_ms if name not in (*OUR_OWN, "worker", "sidecar")]
    blank = Settings(agents=1, pods=1, rate_per_s=1.0, llm_ms=tuple(quantiles.round(3).tolist()))
    settings = replace(
        as_run(blank, run),
        llm_ms=blank.llm_ms,
        worker=Station(ms=cpu_ms.get("worker", 0.0), cv=_CV),
        sidecar=Station(ms=cpu_ms.get("sidecar", 0.0), servers=cores, cv=_CV),
        shared=Station(ms=sum(cpu_ms[name] for name in shared), servers=cores, cv=_CV),
        machine=Station(ms=sum(cpu_ms.values()), servers=cores, cv=_CV),
    )
    settings, recovery = _with_kills(settings, run)
    settings, waited = _with_wait(settings, run)
    return Fitted(
        settings=settings,
        sources=(*_sources(settings, shared, answered), *recovery, *waited),
    )


def as_run(settings: Settings, run: Run) -> Settings:
    """The same pods and services under the load, quota and kills of another run.

    Raises:
        UsageError: it has no agents or no calls.
    """
    scenario, facts = run.plan.scenario, run.facts
    agents = run.result.agents_planned or scenario.load.agents
    steps = round(run.plan.answers_count / agents)
    if not steps:
        raise UsageError(f"{run.name}: its agents make no calls; there is nothing to simulate")
    is_step = run.evidence.requests.kind == Kind.STEP
    tokens = run.evidence.requests.prompt_tokens[is_step]
    intended = run.evidence.starts.intended_ns
    sent = intended[intended != NONE]
    first_ns = int(sent.min()) - load_begin_ns(run.evidence) if len(sent) else 0
    kills = tuple(
        Kill(at_s=max(0.0, row.fired_s - first_ns / NS_PER_S), pod=pod)
        for row in run.result.faults
        if row.kind in KILLS and row.fired_s >= 0
        for pod in _pods(row)
    )
    return replace(
        settings,
        agents=agents,
        steps=steps,
        pods=scenario.pods,
        shape=scenario.load.shape,
        rate_per_s=(facts.rate_per_s if facts else 0.0) or settings.rate_per_s,
        requests_per_min=scenario.llm.requests_per_min,
        tokens_per_min=scenario.llm.tokens_per_min,
        burst=scenario.llm.burst,
        tokens_per_call=round(float(tokens.mean())) if len(tokens) else 0,
        kills=kills,
        moves=settings.moves and scenario.pods > 1,
    )


def _pods(row: FaultRow) -> list[int]:
    """Slots, counted from 0, of victims such as agents-1.2."""
    found = [re.fullmatch(r"\w+-(\d+)\.\d+", victim) for victim in row.victims]
    return sorted({int(match[1]) - 1 for match in found if match})


def _cores(environment: dict[str, str]) -> int:
    found = re.match(r"(\d+) cores?\b", environment.get("machine", ""))
    return max(1, int(found[1])) if found else 1


def _with_kills(settings: Settings, run: Run) -> tuple[Settings, tuple[Source, ...]]:
    """Restart, recovery and pause, as measured by the run's own kills."""
    rows = [row for row in run.result.faults if row.kind in KILLS and row.resume_s_p50 >= 0]
    if not rows:
        assumed = replace(settings, restart_ms=_RESTART_MS, recovery_ms=_RESTART_MS)
        how = "the run had no kill; measure one with a fault in the scenario"
        return assumed, (
            Source(name="restart_ms, recovery_ms", value="2000", is_read=False, how=how),
            Source(name="pause_ms, moves", value="0, false", is_read=False, how=how),
        )
    restart = np.median([row.parts_s.get("total", row.healed_s - row.fired_s) for row in rows])
    resume = np.median([row.resume_s_p50 for row in rows]) * 1000
    # Resuming is a phase, the call again, and a phase that keeps the answer.
    call = settings.llm_ms[QUANTILES // 2] + 2 * settings.machine.ms
    pause = _pause_ms(run.evidence, [row.name for row in rows]) if settings.shared.ms else 0.0
    moved = _moved_ratio(run.evidence, [row.name for row in rows])
    found = replace(
        settings,
        restart_ms=float(restart) * 1000,
        recovery_ms=round(max(0.0, float(resume) - call), 1),
        pause_ms=round(pause, 1),
        moves=moved > 0.5 and settings.pods > 1,
    )
    kills = f"of {len(rows)} kills"
    return found, (
        Source(
            name="restart_ms",
            value=f"{found.restart_ms:.0f}",
            is_read=True,
            how=f"median from kill to ready, {kills}",
        ),
        Source(
            name="recovery_ms",
            value=f"{found.recovery_ms:.0f}",
            is_read=True,
            how=f"median victim resume time less a call and two phases, {kills}",
        ),
        Source(
            name="pause_ms",
            value=f"{found.pause_ms:.0f}",
            is_read=True,
            how=f"median end of the longest silence of all agents after a kill, {kills}",
        ),
        Source(
            name="moves",
            value=str(found.moves).lower(),
            is_read=True,
            how=f"{moved:.0%} of the victims' next calls came from another pod",
        ),
    )


def _pause_ms(evidence: Evidence, names: Sequence[str]) -> float:
    """Median over kills: from the fire to the end of the longest span without a call's begin."""
    begins = np.sort(evidence.requests.begin_ns[evidence.requests.kind == Kind.STEP])
    found = []
    for fault in evidence.faults:
        if fault.name in names:
            until = max(fault.healed_ns, fault.fired_ns) + PAUSE_NS_MAX
            near = begins[(begins >= fault.fired_ns) & (begins <= until)]
            gaps = np.diff(near, prepend=fault.fired_ns)
            if len(gaps):
                found.append(int(near[np.argmax(gaps)]) - fault.fired_ns)
    return float(np.median(found)) / NS_PER_MS if found else 0.0


def _moved_ratio(evidence: Evidence, names: Sequence[str]) -> float:
    """Of the calls that follow on one that a kill's victim began last: those of another slot."""
    requests, callers = evidence.requests, evidence.names.callers
    slots = np.array([name.rpartition(".")[0] for name in callers])
    moved = []
    for fault in evidence.faults:
        if fault.name not in names:
            continue
        victims = [place for place, name in enumerate(callers) if name in fault.victims]
        before = requests.begin_ns < fault.fired_ns
        is_known = (requests.kind == Kind.STEP) & (requests.agent >= 0)
        for agent in np.unique(requests.agent[before & is_known]):
            rows = np.flatnonzero(is_known & (requests.agent == agent))
            last = rows[requests.begin_ns[rows] < fault.fired_ns][-1]
            later = rows[requests.begin_ns[rows] >= fault.fired_ns]
            if len(later) and requests.caller[last] in victims:
                moved.append(slots[requests.caller[later[0]]] != slots[requests.caller[last]])
    return float(np.mean(moved)) if moved else 0.0


def _with_wait(settings: Settings, run: Run) -> tuple[Settings, tuple[Source, ...]]:
    """What a phase takes beyond work and queues: what the model without it falls short by."""
    own = own_time_ns(run.evidence)
    measured = float(np.median(own)) / NS_PER_MS / settings.steps
    bare = outcome_of(
        settings, simulate(checked(settings, source=run.name), run.plan.seed), run.plan.seed
    )
    modelled = bare.own_ms.p50 / (settings.steps + 1)
    wait = round(max(0.0, measured - modelled), 3)
    source = Source(
        name="wait_ms",
        value=f"{wait:.1f}",
        is_read=True,
        how=f"median own time of a phase {measured:.1f} ms, less {modelled:.1f} ms of the model",
    )
    return replace(settings, wait_ms=wait), (source,)


def _sources(settings: Settings, shared: Sequence[str], answered: int) -> tuple[Source, ...]:
    cores = settings.machine.servers

    def cpu(name: str, how: str) -> Source:
        value = f"{getattr(settings, name).ms:.2f}"
        return Source(name=f"{name}.ms", value=value, is_read=True, how=how)

    return (
        Source(
            name="llm_ms",
            value=f"median {settings.llm_ms[QUANTILES // 2]:.0f}",
            is_read=True,
            how=f"quantiles of {answered:,} answered calls",
        ),
        cpu("worker", "CPU of the workers by phase"),
        cpu("sidecar", "CPU of the sidecars by phase"),
        cpu("shared", f"CPU of {', '.join(shared) or 'nothing'} by phase"),
        cpu("machine", "CPU of all processes by phase, the harness's own too"),
        Source(name="machine.servers", value=str(cores), is_read=True, how="cores of the machine"),
        Source(
            name="worker.servers", value="1", is_read=False, how="a Python process runs on one core"
        ),
        Source(
            name="sidecar.servers, shared.servers",
            value=str(cores),
            is_read=False,
            how="as many as the machine has cores",
        ),
        Source(name="cv", value=str(_CV), is_read=False, how="no run measures single services"),
        Source(
            name="steps",
            value=str(settings.steps),
            is_read=True,
            how="planned calls by agent; other patterns than chain become chains of as many",
        ),
    )
