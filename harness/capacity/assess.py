"""The levels of a ladder to one answer: capacity, knee, what binds, what to buy, when it is false.

Where the levels do not carry a number there is none, and a sentence says why. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness import seeds
from harness.capacity.binding import FULL, MACHINE, binding_of, engine_cores, harness_cores
from harness.capacity.knee import agreement_of, knees_of, meets
from harness.capacity.ladder import LEVELS_MIN
from harness.capacity.laws import Quota, drain_s, quota_agents_per_s
from harness.capacity.level import SPREAD_MIN, Reading
from harness.capacity.prices import Prices, Spent, cost_rows
from harness.capacity.purchase import Target, purchase_rows
from harness.capacity.record import (
    FAULT,
    FREE,
    QUOTA,
    Binding,
    CapacityResult,
    Environment,
    FaultCost,
    Level,
    QuotaCeiling,
    Row,
    Skipped,
)
from harness.capacity.sentences import OTHERS_CORES, doubts_of, headline_of
from harness.capacity.usl import Estimate, Scalability, fit_scalability
from harness.results import FaultRow, RunResult, Series

SIDES = (FREE, QUOTA, FAULT)
"""In the order of the page."""
NEAR = 0.95
"""Of the most throughput: saturated levels from here on are the same plateau."""
SLO_TIMES = 2.0
"""The objective without a word from the caller: so many times the p99 of the lowest level."""
STRANGERS_MAX = 0.25
"""Share of the busy cores that strangers may have where the engine is at its most."""
INTERRUPTED = "the ladder was interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was measured, how, and what for."""

    engine: str
    variant: str
    store: str
    scenario: str
    seed: int
    pods: int
    is_one_thread: bool
    """A worker is an interpreter with one lock, so that it can use one core."""
    target: Target
    prices: Prices
    started_utc: str = ""
    duration_s: float = 0.0
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What was measured."""

    readings: Sequence[Reading]
    skipped: Sequence[Skipped] = ()
    fault: RunResult | None = None
    idle: Mapping[str, float] = field(default_factory=dict)
    """Figures of the parked run, as `harness.runner.idle` names them."""
    parked: int = 0
    """Its agents."""
    is_interrupted: bool = False


def assess(asked: Asked, climbed: Climbed) -> CapacityResult:
    """Say what the ladder says; never more."""
    levels, slo_s, slo_source = finished(climbed.readings, asked.target.slo_s)
    free = counting(levels, FREE)
    unknowns = [INTERRUPTED] if climbed.is_interrupted else []
    unknowns += problems_of_levels(levels, free, asked.cores)
    capacity = plateau_of(free, unknowns)
    at_slo = best_within(free, slo_s)
    if at_slo.value is None and free:
        unknowns.append(f"the objective of {slo_s:g} s is missed at the lowest level already")
    bindings = _bindings(asked, levels)
    quota = quota_of(counting(levels, QUOTA), free, asked.target.quota)
    fault = fault_of(climbed.fault, counting(levels, FAULT), capacity)
    repeats = fault.repeats_ratio if fault else 0.0
    purchase: tuple[Row, ...] = ()
    costs: tuple[Row, ...] = ()
    if at_slo.value:
        purchase, contradictions = purchase_rows(
            asked.target, node_per_s=at_slo.value, free=free, repeats_ratio=repeats
        )
        unknowns += contradictions
        costs = costs_of(asked, free, at_slo.value, repeats)
    knees = knees_of(free, slo_s=slo_s)
    result = CapacityResult(
        engine=asked.engine,
        variant=asked.variant,
        store=asked.store,
        scenario=asked.scenario,
        seed=asked.seed,
        started_utc=asked.started_utc,
        duration_s=asked.duration_s,
        command=asked.command,
        exit_code=2 if unknowns else 0,
        headline="",
        slo_s=slo_s,
        slo_source=slo_source,
        pods=asked.pods,
        cores=asked.cores,
        levels=levels,
        skipped=tuple(climbed.skipped),
        unknowns=tuple(dict.fromkeys(unknowns)),
        doubts=(),
        capacity=capacity,
        at_slo=at_slo,
        scalability=scalability_of(free, asked.seed),
        knees=knees,
        knees_text=agreement_of(knees),
        bindings=bindings,
        quota=quota,
        fault=fault,
        node=node_rows(asked, climbed, free, bindings, slo_s),
        purchase=purchase,
        costs=costs,
        environment=tuple(
            Environment(name=name, value=value) for name, value in asked.environment.items()
        ),
    )
    result = replace(result, doubts=tuple(doubts_of(result)))
    return replace(result, headline=headline_of(result))


def scalability_of(free: Sequence[Level], seed: int) -> Scalability:
    """The curve through the levels: agents in flight against agents per second."""
    return fit_scalability(
        np.array([level.in_flight_mean for level in free]),
        np.array([level.throughput.value or 0.0 for level in free]),
        seeds.array_stream(seed, "capacity", "bootstrap"),
    )


def finished(
    readings: Sequence[Reading], slo_s: float | None
) -> tuple[tuple[Level, ...], float, str]:
    """The levels with their goodput, the objective, and where it is from."""
    source = "as asked for"
    if slo_s is None:
        counted = [
            one.level for one in readings if one.level.side == FREE and not one.level.trouble
        ]
        lowest = min(counted, key=lambda level: level.offered_per_s, default=None)
        slo_s = SLO_TIMES * lowest.agent_ms_p99 / 1000 if lowest else 0.0
        slo_s = float(f"{slo_s:.2g}")
        source = f"no --slo: {SLO_TIMES:g} times the p99 of the lowest level"
    levels = sorted(
        (one.within(slo_s) for one in readings),
        key=lambda level: (SIDES.index(level.side), level.offered_per_s, level.run),
    )
    return tuple(levels), slo_s, source


def counting(levels: Sequence[Level], side: str) -> list[Level]:
    """The levels of a side that say something of the engine."""
    return [
        level
        for level in levels
        if level.side == side and not level.trouble and not level.is_generator_full
    ]


def problems_of_levels(levels: Sequence[Level], free: Sequence[Level], cores: int) -> list[str]:
    """Why these levels do not carry a capacity, one sentence each."""
    problems = [f"{level.run}: {level.trouble}" for level in levels if level.trouble]
    loads = {level.offered_per_s for level in free}
    if len(loads) < LEVELS_MIN:
        problems.append(
            f"{len(loads)} levels without a quota count, at least {LEVELS_MIN} are needed; "
            "raise --levels or --minutes"
        )
    full = [level for level in levels if level.side == FREE and level.is_generator_full]
    saturated = [level for level in free if level.is_saturated]
    if full and not saturated:
        one = min(full, key=lambda level: level.offered_per_s)
        problems.append(f"the harness was full before the engine: {fullness_of(one)}")
    elif free and not saturated:
        last = max(free, key=lambda level: level.offered_per_s)
        problems.append(
            f"the ladder never saturated: at {last.offered_per_s:g}/s, its last level, throughput "
            "still followed; raise --minutes or --levels"
        )
    top = max(free, key=lambda level: level.throughput.value or 0.0, default=None)
    is_full = top is not None and top.machine_cores >= FULL * cores
    if top and saturated and is_full and top.others_cores > STRANGERS_MAX * top.machine_cores:
        problems.append(
            f"the machine was not the engine's: strangers took {top.others_cores:.2f} of the "
            f"{top.machine_cores:.2f} cores that were busy at the most throughput, so that its "
            "capacity is a lower bound; measure on a quiet machine"
        )
    problems += [
        f"Little's law fails at {level.offered_per_s:g}/s: {level.little.text}"
        for level in free
        if level.little and level.little.state == "fails" and "wrong" in level.little.text
    ]
    return problems


def fullness_of(level: Level) -> str:
    """How the harness was at its end, with the figures."""
    used = {one.kind: one.cores for one in level.used}
    parts = [
        f"{kind} took {used[kind]:.2f} of its one core"
        for kind in ("driver", "witness", "harness")
        if used.get(kind, 0.0) > 0.5
    ]
    return (
        f"at {level.offered_per_s:g}/s it sent {level.sent_per_s:.3g} of "
        f"{level.arrived_per_s:.3g}/s, p99 of its lateness {level.lateness_ms_p99:.0f} ms"
        + (f"; {', '.join(parts)}" if parts else "")
    )


def plateau_of(free: Sequence[Level], unknowns: Sequence[str]) -> Estimate:
    """The most throughput: the mean of all saturated runs that are near the best of them."""
    saturated = [level.throughput for level in free if level.is_saturated]
    values = [one for one in saturated if one.value is not None]
    if not values or len({level.offered_per_s for level in free}) < LEVELS_MIN:
        return Estimate(value=None, reason=unknowns[0] if unknowns else "no level is saturated")
    best = max(one.value or 0.0 for one in values)
    near = [one for one in values if (one.value or 0.0) >= NEAR * best]
    mean = float(np.mean([one.value for one in near]))
    return Estimate(
        value=round(mean, 3),
        low=round(min(*(one.low for one in near), mean * (1 - SPREAD_MIN)), 3),
        high=round(max(*(one.high for one in near), mean * (1 + SPREAD_MIN)), 3),
        reason=f"saturated runs within {1 - NEAR:.0%} of the best, {len(near)} in all; from the "
        "lowest to the highest end of their intervals",
    )


def best_within(free: Sequence[Level], slo_s: float) -> Estimate:
    """The most goodput among the levels that keep the objective, up to the first that does not."""
    kept: list[Level] = []
    for level in sorted(free, key=lambda one: one.offered_per_s):
        if not meets(level, slo_s):
            break
        kept.append(level)
    if not kept:
        return Estimate(value=None, reason="no level keeps the objective")
    best = max(kept, key=lambda level: level.goodput_per_s)
    ended = best.throughput.value or 1.0
    # Goodput counts who arrived in the window, throughput who ended: the smaller can be sustained.
    value = min(best.goodput_per_s, ended)
    return Estimate(
        value=value,
        low=round(value * best.throughput.low / ended, 3),
        high=round(value * best.throughput.high / ended, 3),
        reason=f"the level of {best.offered_per_s:g}/s; the interval is that of its throughput",
    )


def quota_of(levels: Sequence[Level], free: Sequence[Level], named: Quota) -> QuotaCeiling | None:
    """What the quota allows in closed form, and the most that was reached under it.

    A quota that was named and never climbed, since it does not bind, has its closed form alone.
    """
    if not levels and not (named.is_there and free):
        return None
    best = max(levels or free, key=lambda level: level.throughput.value or 0.0)
    quota = named
    if levels:
        quota = Quota(requests_per_min=best.requests_per_min, tokens_per_min=best.tokens_per_min)
    ceiling, which = quota_agents_per_s(
        quota,
        requests_per_agent=best.calls_per_agent,
        tokens_per_agent=best.prompt_tokens_per_agent,
    )
    floor = ceiling
    if which == "requests" and best.calls_per_agent:
        refused = best.requests_per_s * best.limited_ratio
        floor = max(0.0, ceiling - refused / best.calls_per_agent)
    is_reached = any(level.is_saturated for level in levels)
    measured = plateau_of_quota(levels) if is_reached else None
    text = (
        f"{ceiling:.3g} agents/s by {which} a minute; refused requests may cost up to "
        f"{ceiling - floor:.3g} of that"
    )
    return QuotaCeiling(
        requests_per_min=quota.requests_per_min,
        tokens_per_min=quota.tokens_per_min,
        limit=which,
        calls_per_agent=best.calls_per_agent,
        tokens_per_agent=best.prompt_tokens_per_agent,
        ceiling_per_s=round(ceiling, 3),
        floor_per_s=round(floor, 3),
        measured=measured or Estimate(value=None, reason="no level under the quota was saturated"),
        text=text,
    )


def plateau_of_quota(levels: Sequence[Level]) -> Estimate:
    """As `plateau_of`, for the few levels under a quota."""
    near = [level.throughput for level in levels if level.is_saturated]
    mean = float(np.mean([one.value or 0.0 for one in near]))
    return Estimate(
        value=round(mean, 3),
        low=round(min(one.low for one in near), 3),
        high=round(max(one.high for one in near), 3),
        reason=f"saturated runs under the quota, {len(near)} in all",
    )


def fault_of(
    run: RunResult | None, levels: Sequence[Level], capacity: Estimate
) -> FaultCost | None:
    """What the killed pod cost; None where no fault struck."""
    if run is None or not levels:
        return None
    struck = [fault for fault in run.faults if fault.fired_s >= 0 and fault.healed_s >= 0]
    if not struck:
        return None
    level = levels[0]
    outage = max(fault.healed_s - fault.fired_s for fault in struck)
    if capacity.value is None:
        drain = Estimate(value=None, reason="no capacity, no headroom")
    else:
        ends = [
            drain_s(outage_s=outage, offered_per_s=level.offered_per_s, capacity_per_s=each)
            for each in (capacity.high, capacity.value, capacity.low)
        ]
        drain = (
            Estimate(
                value=round(ends[1], 2),
                low=round(ends[0], 2),
                high=round(ends[2], 2),
                reason="offered x outage / (capacity - offered), by the interval of the capacity",
            )
            if ends[2] < 1e6
            else Estimate(value=None, reason="at this load a backlog may never drain")
        )
    return FaultCost(
        offered_per_s=level.offered_per_s,
        kills_count=len(struck),
        resume_s_p50=run.resume.ms_p50 / 1000 if run.resume.count else -1.0,
        resume_s_max=run.resume.ms_max / 1000 if run.resume.count else -1.0,
        outage_s_max=round(outage, 3),
        during_per_s=during_faults(run.series, struck),
        repeats_ratio=level.repeats_ratio,
        drain_s=drain,
    )


def during_faults(series: Series, struck: Sequence[FaultRow]) -> float:
    """Mean of the bins of ended agents whose middle lies in a fault window; -1 of none."""
    inside = [
        ended
        for start, ended in zip(series.start_s, series.ended_per_s, strict=True)
        if any(one.fired_s <= start + series.bin_s / 2 <= one.healed_s for one in struck)
    ]
    return round(sum(inside) / len(inside), 3) if inside else -1.0


def costs_of(
    asked: Asked, free: Sequence[Level], node_per_s: float, repeats: float
) -> tuple[Row, ...]:
    """Of one node used as the target says: more nodes do more agents for more money."""
    last = max(free, key=lambda level: level.window_s)
    spent = Spent(
        calls=last.calls_per_agent,
        prompt_tokens=last.prompt_tokens_per_agent,
        completion_tokens=last.completion_tokens_per_agent,
        repeats_ratio=repeats,
    )
    return cost_rows(spent, asked.prices, nodes=1, agents_per_s=asked.target.use_ratio * node_per_s)


def _bindings(asked: Asked, levels: Sequence[Level]) -> tuple[Binding, ...]:
    found = (
        binding_of(
            side,
            counting(levels, side),
            cores=asked.cores,
            is_one_thread=asked.is_one_thread,
        )
        for side in (FREE, QUOTA)
    )
    return tuple(one for one in found if one is not None)


def node_rows(
    asked: Asked,
    climbed: Climbed,
    free: Sequence[Level],
    bindings: Sequence[Binding],
    slo_s: float,
) -> tuple[Row, ...]:
    """Agents per node: active, parked, and what the harness beside took from it."""
    rows = []
    good = [level for level in free if meets(level, slo_s)]
    if good:
        best = max(good, key=lambda level: level.goodput_per_s)
        rows.append(
            Row(
                name="active agents at the objective",
                value=f"{best.in_flight_mean:.0f}",
                text=f"in flight on average at {best.arrived_per_s:.3g}/s; peak memory "
                f"{best.rss_mb:,.0f} MB in all processes that the engine needs",
            )
        )
    rows.append(_parked(climbed))
    top = max(free, key=lambda level: level.throughput.value or 0.0, default=None)
    is_ours = top is not None and top.others_cores <= OTHERS_CORES * asked.cores
    if top and is_ours and bindings[0].what == MACHINE and bindings[0].side == FREE:
        alone = asked.cores * (top.throughput.value or 0.0) / max(engine_cores(top), 1e-9)
        rows.append(
            Row(
                name="without the harness beside it",
                value=f"up to {alone:.3g} agents/s",
                text=f"by the utilisation law, not measured: the harness and the mock LLM took "
                f"{harness_cores(top):.2f} of the {asked.cores} cores",
            )
        )
    return tuple(rows)


def _parked(climbed: Climbed) -> Row:
    name = "parked agents"
    grown = {
        kind: climbed.idle[f"rss_mb.{kind}.parked"] - climbed.idle.get(f"rss_mb.{kind}.before", 0.0)
        for kind in (
            key.split(".")[1] for key in climbed.idle if key.endswith(".parked") and "rss" in key
        )
        if kind not in ("driver", "witness")
    }
    if not climbed.parked or not grown:
        return Row(name=name, value="not measured", text="ask for it: --parked 300")
    each_kb = sum(grown.values()) * 1024 / climbed.parked
    text = (
        f"{climbed.parked} waited for an event; resident memory grew by {sum(grown.values()):.0f} "
        "MB over all processes of the engine"
    )
    if each_kb <= 0:
        return Row(name=name, value="no limit seen", text=text)
    return Row(
        name=name,
        value=f"{2**20 / each_kb:,.0f} a GiB",
        text=f"{each_kb:.1f} kB each: {text}; the step from 0 agents is in it, so this is low",
    )
