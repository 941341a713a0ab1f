"""The tables of one run: agents, throughput by phase, latency, faults, repeats.

Pure; `reports.overview` has the tables over all runs. A number that rests on too few samples is a
dash, never a guess.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.results import Distribution, FaultRow, RunResult, Series
from reports import intervals, messages, wording
from reports.client import client_table
from reports.compare import kind_of_pod
from reports.footprint import footprint
from reports.intervals import mean_range
from reports.stores import store_table
from reports.tables import Head, Table, Value, number, text
from reports.tracing import tracing_table
from reports.wording import NONE, count, counted, decimal, milliseconds, percent, seconds

P95_MIN_COUNT = 20
P99_MIN_COUNT = 100
"""Fewer samples have no such percentile but their maximum."""
LATENCIES = {
    "agent": "agent: intended start to end",
    "start": "start: first POST to accepted",
    "step": "LLM request: begin to answer",
    "lateness": "driver: intended start to first POST",
    "wake": "wake: event sent to the next LLM request of the agent that waits for it",
    "message": "message: acknowledged to first delivered",
    "timer": "timer: due time to the next LLM request",
}
"""What the distributions of the results measure, by name; other names are shown as they are."""
RANGE_NOTE = (
    "Below a percentile stands its interval of 95 %, by order statistics, which takes samples as "
    "independent; it is left out where there are too few."
)
PHASES = {
    "before": "before the first fault",
    "during": "inside fault windows",
    "between": "between fault windows",
    "after": "after the last heal",
    "drain": "after the last arrival",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A fault window on the time axis, seconds after the begin of the load."""

    name: str
    begin_s: float
    end_s: float
    is_healed: bool


def windows(run: RunResult) -> tuple[Window, ...]:
    """The windows of faults that fired; one that never healed lasts to the end of the series."""
    end_s = series_end_s(run.series)
    return tuple(
        Window(
            name=fault.name,
            begin_s=fault.fired_s,
            end_s=fault.healed_s if fault.healed_s >= 0 else max(end_s, fault.fired_s),
            is_healed=fault.healed_s >= 0,
        )
        for fault in run.faults
        if fault.fired_s >= 0
    )


def series_end_s(series: Series) -> float:
    """End of the last bin; 0 without bins."""
    return series.start_s[-1] + series.bin_s if series.start_s else 0.0


def phase_of_bins(run: RunResult) -> tuple[str, ...]:
    """The phase of each bin; a bin that touches a fault window is inside it."""
    series, struck = run.series, windows(run)
    first_s = min((window.begin_s for window in struck), default=float("inf"))
    last_s = max((window.end_s for window in struck), default=float("-inf"))
    arrivals = [s for s, rate in zip(series.start_s, series.started_per_s, strict=True) if rate > 0]
    last_arrival_s = arrivals[-1] if arrivals and run.offered_per_s > 0 else float("inf")

    def phase(begin_s: float) -> str:
        end_s = begin_s + series.bin_s
        if any(window.begin_s < end_s and window.end_s > begin_s for window in struck):
            return "during"
        if begin_s > last_arrival_s:
            return "drain"
        if end_s <= first_s:
            return "before"
        return "after" if begin_s >= last_s else "between"

    return tuple(phase(begin_s) for begin_s in series.start_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMeans:
    """Mean rates of one phase, with their intervals where there are bins enough."""

    title: str
    steps: float
    steps_range: tuple[float, float] | None
    ended: float
    ended_range: tuple[float, float] | None


def phase_means(run: RunResult) -> tuple[PhaseMeans, ...]:
    """The phases relative to the faults, in order; none for a run without faults."""
    if not windows(run):
        return ()
    phases = phase_of_bins(run)
    found = []
    for key, title in PHASES.items():
        picked = [index for index, phase in enumerate(phases) if phase == key]
        if picked:
            steps = [run.series.steps_per_s[index] for index in picked]
            ended = [run.series.ended_per_s[index] for index in picked]
            found.append(
                PhaseMeans(
                    title=title,
                    steps=sum(steps) / len(steps),
                    steps_range=mean_range(steps),
                    ended=sum(ended) / len(ended),
                    ended_range=mean_range(ended),
                )
            )
    return tuple(found)


def offered_steps(run: RunResult) -> list[float]:
    """Steps per second in each bin up to the last arrival; all bins when all came at once."""
    series = run.series
    arrivals = [index for index, rate in enumerate(series.started_per_s) if rate > 0]
    is_spread = run.offered_per_s > 0 and arrivals
    return list(series.steps_per_s[: arrivals[-1] + 1] if is_spread else series.steps_per_s)


def throughput(run: RunResult) -> Table | None:
    """Rates by phase relative to the faults; None without a series."""
    series = run.series
    if not series.start_s:
        return None
    phases = phase_of_bins(run)
    has_faults = bool(windows(run))

    def row(title: str, picked: list[int]) -> tuple[Value, ...]:
        def mean(values: tuple[float, ...]) -> Value:
            chosen = [values[index] for index in picked]
            rate = sum(chosen) / len(picked)
            return number(decimal(rate), rate, doubt=_between(mean_range(chosen), decimal))

        span_s = len(picked) * series.bin_s
        return (
            text(title),
            number(seconds(span_s), span_s),
            mean(series.steps_per_s),
            mean(series.started_per_s),
            mean(series.ended_per_s),
            mean(series.limited_per_s),
            mean(series.running),
        )

    rows = []
    for key, title in PHASES.items() if has_faults else ():
        picked = [index for index, phase in enumerate(phases) if phase == key]
        if picked:
            rows.append(row(title, picked))
    return Table(
        key="throughput",
        caption="Throughput before, during and after the faults" if has_faults else "Throughput",
        head=(
            Head(text="Phase"),
            Head(text="Length", is_number=True),
            Head(text="Steps/s", is_number=True),
            Head(text="Agents started/s", is_number=True),
            Head(text="Agents ended/s", is_number=True),
            Head(text="429/s", is_number=True),
            Head(text="Agents running", is_number=True),
        ),
        rows=tuple(rows),
        foot=(row("whole run", list(range(len(phases)))),),
        note=f"Means over bins of {seconds(series.bin_s)}; a bin that touches a fault window "
        "counts as inside it. Few agents are left after the last arrival, so rates fall there "
        f"without any fault. {intervals.NOTE}",
    )


def latency(run: RunResult) -> Table | None:
    """Durations that were measured, victim resume time last; None without any."""
    found = [entry for entry in run.latencies if entry.count > 0]
    rows = [distribution_row(entry) for entry in found]
    if run.resume.count > 0:
        rows.append(distribution_row(run.resume, title="victim resume time"))
    if not rows:
        return None
    return Table(
        key="latency",
        caption="Latency, and how long struck agents stood still",
        head=(
            Head(text="What"),
            Head(text="Samples", is_number=True),
            Head(text="p50", is_number=True),
            Head(text="p95", is_number=True),
            Head(text="p99", is_number=True),
            Head(text="Maximum", is_number=True),
        ),
        rows=tuple(rows),
        note="Agents are timed from their intended start, so that a late driver or a stalled "
        "engine cannot hide. Victim resume time runs from the fault to the first newly used step "
        f"of each exposed agent. {resume_line(run)} A percentile needs {P95_MIN_COUNT} samples "
        f"for p95, {P99_MIN_COUNT} for p99; else {NONE}. {RANGE_NOTE}",
    )


def distribution_row(entry: Distribution, title: str = "") -> tuple[Value, ...]:
    """Percentiles of one set of durations."""

    def shown(value: float, needed: int, found: tuple[float, float] | None) -> Value:
        if entry.count < needed:
            return number(NONE, -1)
        return number(milliseconds(value), value, doubt=_between(found, milliseconds))

    return (
        text(wording.one_line(title or LATENCIES.get(entry.name, entry.name))),
        number(count(entry.count), entry.count),
        shown(entry.ms_p50, 1, entry.ms_p50_range),
        shown(entry.ms_p95, P95_MIN_COUNT, entry.ms_p95_range),
        shown(entry.ms_p99, P99_MIN_COUNT, entry.ms_p99_range),
        shown(entry.ms_max, 1, None),
    )


def _between(found: tuple[float, float] | None, shown: Callable[[float], str]) -> str:
    """The doubt beside a number; empty where it is not known."""
    return f"{shown(found[0])} to {shown(found[1])}" if found else ""


def resume_line(run: RunResult) -> str:
    """Who brought the struck agents back."""
    return {
        "native": "The engine resumed its agents by itself (native).",
        "assisted": "The supervisor re-submitted the agents, as this engine's documentation "
        "tells its users to (assisted).",
        "none": "Nobody resumes agents of this engine (none).",
    }.get(run.recovery_kind, f"Recovery: {wording.one_line(run.recovery_kind) or 'unstated'}.")


def faults(run: RunResult) -> Table | None:
    """Every planned fault as it struck, with its proof; None when none was planned."""
    if not run.faults:
        return None
    fired = sum(fault.fired_s >= 0 for fault in run.faults)
    planned = max(run.faults_planned, len(run.faults))
    places = list(itertools.accumulate(int(fault.fired_s >= 0) for fault in run.faults))
    exposed = sum(max(fault.in_flight_count, 0) for fault in run.faults)
    return Table(
        key="faults",
        caption=f"Faults: {fired} of {counted(planned, 'planned fault')} "
        f"fired, {counted(exposed, 'step')} in flight on the victims",
        head=(
            Head(text="Fault"),
            Head(text="Window", is_number=True),
            Head(text="Victim"),
            Head(text="Fired at", is_number=True),
            Head(text="Healed after", is_number=True),
            Head(text="Parts of the heal", is_long=True),
            Head(text="In flight (≤)", is_number=True),
            Head(text="Resumed p50", is_number=True),
            Head(text="Resumed max", is_number=True),
            Head(text="Repeats", is_number=True),
            Head(text="Proof", is_long=True),
        ),
        rows=tuple(
            _fault_row(fault, place) for fault, place in zip(run.faults, places, strict=True)
        ),
        is_sortable=True,
        note="Times count from the begin of the load. In flight = begun on the victim and not yet "
        "used when the fault struck: an upper bound. Restarting a pod is the platform's part and "
        "the same for every engine; resuming its agents is the engine's.",
    )


def _fault_row(fault: FaultRow, place: int) -> tuple[Value, ...]:
    has_fired = fault.fired_s >= 0
    window_s = fault.healed_s - fault.fired_s if has_fired and fault.healed_s >= 0 else -1.0
    healed = seconds(window_s) if window_s >= 0 else "never" if has_fired else NONE
    parts = [
        f"{wording.one_line(k.replace('_', ' '))} {seconds(v)}" for k, v in fault.parts_s.items()
    ]
    is_exposed = has_fired and fault.resume_s_p50 >= 0
    return (
        text(wording.one_line(fault.name), is_code=True),
        number(str(place) if has_fired else NONE, place if has_fired else -1),
        text(wording.one_line(", ".join(fault.victims)) or NONE, is_code=bool(fault.victims)),
        number(f"{fault.fired_s:.1f} s", fault.fired_s)
        if has_fired
        else Value(text="never fired", sort=-1, tone="bad"),
        number(healed, window_s, tone="bad" if healed == "never" else ""),
        text("; ".join(parts) or NONE),
        number(count(fault.in_flight_count) if has_fired else NONE, fault.in_flight_count),
        number(seconds(fault.resume_s_p50) if is_exposed else NONE, fault.resume_s_p50),
        number(seconds(fault.resume_s_max) if is_exposed else NONE, fault.resume_s_max),
        number(count(fault.repeats_count) if has_fired else NONE, fault.repeats_count),
        text(wording.one_line(fault.proof) or "no proof", tone="" if fault.proof else "bad"),
    )


def repeats(run: RunResult) -> Table:
    """Work done more than once, and its price."""
    return Table(
        key="repeats",
        caption=f"Repeats and their price, over {counted(run.steps_used, 'used step')}",
        head=(
            Head(text="What"),
            Head(text="Count", is_number=True),
            Head(text="Meaning", is_long=True),
        ),
        rows=(*_repeat_rows(run), *_price_rows(run)),
        note="Tokens are counted as the mock LLM prices them; no price per token is assumed.",
    )


def _repeat_rows(run: RunResult) -> Iterator[tuple[Value, ...]]:
    found = run.repeats
    for title, value, meaning in (
        ("LLM calls repeated", found.llm_count, "executions beyond the first; they cost money"),
        ("tool calls repeated", found.tool_count, "executions beyond the first; they do harm"),
        ("effects applied again", found.tool_applied_extra_count, "applied beyond the first"),
        (
            "repeats off the victim",
            found.non_victim_count,
            "inside a fault window, on another pod: legal, and listed apart",
        ),
    ):
        yield text(title), number(count(value), value), text(meaning)


def _price_rows(run: RunResult) -> Iterator[tuple[Value, ...]]:
    found = run.repeats
    tokens = found.useful_tokens + found.wasted_tokens + found.auxiliary_tokens

    def share(part: int, whole: int) -> str:
        return f"{count(part)} ({percent(part / whole)})" if whole else count(part)

    yield (
        text("tokens wasted"),
        number(share(found.wasted_tokens, tokens), found.wasted_tokens),
        text(f"in answers that nobody used, beside {count(found.useful_tokens)} useful tokens"),
    )
    yield (
        text("auxiliary tokens"),
        number(share(found.auxiliary_tokens, tokens), found.auxiliary_tokens),
        text(f"{counted(found.auxiliary_count, 'call')} of the framework itself, never a step"),
    )
    yield (
        text("LLM requests per used step"),
        number(f"{found.requests_per_used_step:.3f}", found.requests_per_used_step),
        text(f"429 answers included; {counted(found.requests_count, 'request')} of all kinds"),
    )
    yield (
        text("answered 429"),
        number(share(found.limited_count, found.requests_count), found.limited_count),
        text("the rate limit said no; no effect, no price"),
    )


def agents(run: RunResult) -> Table:
    """What became of the agents and their steps."""

    def row(title: str, value: int, total: int) -> tuple[Value, ...]:
        share = percent(value / total) if total else NONE
        return text(title), number(count(value), value), text(share)

    return Table(
        key="agents",
        caption="What became of the agents",
        head=(
            Head(text="Agents and steps"),
            Head(text="Count", is_number=True),
            Head(text="Share", is_number=True),
        ),
        rows=(
            row("agents planned", run.agents_planned, run.agents_planned),
            row("accepted by the engine", run.agents_accepted, run.agents_planned),
            row("completed", run.agents_completed, run.agents_accepted),
            row("gave up (failed)", run.agents_failed, run.agents_accepted),
            row("never ended", run.agents_unfinished, run.agents_accepted),
            row("steps used, of those expected", run.steps_used, run.steps_expected),
        ),
        note=_load_note(run),
    )


def _load_note(run: RunResult) -> str:
    offered = (
        f"{decimal(run.offered_per_s)} agents/s offered"
        if run.offered_per_s > 0
        else "all agents offered at once"
    )
    parts = [
        f"{offered} on {counted(run.pods, kind_of_pod(run))}",
        f"{decimal(run.agents_per_s)} agents/s and {decimal(run.steps_per_s)} steps/s over "
        f"{seconds(run.load_s)}",
    ]
    if run.capacity_per_s > 0:
        parts.append(f"the warm-up ended {decimal(run.capacity_per_s)} agents/s")
    if run.lateness_ms_p99 >= 0:
        parts.append(f"99 % of starts were sent at most {milliseconds(run.lateness_ms_p99)} late")
    return wording.sentence("; ".join(parts))


def tables(run: RunResult) -> tuple[Table, ...]:
    """All tables of a judged run, in reading order."""
    found: Iterable[Table | None] = (
        agents(run),
        throughput(run),
        latency(run),
        faults(run),
        *messages.tables(run),
        repeats(run),
        client_table(run),
        tracing_table(run),
        store_table(run),
        footprint(run),
    )
    return tuple(table for table in found if table is not None)
