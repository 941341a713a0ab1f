"""What binds at the top of a ladder: each resource as a share of its own ceiling. Pure.

The ceiling of a process of one thread is one core, however many the machine has; that of a kind of
process is a core for each, or the machine; a quota has its own. Where nothing is near its ceiling
and throughput stops all the same, what binds is inside the engine: slots, locks, waits.
"""

from collections.abc import Sequence

from harness.capacity.laws import Quota, quota_agents_per_s
from harness.capacity.record import Binding, Level, Share

FULL = 0.85
"""Share of its ceiling from which a resource binds: averages over seconds hide shorter queues."""
QUOTA_FULL = 0.8
"""Of a quota: clients told to wait leave some of it unused."""
MACHINE, STRANGERS, LLM_QUOTA = "machine CPU", "CPU of strangers", "LLM quota"
ONE_THREAD = ("redis", "driver", "witness", "harness")
"""Kinds whose process has no use for a second core."""
NAMES = {
    "worker": "worker CPU",
    "sidecar": "sidecar CPU",
    "scheduler": "scheduler CPU",
    "placement": "placement CPU",
    "redis": "store CPU (redis)",
    "postgres": "store CPU (postgres)",
    "driver": "harness CPU: load driver",
    "witness": "harness CPU: mock LLM",
    "harness": "harness CPU: runner",
}


def binding_of(
    side: str, levels: Sequence[Level], *, cores: int, is_one_thread: bool
) -> Binding | None:
    """Look at the level with the most throughput of a side; None without a level.

    ``is_one_thread``: a worker of this engine is an interpreter with one lock.
    """
    best = max(levels, key=lambda level: level.throughput.value or 0.0, default=None)
    if best is None or not best.used:
        return None
    shares = shares_of(best, cores=cores, is_one_thread=is_one_thread)
    what = _what(shares)
    if not best.is_saturated and what != LLM_QUOTA:
        what = ""
    return Binding(
        side=side,
        at_per_s=best.throughput.value or 0.0,
        what=what,
        text=_text(what, best, shares, cores),
        shares=shares,
    )


def shares_of(level: Level, *, cores: int, is_one_thread: bool) -> tuple[Share, ...]:
    """Every resource at a level, the fullest first."""
    found = [
        _share(
            NAMES.get(one.kind, f"{one.kind} CPU"),
            one.cores,
            _ceiling(one.kind, one.processes, cores, is_one_thread),
            f"{one.processes} of this kind",
        )
        for one in level.used
    ]
    found.append(_share(MACHINE, level.machine_cores, float(cores), "everything that runs on it"))
    if level.others_cores > 0:
        found.append(_share(STRANGERS, level.others_cores, float(cores), "what is not of this run"))
    quota = Quota(requests_per_min=level.requests_per_min, tokens_per_min=level.tokens_per_min)
    allowed, which = quota_agents_per_s(
        quota,
        requests_per_agent=level.calls_per_agent,
        tokens_per_agent=level.prompt_tokens_per_agent,
    )
    if which:
        found.append(
            Share(
                name=LLM_QUOTA,
                used=round(level.throughput.value or 0.0, 3),
                ceiling=round(allowed, 3),
                unit="agents/s",
                text=f"{which} a minute, by the calls of an agent",
            )
        )
    return tuple(sorted(found, key=lambda share: -share.ratio))


def _share(name: str, used: float, ceiling: float, text: str) -> Share:
    return Share(name=name, used=round(used, 3), ceiling=ceiling, unit="cores", text=text)


def _ceiling(kind: str, processes: int, cores: int, is_one_thread: bool) -> float:
    if kind in ONE_THREAD:
        return 1.0
    if kind == "worker" and is_one_thread:
        return float(min(processes, cores))
    return float(cores)


def _what(shares: Sequence[Share]) -> str:
    """The quota before a process, a process of its own limit before the machine as a whole."""
    full = {share.name for share in shares if share.ratio >= FULL}
    for share in shares:
        if share.name == LLM_QUOTA and share.ratio >= QUOTA_FULL:
            return share.name
    for share in shares:
        if share.name in full and share.name not in (MACHINE, STRANGERS):
            return share.name
    return MACHINE if MACHINE in full and not _is_of_strangers(shares) else ""


def _is_of_strangers(shares: Sequence[Share]) -> bool:
    """Whether most of the busy cores are not of this run: a full machine tells nothing then."""
    used = {share.name: share.used for share in shares}
    return used.get(STRANGERS, 0.0) > 0.5 * used[MACHINE]


def _text(what: str, level: Level, shares: Sequence[Share], cores: int) -> str:
    by_name = {share.name: share for share in shares}
    machine = by_name[MACHINE]
    parts = sorted(
        (share for share in shares if share.unit == "cores" and share.name != MACHINE),
        key=lambda share: -share.used,
    )
    told = ", ".join(
        f"{share.name} {share.used / machine.used:.0%}" for share in parts[:4] if machine.used > 0
    )
    where = f"at {level.throughput.value or 0.0:.3g} agents/s"
    if not level.is_saturated and what != LLM_QUOTA:
        return f"nothing yet {where}: throughput still follows the load"
    if what == MACHINE:
        return f"the machine's CPU: {machine.used:.2f} of {cores} cores {where}; of that {told}"
    if what == LLM_QUOTA:
        share = by_name[what]
        return f"the quota: {share.ratio:.0%} of the {share.ceiling:.3g} agents/s that it allows"
    if not what and machine.ratio >= FULL:
        return f"not told: the machine was full, and most of it with strangers: {told}"
    if what:
        share = by_name[what]
        return f"{what}: {share.used:.2f} of {share.ceiling:g} cores {where}; of all CPU {told}"
    return (
        f"inside the engine, slots, locks or waits: {where} no resource that is measured is above "
        f"{FULL:.0%} of its ceiling ({machine.ratio:.0%} of the machine's CPU)"
    )


def harness_cores(level: Level) -> float:
    """Cores that the harness took: an engine without it beside would have had them."""
    return sum(one.cores for one in level.used if not one.is_engine)


def engine_cores(level: Level) -> float:
    """Cores that the engine took."""
    return sum(one.cores for one in level.used if one.is_engine)


def cpu_s_per_agent(levels: Sequence[Level], kinds: Sequence[str]) -> float:
    """Service demand by the utilisation law, D = U / X, over all levels of a side."""
    spent = sum(
        one.cores * level.window_s for level in levels for one in level.used if one.kind in kinds
    )
    ended = sum((level.throughput.value or 0.0) * level.window_s for level in levels)
    return spent / ended if ended else 0.0
