"""`onceproof capacity`: what was asked for, checked as a whole before anything starts."""

import argparse
import re
from pathlib import Path

from harness.capacity.ladder import LEVELS_MAX, LEVELS_MIN
from harness.capacity.laws import Quota
from harness.capacity.prices import Prices, parse_prices
from harness.capacity.purchase import Target, problems_of_target
from harness.capacity.record import CapacityResult
from harness.cli.asking import orders_of
from harness.cli.climbing import Climb, Size, climb_kept, ladder_orders
from harness.cli.laddered import answer_of
from harness.cli.providing import provided_of
from harness.errors import UsageError
from harness.expressions import SECONDS, UNITS
from harness.plan import draw_plan
from harness.runner.estimate import about, estimate_s
from harness.runner.order import Order
from harness.scenario import LoadSpec, Scenario
from reports.capacity_forms import render_capacity_text
from reports.pages import write_capacity

PRICES = Path(__file__).resolve().parents[2] / "scenarios" / "prices.yaml"
DRAWN = 40
"""Agents drawn to learn how many calls one makes."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)")


def capacity(arguments: argparse.Namespace) -> int:
    """Climb a ladder, or read a stored one again, and write the answer."""
    problems: list[str] = []
    target = _target(arguments, problems)
    prices = _prices(arguments.prices, problems)
    if arguments.stored is not None:
        problems += problems_of_target(target, calls_per_agent=0.0, least_s=0.0)
        _raise_if("cannot say:", problems)
        assert prices is not None
        return told(answer_of(arguments.stored, target, prices), arguments.stored)
    order = _order(arguments, problems)
    size = _size(arguments, problems)
    if order is not None:
        calls, least_s = needs_of(order.scenario, order)
        problems += problems_of_target(target, calls_per_agent=calls, least_s=least_s)
    _raise_if("cannot climb:", problems)
    assert prices is not None
    assert order is not None
    orders = ladder_orders(order, size)
    provided = provided_of(arguments, orders)
    if reason := provided.missing.get(order.cell.store):
        print(f"skipped: {reason}")
        return 2
    if arguments.dry_run:
        return dry_run(orders, size)
    climb = Climb(
        order=order,
        size=size,
        quota=target.quota,
        provided=provided,
        seed=arguments.seed,
        out=arguments.out,
        keeps_state=arguments.keep_state,
    )
    return climb_kept(climb, lambda root: told(answer_of(root, target, prices), root))


def told(result: CapacityResult, root: Path) -> int:
    """Write the forms, print the summary; the exit code."""
    pages = write_capacity(result, root)
    print(render_capacity_text(result), end="")
    for path in pages:
        print(f"{'page' if path.suffix == '.html' else 'also'}: {path}")
    return result.exit_code


def dry_run(orders: list[Order], size: Size) -> int:
    """Say what would run, as far as that is known before a warm-up."""
    print(
        f"a ladder of {size.levels} levels and more as needed, {size.seconds:g} s of arrivals "
        f"each, {size.repeats} a level; no level begins after {size.minutes:g} min"
    )
    for order in orders:
        print(f"  {order.name}: about {about(estimate_s(order))}")
    return 0


def needs_of(scenario: Scenario, order: Order) -> tuple[float, float]:
    """LLM calls of an agent, and the least seconds that they take; 0 where steps may overlap."""
    few = LoadSpec(agents=DRAWN, rate_per_s=1.0, warm_up_agents=0)
    plan, _, _ = draw_plan(
        Scenario(name="few", summary="", mix=scenario.mix, steps=scenario.steps, load=few),
        order.cell,
        1,
    )
    calls = plan.answers_count / DRAWN
    is_chain = set(scenario.mix) == {"chain"}
    return calls, calls * scenario.llm.latency_ms / 1000 if is_chain else 0.0


def _raise_if(lead: str, problems: list[str]) -> None:
    if problems:
        raise UsageError("\n  ".join([lead, *dict.fromkeys(problems)]))


def _order(arguments: argparse.Namespace, problems: list[str]) -> Order | None:
    """The order of one level, as `run` would make it; None where it cannot be."""
    asked = argparse.Namespace(**vars(arguments))
    asked.matrix, asked.broker, asked.repeats = None, None, 1
    try:
        _, orders = orders_of(asked)
    except UsageError as error:
        problems.append(str(error).removeprefix("cannot run:\n  "))
        return None
    (order,) = orders
    scenario = order.scenario
    if scenario.faults:
        problems.append(
            f"{scenario.name} has faults, and a ladder strikes in a level of its own; add "
            "--set faults=[]"
        )
    if "parked" in scenario.mix:
        problems.append(f"{scenario.name} has parked agents; a ladder takes them by --parked N")
    if scenario.llm.requests_per_min or scenario.llm.tokens_per_min:
        problems.append(f"{scenario.name} has a quota; a ladder takes it by --rpm N or --tpm N")
    return order


def _size(arguments: argparse.Namespace, problems: list[str]) -> Size:
    size = Size(
        levels=arguments.levels,
        seconds=arguments.seconds,
        repeats=arguments.repeats,
        minutes=arguments.minutes,
        parked=arguments.parked,
    )
    if not LEVELS_MIN <= size.levels <= LEVELS_MAX:
        problems.append(
            f"--levels is {size.levels}, expected {LEVELS_MIN} to {LEVELS_MAX}: fewer show no curve"
        )
    if not 4 <= size.seconds <= 600:
        problems.append(f"--seconds is {size.seconds:g}, expected 4 to 600")
    if size.repeats < 1:
        problems.append(f"--repeats is {size.repeats}, expected at least 1")
    if not size.minutes > 0:
        problems.append(f"--minutes is {size.minutes:g}, expected above 0")
    if not 0 <= size.parked <= 20_000:
        problems.append(f"--parked is {size.parked}, expected 0 to 20,000")
    return size


def _target(arguments: argparse.Namespace, problems: list[str]) -> Target:
    return Target(
        agents_per_s=arguments.target,
        slo_s=_seconds(arguments.slo, problems),
        use_ratio=arguments.use,
        nodes_max=arguments.nodes_max,
        quota=Quota(requests_per_min=arguments.rpm, tokens_per_min=arguments.tpm),
    )


def _seconds(text: str | None, problems: list[str]) -> float | None:
    """A duration with its unit; None without one."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    factor, dimension = UNITS.get(found[2], (0.0, None)) if found else (0.0, None)
    if found is None or dimension != SECONDS or not float(found[1]) > 0:
        problems.append(f"--slo is {text!r}, expected a duration such as 5s or 800ms")
        return None
    return float(found[1]) * factor


def _prices(path: Path | None, problems: list[str]) -> Prices | None:
    place = path or PRICES
    try:
        return parse_prices(place.read_text(), source=str(place))
    except OSError as error:
        problems.append(f"--prices {place}: {error.strerror}; copy scenarios/prices.yaml")
    except UsageError as error:
        problems.append(str(error))
    return None
