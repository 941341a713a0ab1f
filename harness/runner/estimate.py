"""How long runs will take, before they start and while they go on; minutes, not promises.

Called by the command line for the lines "about 12 min". What ran already corrects what is to come:
a machine that took twice as long for its first runs is likely to do so again.
"""

from harness.runner.order import Order, brokers_of, engine_of

SET_UP_S, DAPR_S, END_S = 3.0, 9.0, 4.0
"""Measured on 2 cores: pods alone; control plane and sidecars on top; tearing down and judging."""
STRIKE_S, DRAIN = 1.0, 1.5
"""A strike delays little; the last agents take longer than the median."""
SWAP_S, COLLECT_S = 9.0, 10.0
"""Of a broker: drained, and all pods restarted in turn; emptied when the run is over."""
SWEEP_STRIKE_S, CALLS_OF_A_SWEEP = 3.0, 7
"""In a sweep one strike after the other, on each call of one program."""
RATE_GUESS_PER_S = 12.0
"""Agents per second where only a warm-up can tell."""
PRIOR_S = 30.0
"""Seconds of belief in the estimate, before a run of this command has shown otherwise."""


def estimate_s(order: Order) -> float:
    """Seconds of one run on a quiet machine of two cores."""
    scenario = order.scenario
    load, llm = scenario.load, scenario.llm
    one_agent_s = scenario.steps * llm.latency_ms / 1000
    arrivals_s = load.agents / (load.rate_per_s or RATE_GUESS_PER_S)
    if llm.requests_per_min:
        arrivals_s = max(arrivals_s, load.agents * scenario.steps * 60 / llm.requests_per_min)
    strikes_s = sum(fault.count * (SWAP_S if fault.to else STRIKE_S) for fault in scenario.faults)
    collect_s = COLLECT_S * len(brokers_of(scenario, order.cell))
    if order.sweep is not None:
        cells = len(order.sweep.victims) * len(order.sweep.points) * CALLS_OF_A_SWEEP
        arrivals_s, strikes_s = 0.0, SWEEP_STRIKE_S * cells * order.sweep.repeats
    warm_up_s = load.warm_up_agents / RATE_GUESS_PER_S + one_agent_s if load.warm_up_agents else 0.0
    set_up_s = SET_UP_S + (DAPR_S if engine_of(order).needs_dapr else 0.0)
    return set_up_s + warm_up_s + arrivals_s + DRAIN * one_agent_s + strikes_s + collect_s + END_S


def corrected_s(left_s: float, estimated_s: float, took_s: float) -> float:
    """What is left, if it goes on as what is done did; a short past counts for little."""
    return left_s * (took_s + PRIOR_S) / (estimated_s + PRIOR_S)


def about(seconds: float) -> str:
    """For people: 40 s, 3 min, 1 h 20 min."""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
