"""What a command asks for, checked: every problem at once, before a process exists."""

import os
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.brokers import BROKERS, FLIPS
from harness.cluster.sink import lacking
from harness.engines.external.adapter import ENGINE as EXTERNAL
from harness.engines.registry import ENGINES
from harness.errors import UsageError
from harness.faults import FAULTS
from harness.measures.messages import STRIKES
from harness.patterns import MESSAGED
from harness.plan import LOCAL, Cell, SweepSpec
from harness.protocols import EngineSpec
from harness.runner.own import OwnEngine
from harness.scenario import Scenario, problems_of
from harness.stores import STORES
from harness.thresholds import problems_of_thresholds

FLIP = "broker_swap_flip"
"""The swap that needs a relay between sidecars and broker from the start."""
RELOAD = "broker_swap_reload"
"""The swap that sidecars make by themselves."""
SPOIL = "component_spoiled"
PATTERN_KINDS = {
    "chain": ("say",),
    "tools": ("say", "tools"),
    "parallel": ("say", "parallel"),
    "routing": ("say", "route"),
    "orchestrator": ("say", "plan"),
    "evaluator": ("say", "judge"),
    "child": ("say", "child"),
    "timer": ("say", "wait"),
    "event": ("say", "receive"),
    "parked": ("say", "receive"),
    "poison": ("say",),
    "notes": ("say", "publish"),
    "bulletins": ("say", "publish"),
    "poison_note": ("say", "publish"),
    "team": ("say", "tools", "team"),
    "solo": ("tools",),
}
DISK_MB_BASE, DISK_MB_PER_1000_AGENTS = 300, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run to do."""

    scenario: Scenario
    cell: Cell
    sweep: SweepSpec | None = None
    """Set when the faults are to be those of a sweep."""
    own: OwnEngine | None = None
    """Set for a worker of the user's, which is in no registry."""
    why_skipped: str = ""
    """Why it cannot run on its platform, with the remedy; empty where nothing is known of that."""

    @property
    def name(self) -> str:
        """Directory and column name."""
        cell = self.cell
        place = "" if cell.platform == LOCAL else f"{cell.platform}."
        return (
            f"{self.scenario.name}.{cell.engine}:{cell.variant}.{cell.store}.{cell.broker}."
            f"{place}{cell.repeat}"
        )


def spec_of(cell: Cell) -> EngineSpec:
    """The engine of a cell; names were checked before."""
    return ENGINES[cell.engine].spec(cell.variant)


def engine_of(order: Order) -> EngineSpec:
    """The engine of an order, of a registry or of the user's own."""
    return order.own.spec if order.own is not None else spec_of(order.cell)


def problems_of_order(order: Order) -> list[str]:
    """Everything that makes an order impossible, one sentence each."""
    cell = order.cell
    problems = problems_of(order.scenario) + problems_of_thresholds(order.scenario.thresholds)
    problems += [lacking()] if order.scenario.tracing and lacking() else []
    for fault in order.scenario.faults:
        if fault.kind not in FAULTS:
            problems.append(f"unknown fault {fault.kind!r}; known: {', '.join(FAULTS)}")
    if cell.store and cell.store not in STORES:
        problems.append(f"unknown store {cell.store!r}; known: {', '.join(STORES)}")
    problems += _broker_problems(cell.broker, None)
    if order.own is None and cell.engine == EXTERNAL:
        return [*problems, "engine external is a worker of yours; name it: --worker COMMAND"]
    if order.own is None and cell.engine not in ENGINES:
        return [*problems, f"unknown engine {cell.engine!r}; known: {', '.join(ENGINES)}"]
    try:
        spec = engine_of(order)
    except UsageError as error:
        return [*problems, str(error)]
    problems += _store_problems(order, spec)
    problems += _broker_problems(cell.broker, spec)
    problems += _swap_problems(order.scenario, cell, spec)
    if order.scenario.pods < len(spec.app_ids):
        problems.append(
            f"pods is {order.scenario.pods}, expected at least {len(spec.app_ids)}: each of the "
            f"apps {', '.join(spec.app_ids)} needs one"
        )
    if cell.platform in spec.lacks:
        problems.append(f"{spec.engine}:{spec.variant}: {spec.lacks[cell.platform]}")
    if order.scenario.pod_memory_mb and cell.platform != LOCAL:
        problems.append(
            f"pod_memory_mb is of local pods, and these are on {cell.platform}; give their "
            "namespace a LimitRange"
        )
    problems += _pattern_problems(order.scenario, cell, spec)
    for fault in order.scenario.faults:
        if fault.kind in FAULTS:
            reason = FAULTS[fault.kind].needs(spec)
            if reason:
                problems.append(f"fault {fault.kind} is impossible here: {reason}")
    return problems


def _store_problems(order: Order, spec: EngineSpec) -> list[str]:
    """A store that the engine cannot use so."""
    cell, pods = order.cell, order.scenario.pods
    problems = []
    if cell.store in STORES and cell.store not in spec.stores:
        problems.append(
            f"{cell.engine} cannot use the store {cell.store}; it can use {', '.join(spec.stores)}"
        )
    elif cell.store == "sqlite" and pods > 1:
        problems.append(
            f"pods is {pods}, expected 1 on the store sqlite: several sidecars on "
            "one file end in SQLITE_BUSY; take redis, set pods=1, or see it with sqlite-shared"
        )
    if order.scenario.checks_store and not spec.needs_dapr:
        problems.append(f"checks_store asks a state store through sidecars; {cell.engine} has none")
    return problems


def reloads(scenario: Scenario) -> bool:
    """Sidecars are to exchange components while they run."""
    return any(fault.kind == RELOAD for fault in scenario.faults)


def brokers_of(scenario: Scenario, cell: Cell) -> tuple[str, ...]:
    """Every broker that a run starts: its cell's, and those that its faults swap to."""
    swapped = (fault.to for fault in scenario.faults if fault.to)
    return tuple(name for name in dict.fromkeys((cell.broker, *swapped)) if name != "none")


def _swap_problems(scenario: Scenario, cell: Cell, spec: EngineSpec) -> list[str]:
    """Swaps that lead nowhere."""
    kinds = [fault.kind for fault in scenario.faults]
    swaps = [fault for fault in scenario.faults if fault.kind.startswith("broker_swap")]
    problems = [problem for fault in swaps for problem in _broker_problems(fault.to, None)]
    problems += [problem for fault in swaps for problem in _broker_problems(fault.to, spec)]
    if any(fault.to == "none" for fault in swaps):
        problems.append("a broker is to be swapped to none; name one: to: kafka")
    problems += _flip_problems([fault.kind for fault in swaps], [fault.to for fault in swaps], cell)
    if swaps and cell.broker == "none":
        problems.append("a broker is to be swapped, and the run has none; name it: --broker redis")
    if set(STRIKES) & set(kinds) and cell.broker in ("none", "in-memory"):
        problems.append(f"the broker {cell.broker} has no process to kill; name another: --broker")
    return problems


def _flip_problems(kinds: list[str], to: list[str], cell: Cell) -> list[str]:
    """Flips that cannot be: sidecars have one address, and so one protocol, in all of the run."""
    if FLIP not in kinds:
        return []
    if len(set(kinds)) > 1:
        return [f"{FLIP} beside {', '.join(sorted({*kinds} - {FLIP}))}: take one of them"]
    return [
        f"{FLIP} from {one} to {two}: behind one address both must speak the same; "
        f"it can flip {', '.join(f'{a} to {b}' for a, b in FLIPS.items())}"
        for one, two in pairwise((cell.broker, *to))
        if FLIPS.get(one) != two
    ]


def _pattern_problems(scenario: Scenario, cell: Cell, spec: EngineSpec) -> list[str]:
    """Patterns that the engine cannot run, or that would have nobody to talk to."""
    problems = [text for pattern in scenario.mix if (text := lacking_problem(spec, pattern))]
    talkative = sorted(MESSAGED & set(scenario.mix))
    if talkative and cell.broker == "none" and not problems:
        problems.append(
            f"the pattern {', '.join(talkative)} needs a broker, and the run has none; "
            "name one: --broker redis"
        )
    return problems


def _broker_problems(broker: str, spec: EngineSpec | None) -> list[str]:
    """A name that nobody knows; or, of a known one, an engine that has no messages over it."""
    if broker not in BROKERS:
        known = ", ".join(BROKERS)
        return [f"unknown broker {broker!r}; known: {known}"] if spec is None else []
    if spec is None or broker in spec.brokers:
        return []
    return [
        f"{spec.engine}:{spec.variant} has no messages over the broker {broker}; "
        f"it can use {', '.join(spec.brokers)}"
    ]


def lacking_problem(spec: EngineSpec, pattern: str) -> str:
    """Why an engine cannot run a pattern, with its own reason; empty when it can."""
    lacking = sorted(set(PATTERN_KINDS.get(pattern, ())) - set(spec.kinds))
    if not lacking:
        return ""
    named = ", ".join(
        f"{kind} ({spec.lacks[kind]})" if kind in spec.lacks else kind for kind in lacking
    )
    return f"{spec.engine}: not implemented: {named}, which pattern {pattern} needs"


def disk_problem(orders: list[Order], out: Path) -> str:
    """Why the runs cannot be written below ``out``; empty when they can."""
    agents = max((order.scenario.load.agents for order in orders), default=0)
    needed = DISK_MB_BASE + DISK_MB_PER_1000_AGENTS * agents // 1000
    place = out.absolute()
    while not os.access(place, os.F_OK):
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return f"--out is {out}: {place} is not a folder that can be written to; name another"
    free = shutil.disk_usage(place).free >> 20
    if free >= needed:
        return ""
    return (
        f"{place} has {free} MB free, a run of {agents} agents needs {needed} MB; "
        "see `onceproof clean`"
    )
