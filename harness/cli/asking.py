"""From arguments to orders: names resolved, files read, everything wrong said at once."""

import argparse
import resource
from collections import Counter
from dataclasses import replace
from pathlib import Path

import yaml

from harness.cli.own import own_of
from harness.cli.platform import placed_orders
from harness.engines.registry import ENGINES
from harness.errors import UsageError
from harness.plan import Cell, SweepSpec
from harness.runner.order import Order, disk_problem, problems_of_order, spec_of
from harness.scenario import Scenario, problems_of, scenario_of, with_overrides
from harness.sweep import POINTS, VICTIMS
from harness.sweep import scenario_of as sweep_scenario_of
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES

FILES_MIN = 4096
"""Open files: each agent's start and each pod's connections need one."""


def orders_of(arguments: argparse.Namespace) -> tuple[str, list[Order]]:
    """The runs that were asked for, and the matrix's name.

    Raises:
        UsageError: with everything that is wrong.
    """
    problems: list[str] = []
    if arguments.repeats < 1:
        problems.append(f"--repeats is {arguments.repeats}, expected at least 1")
    if bool(arguments.scenario) == bool(arguments.matrix):
        problems.append("say either a SCENARIO or --matrix NAME; see `onceproof list`")
        raise UsageError("; ".join(problems))
    name, orders = (
        _matrix_orders(arguments, problems)
        if arguments.matrix
        else _scenario_orders(arguments, problems)
    )
    for order in orders:
        found = problems_of_order(order)
        problems += [text for text in found if text not in problems]
    orders = [*orders, *_own_orders(arguments, orders, problems)]
    orders = placed_orders(arguments, orders, problems)
    problems += [
        f"two runs are called {name}; give one a name of its own, as in name=quiet"
        for name, count in Counter(order.name for order in orders).items()
        if count > 1
    ]
    problems += [text for text in (_files_problem(), disk_problem(orders, arguments.out)) if text]
    if problems:
        raise UsageError("\n  ".join(["cannot run:", *problems]))
    return name, interleaved(orders, arguments.repeats)


def interleaved(orders: list[Order], repeats: int) -> list[Order]:
    """Every order once, then all again, there and back: a drift of the machine meets all alike."""
    return [
        replace(order, cell=replace(order.cell, repeat=number))
        for number in range(repeats)
        for order in (orders if number % 2 == 0 else reversed(orders))
    ]


def sweep_orders_of(arguments: argparse.Namespace) -> list[Order]:
    """The one run of a sweep.

    Raises:
        UsageError: with everything that is wrong.
    """
    problems: list[str] = []
    if arguments.repeats < 1:
        problems.append(f"--repeats is {arguments.repeats}, expected at least 1")
    engine, _, variant = arguments.engine.partition(":")
    cell = _with_defaults(Cell(engine=engine, variant=variant, store=arguments.store or ""))
    has_sidecar = cell.engine not in ENGINES or ENGINES[engine].spec(cell.variant).needs_dapr
    possible = tuple(name for name in VICTIMS if has_sidecar or name != "sidecar")
    victims = _chosen("--victims", arguments.victims, tuple(VICTIMS), problems)
    if "sidecar" in victims and not has_sidecar:
        if arguments.victims:
            problems.append(f"--victims names sidecar, and {engine} has none")
        victims = possible
    points = _chosen("--points", arguments.points, tuple(POINTS), problems)
    spec = SweepSpec(victims=victims, points=points, repeats=max(1, arguments.repeats))
    order = Order(scenario=sweep_scenario_of(spec), cell=cell, sweep=spec)
    problems += problems_of_order(order)
    problems += [text for text in (_files_problem(), disk_problem([order], arguments.out)) if text]
    if problems:
        raise UsageError("\n  ".join(["cannot sweep:", *problems]))
    return [order]


def _chosen(option: str, text: str, known: tuple[str, ...], problems: list[str]) -> tuple[str, ...]:
    """The names of a list with commas, in our order; all of them for an empty one."""
    asked = [name for name in text.split(",") if name]
    problems += [
        f"{option}: unknown {name!r}; known: {', '.join(known)}"
        for name in asked
        if name not in known
    ]
    return tuple(name for name in known if not asked or name in asked)


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by name, or one from a YAML file.

    Raises:
        UsageError: neither; or the file is no scenario.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"unknown scenario {name!r}; known: {', '.join(SCENARIOS)}; or name a .yaml file"
        )
    try:
        return scenario_of(yaml.safe_load(path.read_text()), source=name)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; expected a scenario as YAML") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not YAML: {error}") from error


def _scenario_orders(arguments: argparse.Namespace, problems: list[str]) -> tuple[str, list[Order]]:
    scenario = _overridden(arguments.scenario, arguments.overrides, problems)
    if arguments.worker is not None:
        return scenario.name, []
    engine, _, variant = (arguments.engine or "dapr_workflow").partition(":")
    cell = _with_defaults(
        Cell(
            engine=engine,
            variant=variant,
            store=arguments.store or "",
            broker=arguments.broker or scenario.broker,
        )
    )
    return scenario.name, [Order(scenario=scenario, cell=cell)]


def _own_orders(
    arguments: argparse.Namespace, orders: list[Order], problems: list[str]
) -> list[Order]:
    """The user's own worker on the scenario, or once more on each scenario of the matrix."""
    scenarios = {order.scenario.name: order.scenario for order in reversed(orders)}
    if arguments.scenario and arguments.worker is not None:
        scenario = _overridden(arguments.scenario, arguments.overrides, [])
        scenarios = {scenario.name: scenario}
        problems += problems_of(scenario)
    found = own_of(arguments, problems)
    if found is None:
        return []
    own, cell = found
    added = [Order(scenario=one, cell=cell, own=own) for one in reversed(scenarios.values())]
    for order in added:
        problems += [text for text in problems_of_order(order) if text not in problems]
    return added


def _matrix_orders(arguments: argparse.Namespace, problems: list[str]) -> tuple[str, list[Order]]:
    if arguments.matrix not in MATRICES:
        problems.append(f"unknown matrix {arguments.matrix!r}; known: {', '.join(MATRICES)}")
        return arguments.matrix, []
    problems += [
        f"{option} does not go with --matrix"
        for option, value in (
            ("--engine", arguments.engine),
            ("--store", arguments.store),
            ("--broker", arguments.broker),
        )
        if value
    ]
    orders = []
    for entry in MATRICES[arguments.matrix].entries:
        overrides = [*entry.overrides, *arguments.overrides]
        scenario = _overridden(entry.scenario, overrides, problems)
        cell = entry.cell
        if cell.broker == "none":
            cell = replace(cell, broker=scenario.broker)
        orders.append(Order(scenario=scenario, cell=_with_defaults(cell)))
    return arguments.matrix, orders


def _overridden(name: str, overrides: list[str], problems: list[str]) -> Scenario:
    """The scenario with every override that can be; each that cannot is a problem, said once."""
    named = Scenario(name="unknown", summary="")
    try:
        named = load_scenario(name)
    except UsageError as error:
        problems.append(str(error))
    scenario = named
    for override in overrides:
        try:
            scenario = with_overrides(scenario, [override])
        except UsageError as error:
            if str(error) not in problems:
                problems.append(str(error))
    kinds = [fault.kind for fault in scenario.faults]
    if scenario.summary != named.summary or kinds == [fault.kind for fault in named.faults]:
        return scenario
    instead = f"faults replaced by {', '.join(dict.fromkeys(kinds))}" if kinds else "without faults"
    return replace(scenario, summary=f"{scenario.summary} ({instead})")


def _with_defaults(cell: Cell) -> Cell:
    """Fill the engine's own variant and store in; a wrong name stays, to be named later."""
    if cell.engine not in ENGINES:
        return cell
    variant = (
        cell.variant if cell.variant not in ("", "default") else ENGINES[cell.engine].variants[0]
    )
    cell = replace(cell, variant=variant)
    if cell.store not in ("", "none"):
        return cell
    try:
        return replace(cell, store=spec_of(cell).stores[0])
    except UsageError:
        return cell


def _files_problem() -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= FILES_MIN:
        return ""
    if hard >= FILES_MIN or hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MIN, hard))
        return ""
    return f"only {hard} open files are allowed, {FILES_MIN} are needed; raise `ulimit -n`"
