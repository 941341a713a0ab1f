"""Local pods beside pods of Kubernetes: what was planned alike, measured on both. Pure.

Over the runs of a matrix, or of several commands that `onceproof report` joins. Two runs are a pair
when scenario, engine, store, broker, seed, pods and number of agents are the same, and, where both
were judged, the steps and the faults that were drawn.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.results import Distribution, MatrixResult, RunResult
from reports import wording
from reports.compare import Column, columns
from reports.rows import P95_MIN_COUNT
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, decimal, milliseconds, seconds

EMPTY = Distribution(name="", count=0, ms_p50=0, ms_p95=0, ms_p99=0, ms_max=0)
Range = tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same plan on both platforms."""

    local: Column
    other: Column

    @property
    def is_judged(self) -> bool:
        """Both sides have figures."""
        return {self.local.run.state, self.other.run.state} == {"judged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One figure of one run; None where it was not measured or rests on too little."""

    value: float | None
    shown: str = NONE
    between: Range = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A column: how a run's figure is read, and whether its ratio says something."""

    head: str
    read: Callable[[RunResult], Reading]
    has_ratio: bool = True


def pairs(matrix: MatrixResult) -> tuple[Pair, ...]:
    """Every run on Kubernetes with its counterpart on local pods, in the order of the page."""
    found = []
    waiting = [column for column in columns(matrix) if column.run.is_on_kubernetes]
    for local in columns(matrix):
        if local.run.is_on_kubernetes:
            continue
        other = next((one for one in waiting if _are_alike(local.run, one.run)), None)
        if other is not None:
            waiting.remove(other)
            found.append(Pair(local=local, other=other))
    return tuple(found)


def platform_tables(matrix: MatrixResult) -> Iterator[Table]:
    """Recovery, repeats and throughput of all pairs, and what a ratio does not say."""
    found = pairs(matrix)
    struck = [pair for pair in found if max(_planned(pair)) > 0]
    if struck:
        yield _table("platform-recovery", "Recovery", struck, RECOVERY, _recovery_note())
    if found:
        yield _table("platform-work", "Repeats and throughput", found, WORK, _work_note(matrix))
        yield _differences(found)


def _are_alike(one: RunResult, other: RunResult) -> bool:
    if _plan_of(one) != _plan_of(other):
        return False
    are_judged = one.state == other.state == "judged"
    drawn = (one.steps_expected, one.faults_planned), (other.steps_expected, other.faults_planned)
    return not are_judged or drawn[0] == drawn[1]


def _plan_of(run: RunResult) -> tuple[object, ...]:
    return (
        *(run.scenario, run.engine, run.variant, run.store, run.broker),
        *(run.seed, run.pods, run.agents_planned),
    )


def _planned(pair: Pair) -> tuple[int, int]:
    return pair.local.run.faults_planned, pair.other.run.faults_planned


def _table(
    key: str, title: str, found: list[Pair] | tuple[Pair, ...], measures: list[Measure], note: str
) -> Table:
    rows = []
    for pair in found:
        rows.append(_row(pair.local, f"{pair.local.number} {pair.local.label}", measures))
        rows.append(_row(pair.other, f"{pair.other.number} on Kubernetes", measures))
        if pair.is_judged:
            ratios = (_ratio(pair, one) for one in measures)
            rows.append((text("Kubernetes / local"), text(""), *ratios))
    return Table(
        key=key,
        caption=f"{title}, local pods beside Kubernetes: the same plan on both",
        head=(
            Head(text="Run"),
            Head(text="Verdict"),
            *(Head(text=one.head, is_number=True) for one in measures),
        ),
        rows=tuple(rows),
        note=note,
    )


def _row(column: Column, name: str, measures: list[Measure]) -> tuple[Value, ...]:
    state, is_judged = column.state, column.run.state == "judged"
    return (
        text(name, link=column.anchor),
        Value(text=f"{state.symbol} {state.word}", tone=state.tone),
        *(_cell(one.read(column.run)) if is_judged else number(NONE, -1) for one in measures),
    )


def _cell(found: Reading) -> Value:
    if found.value is None:
        return number(NONE, -1)
    doubt = " to ".join(map(milliseconds, found.between)) if found.between else ""
    return number(found.shown, found.value, doubt=doubt)


def _ratio(pair: Pair, measure: Measure) -> Value:
    """Kubernetes by local; its doubt from the far ends of both intervals."""
    here, there = measure.read(pair.local.run), measure.read(pair.other.run)
    if not measure.has_ratio or not here.value or there.value is None:
        return number(NONE, -1)
    doubt = ""
    if here.between and there.between and min(here.between) > 0:
        low, high = there.between[0] / here.between[1], there.between[1] / here.between[0]
        doubt = f"× {decimal(low)} to × {decimal(high)}"
    ratio = there.value / here.value
    return number(f"× {decimal(ratio)}", ratio, doubt=doubt)


def _healed_s(run: RunResult) -> list[float]:
    return [one.healed_s - one.fired_s for one in run.faults if 0 <= one.fired_s <= one.healed_s]


def _strikes(run: RunResult) -> Reading:
    proven = sum(bool(one.proof) for one in run.faults)
    return Reading(value=proven, shown=f"{count(proven)} of {count(run.faults_planned)}")


def _healed(middle: Callable[[list[float]], float]) -> Callable[[RunResult], Reading]:
    def read(run: RunResult) -> Reading:
        values = _healed_s(run)
        return _seconds(middle(values)) if values else Reading(value=None)

    return read


def _part(name: str) -> Callable[[RunResult], Reading]:
    def read(run: RunResult) -> Reading:
        values = [one.parts_s[name] for one in run.faults if name in one.parts_s]
        return _seconds(statistics.median(values)) if values else Reading(value=None)

    return read


def _seconds(value: float) -> Reading:
    return Reading(value=value, shown=seconds(value))


def _milliseconds(found: Distribution, value: float, between: Range, needed: int) -> Reading:
    if found.count < needed:
        return Reading(value=None)
    return Reading(value=value, shown=milliseconds(value), between=between)


def _victims(run: RunResult) -> Reading:
    return _count(run.resume.count)


def _resume_p50(run: RunResult) -> Reading:
    return _milliseconds(run.resume, run.resume.ms_p50, run.resume.ms_p50_range, 1)


def _resume_p95(run: RunResult) -> Reading:
    return _milliseconds(run.resume, run.resume.ms_p95, run.resume.ms_p95_range, P95_MIN_COUNT)


def _agent(run: RunResult) -> Distribution:
    return next((one for one in run.latencies if one.name == "agent"), EMPTY)


def _agent_p50(run: RunResult) -> Reading:
    return _milliseconds(_agent(run), _agent(run).ms_p50, _agent(run).ms_p50_range, 1)


def _agent_p95(run: RunResult) -> Reading:
    return _milliseconds(_agent(run), _agent(run).ms_p95, _agent(run).ms_p95_range, P95_MIN_COUNT)


def _completed(run: RunResult) -> Reading:
    shown = f"{count(run.agents_completed)} of {count(run.agents_accepted)}"
    return Reading(value=run.agents_completed, shown=shown)


def _in_flight(run: RunResult) -> Reading:
    return _count(sum(max(0, one.in_flight_count) for one in run.faults))


def _offered(run: RunResult) -> Reading:
    is_rate = run.offered_per_s > 0
    return Reading(
        value=run.offered_per_s, shown=decimal(run.offered_per_s) if is_rate else "at once"
    )


def _count(value: int) -> Reading:
    return Reading(value=value, shown=count(value))


def _rate(value: float) -> Reading:
    return Reading(value=value, shown=decimal(value))


RECOVERY = [
    Measure(head="Struck, with proof", read=_strikes, has_ratio=False),
    Measure(head="Healed after p50", read=_healed(statistics.median)),
    Measure(head="Healed after max", read=_healed(max)),
    Measure(head="Process start p50", read=_part("process_start"), has_ratio=False),
    Measure(head="Ready p50", read=_part("ready"), has_ratio=False),
    Measure(head="Victims", read=_victims, has_ratio=False),
    Measure(head="Resume p50", read=_resume_p50),
    Measure(head="Resume p95", read=_resume_p95),
]
WORK = [
    Measure(head="Completed", read=_completed, has_ratio=False),
    Measure(head="In flight (≤)", read=_in_flight, has_ratio=False),
    Measure(head="LLM repeats", read=lambda run: _count(run.repeats.llm_count), has_ratio=False),
    Measure(head="Tool repeats", read=lambda run: _count(run.repeats.tool_count), has_ratio=False),
    Measure(head="Offered/s", read=_offered, has_ratio=False),
    Measure(head="Agents/s", read=lambda run: _rate(run.agents_per_s)),
    Measure(head="Agent p50", read=_agent_p50),
    Measure(head="Agent p95", read=_agent_p95),
]


def _recovery_note() -> str:
    return (
        "Healed after: from the strike until a replacement is healthy. Process start: until the "
        "new worker exists (local pods), or asks the harness who it is (Kubernetes), so that it "
        "and the rest, ready, have no ratio. Victims' resume time: from the strike to the first "
        "newly used step; agents that another pod takes over need not wait for the heal. The doubt "
        "of a ratio comes from the far ends of both intervals of 95 %; it knows nothing of what "
        "else the machine did meanwhile, nor of how one run differs from the next, for which there "
        "is --repeats."
    )


def _work_note(matrix: MatrixResult) -> str:
    parts = [
        "Repeats depend on what a strike met in flight, so they have no ratio. Where a rate was "
        "offered, agents per second cannot exceed it; what a platform can do is seen where all "
        "agents came at once. Where a side is unknown, its figures end with the run.",
    ]
    found = pairs(matrix)
    matched = {column.number for pair in found for column in (pair.local, pair.other)}
    alone = [one for one in columns(matrix) if one.number not in matched]
    if alone:
        named = ", ".join(str(one.number) for one in alone)
        parts.append(f"No run of the same plan on the other platform: run {named}.")
    skipped = dict.fromkeys(
        wording.sentence(pair.other.run.state_reason)
        for pair in found
        if pair.other.run.state == "skipped"
    )
    parts += [f"Skipped: {reason}" for reason in skipped]
    return " ".join(parts)


def _differences(found: tuple[Pair, ...]) -> Table:
    """What the platforms do otherwise, whatever the figures are."""
    judged = [pair for pair in found if pair.is_judged]
    seen = [
        (name, judged[0].local.run.environment, judged[0].other.run.environment)
        for name in ("pods", "daprd")
        if judged
    ]
    rows = [
        *((name, *(one.get(name, NONE) for one in both)) for name, *both in seen),
        *DIFFERENCES,
    ]
    return Table(
        key="platform-differences",
        caption="What a ratio does not say: where the platforms differ",
        head=(
            Head(text="What"),
            Head(text="Local pods", is_long=True),
            Head(text="Kubernetes", is_long=True),
        ),
        rows=tuple(tuple(map(text, map(wording.one_line, row))) for row in rows),
        note="Resuming the agents is the engine's on both, with the same code; all of the above is "
        "in the figures, and none of it is the engine's.",
    )


DIFFERENCES = (
    (
        "who brings a deleted pod back",
        "the harness, at once, under new ports",
        "the cluster: a ReplicaSet or StatefulSet, the scheduler, the kubelet",
    ),
    (
        "what a heal contains",
        "two processes started, and healthy",
        "also a place on a node, the pod's sandbox and network, a volume where slots keep a state, "
        "the injected sidecar, and the image's pull where the node has none (`onceproof cluster` "
        "imports its images, so that nothing is pulled there)",
    ),
    (
        "a container restarted in place",
        "after 0, 1, 2, 4, then 8 s",
        "by the kubelet's own back-off",
    ),
    (
        "Dapr's control plane",
        "of the run, without mTLS, with as many schedulers as the scenario says",
        "the cluster's own, for all its apps, as its chart has it: mTLS and three schedulers "
        "unless told otherwise",
    ),
    (
        "the way to LLM and store",
        "loopback",
        "the pod network, to the harness",
    ),
    (
        "who else uses the machine",
        "the harness; a cluster that is up on the same machine, too",
        "the cluster's own servers; the harness, where it runs on the node",
    ),
    (
        "the nodes",
        "this machine",
        "not counted: a run has no right to list them; `onceproof cluster` has one, so that no pod "
        "moves to another, and none is lost with its node",
    ),
    ("CPU and memory of pods", "measured", "not measured"),
)
