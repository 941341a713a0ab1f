"""The sentences of a capacity report: its headline, and when its answer is false. Pure."""

from collections.abc import Iterator

from harness.capacity.record import FREE, CapacityResult, Level

OTHERS_CORES = 0.1
"""Cores that strangers may take before it is a doubt, by the machine's."""


def headline_of(result: CapacityResult) -> str:
    """One sentence: how many agents, and what stops them; or why there is no number."""
    who = f"{result.engine}:{result.variant}"
    if result.capacity.value is None:
        return f"{who}: no capacity is stated: {result.capacity.reason}."
    one = result.capacity
    found = (
        f"{who}: {one.value:.3g} agents/s ({one.low:.3g} to {one.high:.3g}) on {result.cores} "
        f"cores without a quota"
    )
    free = next((binding for binding in result.bindings if binding.side == FREE), None)
    stops = f"; what stops them is {free.text}" if free else ""
    unknown = f". Unknown all the same: {result.unknowns[0]}" if result.unknowns else ""
    return f"{found}{stops}{unknown}."


def doubts_of(result: CapacityResult) -> Iterator[str]:
    """When the answer is false, one sentence each; the measured range always comes first."""
    counted = [one for one in result.levels if one.side == FREE and not one.trouble]
    if counted:
        low, high = (
            pick(counted, key=lambda level: level.arrived_per_s).arrived_per_s
            for pick in (min, max)
        )
        most = max(level.in_flight_mean for level in counted)
        yield (
            f"Measured from {low:.3g} to {high:.3g} agents/s and up to {most:.0f} in flight; "
            "beyond that nothing is known."
        )
    yield (
        f"Measured on one machine of {result.cores} cores with {result.pods} pods, with this "
        "scenario's programs and LLM latency. Several nodes share a store and a network, which no "
        "figure here has seen."
    )
    others = [one.others_cores for one in counted]
    if others and max(others) > OTHERS_CORES * result.cores:
        yield (
            f"Strangers took {min(others):.2f} to {max(others):.2f} of {result.cores} cores while "
            "levels ran: the engine had less."
        )
    for level in counted:
        if level.is_generator_full:
            yield f"The harness was full at {level.offered_per_s:g}/s: that level does not count."
    if counted:
        yield _generator(counted)
    runs: dict[float, int] = {}
    for level in counted:
        runs[level.offered_per_s] = runs.get(level.offered_per_s, 0) + 1
    if runs and max(runs.values()) < 3:
        yield (
            "Fewer than three runs a level: an interval shows how a run scatters in itself, "
            "hardly how runs differ; see --repeats."
        )


def _generator(levels: list[Level]) -> str:
    worst = max(levels, key=lambda level: level.lateness_ms_p99)
    ratios = [level.sent_per_s / level.arrived_per_s for level in levels if level.arrived_per_s > 0]
    cpu = max(
        (one.cores for level in levels for one in level.used if one.kind == "driver"), default=0.0
    )
    return (
        f"The generator's own error: p99 of its lateness up to {worst.lateness_ms_p99:.0f} ms, "
        f"{min(ratios, default=0.0):.1%} or more of the load sent in time, up to {cpu:.2f} of its "
        "one core."
    )
