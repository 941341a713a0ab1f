"""A run's directory to its results: evidence, checkers, assumptions, figures. Pure but for reading.

The order matters: assumptions first. When one is not met, every promise that would be valid becomes
unknown; a refutation stands, since a violation needs no assumption about load.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from harness.archive import Archived, read_run, seal
from harness.checkers import all_anomalies, run_checkers
from harness.clock import NS_PER_S
from harness.drafts import write_whole
from harness.errors import HarnessError, UsageError
from harness.evidence.unheeded import unheeded
from harness.expectations import UNSTATED, Expectation, expectation_of, message_expectation
from harness.history import NONE, AgentStatus, Evidence, Kind, RequestOutcome
from harness.measures.client import client_of
from harness.measures.commits import commits_of
from harness.measures.latency import latencies_of, resume_of, slowest_agents
from harness.measures.messages import figures_of as message_figures
from harness.measures.messages import latencies_of as message_latencies
from harness.measures.recovery import in_flight, victim_resume_ns
from harness.measures.repeats import repeats_by_fault, repeats_of, steps_used
from harness.measures.series import load_begin_ns, series_of
from harness.measures.timeline import timelines_of
from harness.measures.tracing import tracing_of
from harness.plan import Plan, parse_programs
from harness.results import Assumption, FaultRow, PromiseRow, RunResult, SweepCell, Tracing
from harness.runner.blank import blank_result
from harness.runner.figured import figured
from harness.runner.idle import told
from harness.runner.order import Order
from harness.runner.own import OwnEngine, own_of_run
from harness.sweep import POINTS, VICTIMS, calls_count, cells_of, held_note
from harness.verdict import MESSAGES, PROMISES, Anomaly, CheckResult, Verdict, bound_ratio, worst
from mock_llm.ledger import Note, iter_records

LATENESS_MS_MAX = 1000.0
"""p99 of the driver's lateness beyond which the load was not the one that was asked for."""
LAG_MS_MAX = 2000.0
"""Longest stall of the harness's own loop beyond which it was starved."""
CLOCK_STEP_MS_MAX = 1000.0
"""Step of the wall clock beyond which an engine's own timers may have fired early or late."""
ANOMALIES_SHOWN = 50
SLOWEST_SHOWN = 5
"""Agents without a violation that have a time axis all the same."""


def judge(root: Path) -> RunResult:
    """Judge a run's directory; writes anomalies.jsonl beside, and seals the run the first time.

    Raises:
        UsageError: there is no plan to judge by.
    """
    archived = read_judged(root)
    if not (root / "manifest.json").exists() and archived.facts is not None:
        seal(root, archived.evidence)
    anomalies = _write_anomalies(root, archived.evidence)
    result = figured(result_of(archived, root=root), archived)
    if archived.plan.sweep is None:
        return result
    return replace(result, sweep=_sweep_cells(root, archived, anomalies))


def read_judged(root: Path) -> Archived:
    """Read a run for judging or explaining."""
    return read_run(root)


def result_of(archived: Archived, *, root: Path) -> RunResult:
    """Everything that the page says about one run."""
    evidence, plan, facts = archived.evidence, archived.plan, archived.facts
    assumptions = assumptions_of(archived)
    broken = [entry.text for entry in assumptions if not entry.is_met]
    checks = {check.promise: _doubted(check, broken) for check in run_checkers(evidence)}
    own = own_of_run(root, plan.cell.engine)
    brokers = evidence.names.brokers
    rows = tuple(_promise_row(checks[each.key], plan, own, brokers) for each in PROMISES)
    counts = _agent_counts(evidence)
    series = series_of(evidence)
    load_s = _load_s(evidence)
    is_refuted = any(row.is_surprise for row in rows)
    # What the engine does not promise may stay unknown or fall: it never decides the exit.
    promised = [checks[row.key].verdict for row in rows if row.expectation == "promised"]
    verdict = Verdict.INVALID if is_refuted else worst([v for v in promised if v < 2] or [])
    is_broken = facts is None or facts.ending.startswith("broken")
    blank = blank_result(Order(scenario=plan.scenario, cell=plan.cell, own=own), seed=plan.seed)
    return replace(
        blank,
        state="failed" if is_broken else "judged",
        state_reason=facts.ending if facts else "the harness ended before the run did",
        verdict=verdict.word,
        exit_code=255 if is_broken else {0: 0, 1: 2, 2: 1}[int(verdict)],
        headline=headline_of(rows),
        promises=rows,
        assumptions=assumptions,
        doubts=(*broken, *_doubts(archived), *unpromised(own)),
        agents_accepted=counts.accepted,
        agents_completed=counts.completed,
        agents_failed=counts.failed,
        agents_unfinished=counts.unfinished,
        steps_expected=evidence.expected.count,
        steps_used=steps_used(evidence),
        agents_per_s=round(counts.completed / load_s, 3) if load_s else 0.0,
        steps_per_s=round(_answers(evidence) / load_s, 3) if load_s else 0.0,
        offered_per_s=round(facts.rate_per_s, 3) if facts else 0.0,
        capacity_per_s=round(facts.capacity_per_s, 3) if facts else 0.0,
        load_s=round(load_s, 3),
        lateness_ms_p99=round(facts.lateness_ms_p99, 3) if facts else 0.0,
        resume=resume_of(evidence),
        latencies=(*latencies_of(evidence), *message_latencies(evidence)),
        faults=_fault_rows(evidence),
        faults_planned=len(plan.faults),
        series=series,
        repeats=repeats_of(evidence),
        commits=commits_of(evidence, archived.history),
        client=client_of(evidence, requests_per_min=plan.scenario.llm.requests_per_min),
        timelines=timelines_of(
            evidence, [*_worst_agents(rows), *slowest_agents(evidence, SLOWEST_SHOWN)]
        ),
        tracing=_tracing(archived),
        processes=facts.processes if facts else (),
        messages=message_figures(evidence),
        environment=_environment(archived),
        repeat_command=f"onceproof repro {root}{' --trust' if own is not None else ''}",
        directory=root.name,
    )


def assumptions_of(archived: Archived) -> tuple[Assumption, ...]:
    """What must hold before a pass counts; each names the figure and its limit."""
    evidence, facts = archived.evidence, archived.facts
    struck = sum(fault.has_struck for fault in evidence.faults)
    limited = _limited_ratio(evidence)
    wanted = archived.plan.scenario.limited_ratio_min
    late = facts.lateness_ms_p99 if facts else 0.0
    found = [
        Assumption(
            name="evidence whole",
            is_met=not evidence.problems,
            text="; ".join(evidence.problems) or "no gap, no damage in ledger, plan and events",
        ),
        Assumption(
            name="faults fired",
            is_met=struck == evidence.faults_planned,
            text=f"{struck} of {evidence.faults_planned} planned faults struck, with proof",
        ),
        Assumption(
            name="driver on time",
            is_met=late <= LATENESS_MS_MAX or archived.plan.scenario.load.shape == "at_once",
            text=f"p99 of the driver's lateness {late:.0f} ms, limit {LATENESS_MS_MAX:.0f} ms",
        ),
        Assumption(
            name="quota in force",
            is_met=limited >= wanted,
            text=f"{limited:.1%} of LLM requests limited, at least {wanted:.0%} asked for",
        ),
    ]
    if facts is None:
        return tuple(found)
    lag = facts.harness_lag_ms_max
    return (
        *found,
        Assumption(
            name="run complete",
            is_met=facts.ending == "finished",
            text=f"the run {facts.ending}" if facts.ending == "finished" else facts.ending,
        ),
        Assumption(
            name="harness not starved",
            is_met=lag <= LAG_MS_MAX,
            text=f"longest stall of the harness {lag:.0f} ms, limit {LAG_MS_MAX:.0f} ms",
        ),
        Assumption(
            name="clock steady",
            is_met=abs(facts.clock_step_ms) <= CLOCK_STEP_MS_MAX,
            text=(
                f"the wall clock moved by {facts.clock_step_ms:.0f} ms against the monotonic one, "
                f"limit {CLOCK_STEP_MS_MAX:.0f} ms"
            ),
        ),
        Assumption(
            name="nothing left over",
            is_met=not facts.leftovers,
            text=", ".join(facts.leftovers) or "no process and no port of the run was left",
        ),
    )


def unpromised(own: OwnEngine | None) -> tuple[str, ...]:
    """Say why a worker of the user's own can be no more than unknown as a whole."""
    if own is None or any(entry.word == "promised" for entry in own.expectations.values()):
        return ()
    return ("this worker promises nothing that a run could hold it to; see --expectations",)


def headline_of(rows: tuple[PromiseRow, ...]) -> str:
    """One line such as "L, S1 hold; S3 unknown; S5 refuted"."""
    words = {"valid": "hold", "unknown": "unknown", "invalid": "refuted"}
    rows = tuple(row for row in rows if row.is_applicable)
    parts = []
    for verdict, word in words.items():
        keys = [row.key for row in rows if row.verdict == verdict]
        if keys:
            verb = "holds" if word == "hold" and len(keys) == 1 else word
            parts.append(f"{', '.join(keys)} {verb}")
    return "; ".join(parts)


def failed_result(plan: Plan, reason: str, *, root: Path, command: str) -> RunResult:
    """A run that could not even be judged; every promise is unknown."""
    nothing = CheckResult(promise="", verdict=Verdict.UNKNOWN, reason=reason)
    own = own_of_run(root, plan.cell.engine)
    brokers = tuple(name for name in (plan.cell.broker,) if name not in ("", "none"))
    rows = tuple(
        _promise_row(
            replace(nothing, promise=each.key, is_applicable=each.key != MESSAGES or bool(brokers)),
            plan,
            own,
            brokers,
        )
        for each in PROMISES
    )
    order = Order(scenario=plan.scenario, cell=plan.cell, own=own)
    blank = blank_result(order, seed=plan.seed)
    return replace(
        blank,
        state="failed",
        state_reason=reason,
        exit_code=255,
        headline=f"not judged: {reason}",
        promises=rows,
        doubts=(reason,),
        faults_planned=len(plan.faults),
        repeat_command=command,
        directory=root.name,
    )


def _doubted(check: CheckResult, broken: list[str]) -> CheckResult:
    if not broken or check.verdict is not Verdict.VALID:
        return check
    return replace(check, verdict=Verdict.UNKNOWN, reason="; ".join(broken))


def _word(
    check: CheckResult, plan: Plan, own: OwnEngine | None, brokers: tuple[str, ...]
) -> Expectation:
    """Who promised what: of messages the brokers, of all else the engine."""
    if not check.is_applicable:
        return UNSTATED
    if own is not None:
        return own.expectations.get(check.promise, UNSTATED)
    if check.promise == MESSAGES:
        return message_expectation(plan.cell.engine, plan.cell.variant, brokers)
    return expectation_of(plan.cell.engine, plan.cell.variant, check.promise, plan.cell.store)


def _promise_row(
    check: CheckResult, plan: Plan, own: OwnEngine | None, brokers: tuple[str, ...]
) -> PromiseRow:
    promise = next(entry for entry in PROMISES if entry.key == check.promise)
    found = _word(check, plan, own, brokers)
    exposed = check.exposed_count if plan.faults else check.checked_count
    return PromiseRow(
        key=promise.key,
        text=promise.text,
        expectation=found.word,
        source=found.source,
        quote=found.quote,
        verdict=check.verdict.word,
        is_surprise=check.verdict is Verdict.INVALID and found.word == "promised",
        is_offered=check.is_offered,
        reason=check.reason,
        checked_count=check.checked_count,
        exposed_count=check.exposed_count,
        kills_count=check.kills_count,
        violations_count=check.violations_count,
        not_judged_count=check.not_judged_count,
        bound_per_kill_ratio=bound_ratio(check.kills_count),
        bound_per_exposure_ratio=bound_ratio(exposed),
        anomalies=check.anomalies[:ANOMALIES_SHOWN],
        is_applicable=check.is_applicable,
    )


def _doubts(archived: Archived) -> tuple[str, ...]:
    """What went wrong and was survived, misheard, not heeded, or left out."""
    troubles = archived.facts.troubles if archived.facts else ()
    unseen = archived.spans.problems if archived.spans else ()
    return (*troubles, *archived.misheard, *unheeded(archived.evidence), *unseen)


def _tracing(archived: Archived) -> Tracing | None:
    if archived.spans is None:
        return None
    exports = archived.facts.exports if archived.facts else ""
    return tracing_of(archived.evidence, archived.spans, exports=exports)


def _environment(archived: Archived) -> dict[str, str]:
    environment = dict(archived.environment)
    facts = archived.facts
    if facts is not None:
        pods = archived.plan.scenario.pods
        environment["started"] = facts.started_utc
        environment["set-up"] = f"{facts.set_up_s:.1f} s to {pods} ready pods"
        environment |= {f"worker {name}": text for name, text in facts.about.items()}
        if facts.idle:
            environment["parked"] = told(facts.idle, archived.plan.scenario.load.agents)
        if facts.resubmits_count:
            environment["resubmits"] = f"{facts.resubmits_count} by the supervisor"
    return environment


@dataclass(frozen=True, slots=True, kw_only=True)
class _AgentCounts:
    accepted: int
    """202, or undecided: the agent may be running; or it ended, whatever its start was told."""
    completed: int
    failed: int
    unfinished: int


def _worst_agents(rows: tuple[PromiseRow, ...]) -> list[str]:
    """Agents of the anomalies shown: the smallest of each kind first, then in turns by kind."""
    kinds: dict[tuple[str, str], list[Anomaly]] = {}
    for row in rows:
        for anomaly in row.anomalies:
            kinds.setdefault((row.key, anomaly.name), []).append(anomaly)
    queues = [
        sorted(found, key=lambda each: (len(each.seqs), len(each.text))) for found in kinds.values()
    ]
    longest = max(map(len, queues), default=0)
    return [
        queue[place].agent for place in range(longest) for queue in queues if place < len(queue)
    ]


def _agent_counts(evidence: Evidence) -> _AgentCounts:
    status = evidence.starts.status
    is_completed, has_failed = status == AgentStatus.COMPLETED, status == AgentStatus.FAILED
    is_accepted = (evidence.starts.accepted_ns != NONE) | evidence.starts.is_info
    is_accepted |= is_completed | has_failed
    return _AgentCounts(
        accepted=int(np.count_nonzero(is_accepted)),
        completed=int(np.count_nonzero(is_completed)),
        failed=int(np.count_nonzero(has_failed)),
        unfinished=int(np.count_nonzero(is_accepted & ~is_completed & ~has_failed)),
    )


def _fault_rows(evidence: Evidence) -> tuple[FaultRow, ...]:
    begin = load_begin_ns(evidence)
    flying = in_flight(evidence)
    repeated = repeats_by_fault(evidence)
    rows = []
    for fault in evidence.faults:
        try:
            resumed = victim_resume_ns(evidence, fault)
        except HarnessError:
            resumed = np.zeros(0, np.int64)
        gone_on = resumed[resumed != NONE] / NS_PER_S
        rows.append(
            FaultRow(
                name=fault.name,
                kind=fault.kind,
                victims=fault.victims,
                fired_s=_since(fault.fired_ns, begin),
                healed_s=_since(fault.healed_ns, begin),
                in_flight_count=flying.get(fault.name, 0),
                resume_s_p50=round(float(np.median(gone_on)), 3) if len(gone_on) else -1.0,
                resume_s_max=round(float(gone_on.max()), 3) if len(gone_on) else -1.0,
                repeats_count=repeated.get(fault.name, 0),
                proof=fault.proof,
                parts_s=_seconds(fault.parts_ns),
            )
        )
    return tuple(rows)


def _seconds(parts_ns: Mapping[str, int]) -> dict[str, float]:
    return {name: round(value / NS_PER_S, 3) for name, value in parts_ns.items()}


def _since(moment_ns: int, begin_ns: int) -> float:
    return -1.0 if moment_ns == NONE else round((moment_ns - begin_ns) / NS_PER_S, 3)


def _load_s(evidence: Evidence) -> float:
    """Begin of the load to the last end that was read."""
    ended = evidence.starts.ended_ns
    ended = ended[ended != NONE]
    return float(ended.max() - load_begin_ns(evidence)) / NS_PER_S if len(ended) else 0.0


def _answers(evidence: Evidence) -> int:
    requests = evidence.requests
    is_answer = (requests.kind == Kind.STEP) & (requests.outcome == RequestOutcome.ANSWERED)
    return int(np.count_nonzero(is_answer))


def _limited_ratio(evidence: Evidence) -> float:
    requests = evidence.requests
    asked = int(np.count_nonzero(requests.kind != Kind.EFFECT))
    limited = int(np.count_nonzero(requests.outcome == RequestOutcome.LIMITED))
    return limited / asked if asked else 0.0


def _write_anomalies(root: Path, evidence: Evidence) -> list[Anomaly]:
    """All of them, a line each; the page shows the worst."""
    anomalies = all_anomalies(evidence)
    lines = [msgspec.json.encode(anomaly) for anomaly in anomalies]
    write_whole(root / "anomalies.jsonl", b"".join(line + b"\n" for line in lines))
    return anomalies


def _is_sweep_whole(plan: Plan, agents: set[str]) -> bool:
    """Whether the strikes name kinds, points and agents that there are."""
    return all(
        fault.kind in VICTIMS.values()
        and fault.point in POINTS
        and len(fault.agents) <= calls_count()
        and agents.issuperset(fault.agents)
        for fault in plan.faults
    )


def _sweep_cells(root: Path, archived: Archived, anomalies: list[Anomaly]) -> tuple[SweepCell, ...]:
    """The matrix of a sweep; a run too damaged for it has none, and is unknown anyway."""
    try:
        data = (root / "programs.jsonl").read_bytes()
        agents = parse_programs(data, source="programs.jsonl")
    except (OSError, UsageError):
        return ()
    if not _is_sweep_whole(archived.plan, {one.agent for one in agents}):
        return ()
    notes = (record for record in iter_records(root / "live") if isinstance(record, Note))
    held = [
        found
        for note in notes
        if note.kind == "held"
        and (found := held_note(note.seq, note.subject, note.detail)) is not None
    ]
    return cells_of(archived.plan, agents, archived.evidence, held, anomalies)
