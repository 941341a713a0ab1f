"""`shrink`: a smaller scenario that still shows a stored run's anomaly; each try is a real run."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import yaml
from rich.console import Console

from harness.cli.running import fresh_folder, one_run
from harness.clock import NS_PER_S, Clock, SystemClock
from harness.cluster.keeper import keep
from harness.errors import OnceproofError, UsageError
from harness.plan import Plan
from harness.results import RunResult
from harness.runner.judge import ANOMALIES_SHOWN
from harness.runner.order import Order, problems_of_order
from harness.runner.set_up import Provided
from harness.scenario import Scenario
from harness.shrink import Search, Shrunk, settled, size_of

FILE = "smallest.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What every try is to show."""

    promise: str
    anomaly: str

    def __str__(self) -> str:
        """As people are told."""
        return f"{self.promise} {self.anomaly}"

    def count_in(self, result: RunResult) -> int:
        """How often a run shows it, among the anomalies that its results hold."""
        return sum(
            one.name == self.anomaly
            for row in result.promises
            if row.key == self.promise
            for one in row.anomalies
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When the search ends, whether it is done or not."""

    runs: int
    minutes: float


def wanted_of(result: RunResult, *, promise: str, anomaly: str) -> Wanted:
    """The anomaly to keep: as named, or the first; of promises that the engine makes before others.

    Raises:
        UsageError: the run shows no such anomaly.
    """
    rows = sorted(result.promises, key=lambda row: not row.is_surprise)
    found = [
        Wanted(promise=row.key, anomaly=one.name)
        for row in rows
        for one in row.anomalies
        if promise in ("", row.key) and anomaly in ("", one.name)
    ]
    if found:
        return found[0]
    shown = sorted({f"{row.key} {one.name}" for row in rows for one in row.anomalies})
    asked = f"{promise} {anomaly}".strip() or "no anomaly at all"
    raise UsageError(
        f"the run shows {'no ' * bool(promise or anomaly)}{asked}; it shows: "
        f"{', '.join(shown) or 'none'}; name a run that shows one, and --promise or --anomaly"
    )


def shrink_kept(
    plan: Plan,
    result: RunResult,
    wanted: Wanted,
    provided: Provided,
    *,
    out: Path,
    budget: Budget,
) -> int:
    """Search in a harness of its own, kept by this process; returns the exit code."""
    return keep(lambda: _shrink(plan, result, wanted, provided, out=out, budget=budget))


def _shrink(
    plan: Plan, result: RunResult, wanted: Wanted, provided: Provided, *, out: Path, budget: Budget
) -> int:
    started = datetime.now(UTC)
    root = fresh_folder(
        out.absolute(), f"{started:%Y%m%dT%H%M%SZ}-shrink-{plan.scenario.name}-{plan.seed}"
    )
    print(f"seed {plan.seed} | {root} | at most {budget.runs} runs, {budget.minutes:g} minutes")
    print(f"looking for {wanted}, from {size_of(plan.scenario)}")
    tries = Tries(plan=plan, wanted=wanted, provided=provided, root=root, budget=budget)
    first = settled(plan.scenario, result.offered_per_s)
    try:
        if not tries.show(first):
            print(f"{wanted} did not show again in the whole run: it may be a race; nothing to do")
            return 2
        found = Search(best=first, shows=tries.show).run()
        return _told(found, tries, plan, root)
    except OnceproofError as error:
        print(f"onceproof: {error}")
        return error.exit_code


@dataclass(slots=True, kw_only=True)
class Tries:
    """The runs of one search."""

    plan: Plan
    wanted: Wanted
    provided: Provided
    root: Path
    budget: Budget
    clock: Clock = field(default_factory=SystemClock)
    tell: Callable[[str], None] = print
    count: int = 0
    is_stopped: bool = False
    _began_ns: int = -1

    def show(self, scenario: Scenario) -> bool | None:
        """See `harness.shrink.Shows`; tells each try in a line."""
        began_ns = self.clock.monotonic_ns()
        if self._began_ns < 0:
            self._began_ns = began_ns
        if self.is_stopped or self.count >= self.budget.runs:
            return None
        if (began_ns - self._began_ns) / NS_PER_S >= self.budget.minutes * 60:
            return None
        # Tries of one search are repeats of one cell: each has a folder of its own.
        cell = replace(self.plan.cell, repeat=self.count + 1)
        order = Order(scenario=scenario, cell=cell)
        if problems_of_order(order):
            return False
        self.count += 1
        result, self.is_stopped = one_run(
            order,
            self.provided,
            seed=self.plan.seed,
            root=self.root,
            console=Console(file=io.StringIO()),
            command=self.command(self.root / FILE),
        )
        seconds = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
        times = self.wanted.count_in(result)
        often = f"{times} times" if times < ANOMALIES_SHOWN else f"{times} times or more"
        word = f"shows it {often}" if times else "does not show it"
        trouble = f" ({result.state_reason})" if result.state != "judged" else ""
        self.tell(f"run {self.count}: {size_of(scenario)}: {word}{trouble}, {seconds:.0f} s")
        return times > 0 and not self.is_stopped

    def command(self, path: Path) -> str:
        """What repeats a scenario file on this engine, with this seed."""
        cell = self.plan.cell
        store = f" --store {cell.store}" if cell.store not in ("", "none") else ""
        broker = f" --broker {cell.broker}" if cell.broker != "none" else ""
        return (
            f"onceproof run {path} --engine {cell.engine}:{cell.variant}{store}{broker} "
            f"--seed {self.plan.seed}"
        )


def _told(found: Shrunk, tries: Tries, plan: Plan, root: Path) -> int:
    """Write the scenario, and say what it is."""
    path = root / FILE
    command = tries.command(path)
    path.write_text(yaml_of(found.scenario, f"{tries.wanted}, shown by: {command}"))
    is_small = found.scenario != settled(plan.scenario, 0.0)
    ended = "nothing smaller showed it" if found.is_done else "the budget is spent"
    print(f"{'smallest' if is_small else 'not smaller'}: {size_of(found.scenario)} ({ended})")
    print(f"scenario: {path}")
    print(f"repeat: {command}")
    return 0


def yaml_of(scenario: Scenario, remark: str) -> str:
    """A scenario as a file for `onceproof run`: the fields that are not the defaults."""
    data = msgspec.json.decode(msgspec.json.encode(scenario))
    usual = msgspec.json.decode(msgspec.json.encode(Scenario(name="", summary="")))
    kept = {
        name: _unusual(value, usual[name])
        for name, value in data.items()
        if value != usual[name] or name == "schema"
    }
    return f"# {remark}\n{yaml.safe_dump(kept, sort_keys=False, width=100)}"


def _unusual(value: object, usual: object) -> object:
    """Of a record only what differs; patterns and faults stay whole."""
    if isinstance(value, dict) and isinstance(usual, dict) and set(value) == set(usual):
        return {name: part for name, part in value.items() if part != usual[name]} or value
    return value
