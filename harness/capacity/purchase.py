"""What to buy for a target: nodes with one to spare, quota, what is full before. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.capacity.binding import cpu_s_per_agent
from harness.capacity.laws import Quota, quota_agents_per_s, quota_for
from harness.capacity.record import Level, Row

NO_QUOTA = Quota()
SHARED = {"redis": 1.0}
"""Kinds of which there is one for all nodes -> cores that it can use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the caller wants."""

    agents_per_s: float | None = None
    """None plans for what one node does."""
    slo_s: float | None = None
    """p99 from the intended start to the end; None takes one from the lowest level."""
    use_ratio: float = 0.7
    """Share of its capacity to which a node, or a quota, is used."""
    nodes_max: int | None = None
    quota: Quota = NO_QUOTA


def problems_of_target(target: Target, *, calls_per_agent: float, least_s: float) -> list[str]:
    """What no measurement can mend, one sentence each: found before anything is started.

    ``calls_per_agent`` and ``least_s`` follow from the programs and from the LLM's latency.
    """
    problems = []
    if target.agents_per_s is not None and not 0 < target.agents_per_s < math.inf:
        problems.append(f"--target is {target.agents_per_s:g}, expected above 0")
    if not 0 < target.use_ratio <= 1:
        problems.append(f"--use is {target.use_ratio:g}, expected above 0 and at most 1")
    if target.nodes_max is not None and target.nodes_max < 1:
        problems.append(f"--nodes-max is {target.nodes_max}, expected at least 1")
    for name, limit in (
        ("rpm", target.quota.requests_per_min),
        ("tpm", target.quota.tokens_per_min),
    ):
        if limit is not None and limit < 1:
            problems.append(f"--{name} is {limit}, expected at least 1")
    if target.slo_s is not None and target.slo_s <= least_s:
        problems.append(
            f"--slo is {target.slo_s:g} s, and the LLM alone takes an agent {least_s:.3g} s: "
            "no number of nodes helps; raise --slo or lower llm.latency_ms"
        )
    if problems or target.agents_per_s is None:
        return problems
    allowed, which = quota_agents_per_s(
        Quota(requests_per_min=target.quota.requests_per_min),
        requests_per_agent=calls_per_agent,
        tokens_per_agent=0.0,
    )
    if which and target.agents_per_s > allowed:
        needed = quota_for(target.agents_per_s, per_agent=calls_per_agent, use_ratio=1.0)
        problems.append(
            f"--target {target.agents_per_s:g} and --rpm {target.quota.requests_per_min} "
            f"contradict each other: {target.agents_per_s:g} agents/s of {calls_per_agent:g} calls "
            f"need {needed:,} requests a minute, so this quota allows {allowed:.3g} agents/s"
        )
    return problems


def nodes_for(agents_per_s: float, *, node_per_s: float, use_ratio: float) -> int:
    """Nodes so that all but one carry the load at ``use_ratio``: N + 1."""
    return max(1, math.ceil(agents_per_s / (use_ratio * node_per_s) - 1e-9)) + 1


def purchase_rows(
    target: Target, *, node_per_s: float, free: Sequence[Level], repeats_ratio: float
) -> tuple[tuple[Row, ...], list[str]]:
    """What to buy, and what contradicts the target; ``node_per_s`` is goodput of one node."""
    wanted = target.agents_per_s or target.use_ratio * node_per_s
    nodes = nodes_for(wanted, node_per_s=node_per_s, use_ratio=target.use_ratio)
    last = max(free, key=lambda level: level.window_s)
    more = 1 + repeats_ratio
    requests = quota_for(wanted, per_agent=last.calls_per_agent * more, use_ratio=target.use_ratio)
    tokens = quota_for(
        wanted, per_agent=last.prompt_tokens_per_agent * more, use_ratio=target.use_ratio
    )
    rows = [
        Row(
            name="target",
            value=f"{wanted:.3g} agents/s",
            text="as asked for"
            if target.agents_per_s
            else f"no --target: what one node does, used to {target.use_ratio:.0%}",
        ),
        Row(
            name="nodes",
            value=str(nodes),
            text=f"{nodes - 1} carry it at {target.use_ratio:.0%} of {node_per_s:.3g} agents/s "
            "each, one is to spare; pods and sidecars on each as measured",
        ),
        Row(
            name="requests a minute",
            value=f"{requests:,}",
            text=f"{last.calls_per_agent:.2f} calls an agent, {repeats_ratio:.2%} repeats, quota "
            f"used to {target.use_ratio:.0%}",
        ),
        Row(
            name="tokens a minute",
            value=f"{tokens:,}",
            text=f"{last.prompt_tokens_per_agent:,.0f} tokens an agent charged before it runs; a "
            "max_tokens that is larger than the prompt is charged instead",
        ),
    ]
    contradictions = []
    if target.nodes_max is not None and nodes > target.nodes_max:
        contradictions.append(
            f"{wanted:.3g} agents/s need {nodes} nodes with one to spare, and --nodes-max is "
            f"{target.nodes_max}"
        )
    return (*rows, *_shared_rows(target, wanted, free)), contradictions


def _shared_rows(target: Target, wanted: float, free: Sequence[Level]) -> Iterator[Row]:
    """Where one of a kind is full, by the CPU that an agent takes of it."""
    for kind, cores in SHARED.items():
        each = cpu_s_per_agent(free, [kind])
        if each <= 0:
            continue
        full = target.use_ratio * cores / each
        more = "; the target is above that: more than one is needed" if wanted > full else ""
        yield Row(
            name=f"one {kind} serves",
            value=f"{full:.3g} agents/s",
            text=f"{each * 1000:.2f} ms of its one core an agent, used to "
            f"{target.use_ratio:.0%}{more}",
        )
