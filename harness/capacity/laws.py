"""Closed forms: Little's law, what a quota allows, how long a backlog lasts. Pure.

Source: Little, A Proof for the Queuing Formula L = lambda W (1961); Denning and Buzen, The
Operational Analysis of Queueing Network Models (1978).
"""

import math
from dataclasses import dataclass

from harness.capacity.record import LittleCheck

TOLERANCE = 0.05
"""Of Little's law in a window without end; what the edges of a short one can do comes on top."""
EDGE = 1.63
"""Two standard deviations of what the edges of a window cut off, by mean time / window / root of
those in flight: the squared age of an agent at an edge is a third of its squared time on average,
and there are two edges, so 2 sqrt(2/3)."""
TOLERANCE_MAX = 0.4
"""Where only more than this would tell there is no check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What an account may ask for; None is no limit."""

    requests_per_min: int | None = None
    tokens_per_min: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is any limit."""
        return self.requests_per_min is not None or self.tokens_per_min is not None


def quota_agents_per_s(
    quota: Quota, *, requests_per_agent: float, tokens_per_agent: float
) -> tuple[float, str]:
    """Agents per second that a quota allows, and which limit says so; infinite without one.

    calls/s <= min(requests/60, tokens/60 by tokens of a call); by the calls of an agent it is a
    rate of agents.
    """
    limits = {
        "requests": (quota.requests_per_min, requests_per_agent),
        "tokens": (quota.tokens_per_min, tokens_per_agent),
    }
    found = {
        name: limit / 60 / each
        for name, (limit, each) in limits.items()
        if limit is not None and each > 0
    }
    if not found:
        return math.inf, ""
    which = min(found, key=lambda name: found[name])
    return found[which], which


def quota_for(agents_per_s: float, *, per_agent: float, use_ratio: float) -> int:
    """Requests or tokens a minute for a rate of agents, used to ``use_ratio``; rounded up."""
    return math.ceil(agents_per_s * per_agent * 60 / use_ratio - 1e-9)


def drain_s(*, outage_s: float, offered_per_s: float, capacity_per_s: float) -> float:
    """Until what arrived in an outage has been worked off beside what arrives; infinite if never.

    The backlog is offered x outage, and capacity - offered is left for it.
    """
    if offered_per_s >= capacity_per_s:
        return math.inf
    return outage_s * offered_per_s / (capacity_per_s - offered_per_s)


def check_little(
    *,
    in_flight: float,
    throughput_per_s: float,
    agent_s: float,
    window_s: float,
    samples: int,
    growth: int,
) -> LittleCheck:
    """Compare agents in flight, as sampled, with throughput x mean time, by the events.

    ``samples`` are those behind ``in_flight``: agents that are quicker than a sample comes are
    seen by chance, as a Poisson count of each look that no earlier look has seen.
    ``growth`` is the change of agents in flight over the window: an explanation where it fails.
    """
    product = throughput_per_s * agent_s
    if product <= 0 or in_flight <= 0 or window_s <= 0:
        return LittleCheck(
            state="unchecked",
            in_flight=in_flight,
            product=product,
            error_ratio=0.0,
            tolerance_ratio=0.0,
            text="nothing ended, or nothing was sampled, in the window",
        )
    edge = EDGE * agent_s / window_s / math.sqrt(product)
    unseen = max(0.0, 1 - agent_s * samples / window_s)
    tolerance = TOLERANCE + math.hypot(edge, 2 * math.sqrt(unseen / (max(1, samples) * product)))
    error = in_flight / product - 1
    state = "holds" if abs(error) <= tolerance else "fails"
    text = f"{in_flight:.1f} in flight, {product:.1f} by throughput x time"
    if state == "fails":
        text += (
            f"; {growth:+d} agents over the window, so there was no steady state"
            if abs(growth) > 2 * math.sqrt(max(in_flight, 1.0))
            else "; the load was steady, so one of the measurements is wrong"
        )
    if tolerance > TOLERANCE_MAX:
        state, text = "unchecked", f"{text}; the window is too short for a check"
    return LittleCheck(
        state=state,
        in_flight=round(in_flight, 3),
        product=round(product, 3),
        error_ratio=round(error, 4),
        tolerance_ratio=round(tolerance, 4),
        text=text,
    )
