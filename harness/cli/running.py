"""`run` and `repro`: the runs of one command, one after the other, under a keeper."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from harness.claims import load_claims
from harness.cli.job_summary import tell_job
from harness.cli.platform import told
from harness.cli.providing import why_missing
from harness.cli.stored import worst_of
from harness.clock import NS_PER_S, SystemClock
from harness.cluster.keeper import keep
from harness.drafts import write_whole
from harness.errors import OnceproofError
from harness.plan import Plan, PlannedAgent, draw_plan
from harness.results import MatrixResult, RunResult, encode
from harness.runner.blank import skipped_result
from harness.runner.display import make_display
from harness.runner.estimate import about, corrected_s, estimate_s
from harness.runner.folder import RunFolder
from harness.runner.judge import failed_result, judge
from harness.runner.order import Order, engine_of
from harness.runner.own import OwnEngine, write_own
from harness.runner.set_up import Provided
from harness.runner.sweep import SweepWalk
from harness.runner.walk import Walk
from harness.sweep import draw_sweep
from reports.article import judged_claims
from reports.pages import write_pages
from reports.text import render_text
from reports.wording import counted


def run_kept(
    name: str,
    orders: list[Order],
    provided: Provided,
    *,
    seed: int,
    out: Path,
    is_comparison: bool,
    keeps_state: bool,
    asks_again: bool = False,
    finish: Callable[[Path], int] | None = None,
) -> int:
    """Run everything in a harness of its own, kept by this process; returns the exit code.

    With ``asks_again`` a run with too few exposures is followed by one with twice the load.
    ``finish`` gets the folder of the matrix when all is written, and its code counts instead,
    unless the harness broke.
    """
    code = keep(
        lambda: _harness(
            name,
            orders,
            provided,
            seed=seed,
            out=out,
            is_comparison=is_comparison,
            keeps_state=keeps_state,
            asks_again=asks_again,
            finish=finish,
        )
    )
    try:
        provided.back_end.sweep()
        for place in provided.placed.values():
            place.back_end.sweep()
    except OnceproofError as error:
        print(f"onceproof: left behind: {error}", file=sys.stderr)
        return 255
    return code


def _harness(
    name: str,
    orders: list[Order],
    provided: Provided,
    *,
    seed: int,
    out: Path,
    is_comparison: bool,
    keeps_state: bool,
    asks_again: bool,
    finish: Callable[[Path], int] | None,
) -> int:
    console = Console()
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    started = datetime.now(UTC)
    root = fresh_folder(out.absolute(), f"{started:%Y%m%dT%H%M%SZ}-{name}-{seed}")
    command = shlex.join(["onceproof", *sys.argv[1:]])
    for line in (
        f"seed {seed} | {root} | {_size(orders)}",
        f"repeat: {command}",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    results: list[RunResult] = []
    code = 255
    try:
        for result in _one_by_one(
            orders,
            provided,
            seed=seed,
            root=root,
            console=console,
            command=command,
            asks_again=asks_again,
        ):
            results.append(result)
            if result.state == "judged" and not keeps_state:
                shutil.rmtree(root / result.directory / "state", ignore_errors=True)
        code = exit_code_of(results, is_comparison=is_comparison)
    except OnceproofError as error:
        console.print(f"onceproof: {error}", markup=False)
        code = error.exit_code
    matrix = MatrixResult(
        name=name,
        seed=seed,
        started_utc=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        duration_s=round((clock.monotonic_ns() - began_ns) / NS_PER_S, 1),
        command=command,
        exit_code=code,
        runs=tuple(cell_by_cell(results)),
    )
    _show(replace(matrix, claims=judged_claims(load_claims(), matrix)), root, console)
    return code if finish is None or code in (254, 255) else finish(root)


def _one_by_one(
    orders: list[Order],
    provided: Provided,
    *,
    seed: int,
    root: Path,
    console: Console,
    command: str,
    asks_again: bool,
) -> Iterator[RunResult]:
    """Results as they come, until all are there or somebody pressed Ctrl-C."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    todo, expected_s = list(orders), [estimate_s(order) for order in orders]
    results = []
    for number, order in enumerate(todo, start=1):
        took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
        left = _eta(expected_s, number - 1, took_s)
        console.rule(f"{number}/{len(todo)} {order.name}: {left}", align="left")
        result, is_interrupted = one_run(
            order, provided, seed=seed, root=root, console=console, command=command
        )
        results.append(result)
        if result.state != "skipped":
            text = render_text(result, root)
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        yield result
        if is_interrupted:
            return
        if asks_again and number == len(orders):
            todo += unknown_again(orders, results)
            expected_s += map(estimate_s, todo[number:])


def _show(matrix: MatrixResult, root: Path, console: Console) -> None:
    """Write the matrix with its pages, and print its summary."""
    (root / "matrix.json").write_bytes(encode(matrix))
    pages = write_pages(matrix, root)
    console.rule("result", align="left")
    console.print(render_text(matrix, root), highlight=False, markup=False, soft_wrap=True)
    for page in pages:
        word = "page" if page.suffix == ".html" else "also"
        console.print(f"{word}: {page}", highlight=False, soft_wrap=True)
    tell_job(matrix, root)


def _eta(expected_s: list[float], done: int, took_s: float) -> str:
    """How long this run and all that are left may take, by what the runs so far took."""

    def in_words(left_s: float) -> str:
        return about(corrected_s(left_s, sum(expected_s[:done]), took_s if done else 0.0))

    left = f", {in_words(sum(expected_s[done:]))} to the end" if len(expected_s) - done > 1 else ""
    return f"about {in_words(expected_s[done])}{left}"


def cell_by_cell(results: list[RunResult]) -> list[RunResult]:
    """The repeats of a cell beside each other, cells in the order in which they first ran."""
    cells: dict[str, list[RunResult]] = {}
    for result in results:
        cells.setdefault(result.name.rpartition(".")[0], []).append(result)
    return [result for repeats in cells.values() for result in repeats]


def exit_code_of(results: list[RunResult], *, is_comparison: bool) -> int:
    """Of several runs: 255, 254, 1, 3, 2, 0 in this precedence; all skipped is 2.

    A comparison is 0 when every run was judged, or skipped with a reason; findings are printed.
    """
    codes = [result.exit_code for result in results if result.state != "skipped"]
    if not codes:
        return 2
    return worst_of([code for code in codes if code >= 254] if is_comparison else codes)


def unknown_again(orders: list[Order], results: list[RunResult]) -> list[Order]:
    """Orders whose run had too few exposures for a promise, with twice the agents and rate.

    More agents are in flight at each fault then. What is unknown for another reason would be so
    again: an engine that promises nothing, a key that is not offered.
    """
    again = []
    for order, result in zip(orders, results, strict=True):
        is_short = any(
            row.expectation == "promised"
            and row.verdict == "unknown"
            and row.exposed_count < order.scenario.exposures_min
            for row in result.promises
        )
        if result.state == "judged" and is_short and order.scenario.faults:
            load = order.scenario.load
            twice = replace(
                load,
                agents=2 * load.agents,
                rate_per_s=2 * load.rate_per_s if load.rate_per_s else None,
            )
            repeat = 1 + max(
                one.cell.repeat
                for one in orders
                if one.scenario.name == order.scenario.name
                and replace(one.cell, repeat=0) == replace(order.cell, repeat=0)
            )
            again.append(
                replace(
                    order,
                    scenario=replace(order.scenario, load=twice),
                    cell=replace(order.cell, repeat=repeat),
                )
            )
    return again


def one_run(
    order: Order, provided: Provided, *, seed: int, root: Path, console: Console, command: str
) -> tuple[RunResult, bool]:
    """Run and judge one order below ``root``; also says whether somebody pressed Ctrl-C."""
    if reason := why_missing(order, provided.missing):
        console.print(f"skipped: {reason}", markup=False)
        return skipped_result(order, reason, seed=seed), False
    folder = RunFolder(root / order.name)
    plan, agents, warm_up = drawn(order, seed)
    if order.own is not None:
        folder.root.mkdir()
        write_own(folder.root, order.own)
    clock = SystemClock()
    display = make_display(console, clock)
    kind = Walk if order.sweep is None else partial(SweepWalk, restart_delays_s=(0.0,))

    async def walk() -> bool:
        interrupted = asyncio.Event()
        _on_ctrl_c(interrupted, console)
        await kind(
            plan=plan,
            agents=agents,
            warm_up=warm_up,
            spec=engine_of(order),
            provided=provided.on(order.cell.platform),
            folder=folder,
            clock=clock,
            display=display,
            interrupted=interrupted,
        ).perform()
        return interrupted.is_set()

    try:
        is_interrupted = asyncio.run(walk())
    finally:
        display.close()
    return judged(folder.root, plan, command), is_interrupted


def judged(root: Path, plan: Plan, command: str) -> RunResult:
    """Judge a run's directory and write its results.json."""
    try:
        result = judge(root)
    except OnceproofError as error:
        result = failed_result(plan, str(error), root=root, command=command)
    write_whole(root / "results.json", encode(result))
    return result


def drawn(order: Order, seed: int) -> tuple[Plan, list[PlannedAgent], list[PlannedAgent]]:
    """Draw the plan of an order: of its scenario, or of its sweep."""
    if order.sweep is None:
        return draw_plan(order.scenario, order.cell, seed)
    plan, agents = draw_sweep(order.sweep, order.cell, seed)
    return plan, agents, []


def _size(orders: list[Order]) -> str:
    return f"{counted(len(orders), 'run')}, about {about(sum(map(estimate_s, orders)))}"


def dry_run(name: str, orders: list[Order], provided: Provided, *, seed: int) -> int:
    """Draw every plan and say what would run; start nothing."""
    print(_size(orders))
    for order in orders:
        plan, agents, warm_up = drawn(order, seed)
        faults = ", ".join(f"{f.name} at {f.at_ratio:.0%} on {f.slot}" for f in plan.faults)
        print(
            f"{name}: {order.name}: {len(agents)} agents, {plan.answers_count} LLM answers, "
            f"{len(warm_up)} for the warm-up; faults: {faults or 'none'}; "
            f"programs {plan.programs_sha256[:12]}; about {about(estimate_s(order))}"
        )
    for fact, value in provided.facts.items():
        print(f"  {fact}: {value}")
    for order in orders:
        if reason := why_missing(order, provided.missing):
            print(f"  {order.name} skipped: {reason}")
    for platform, place in provided.placed.items():
        for fact, value in place.facts.items():
            print(f"  on {platform}: {fact}: {value}")
        here = [one for one in orders if one.cell.platform == platform and not one.why_skipped]
        print(told(place.back_end, here), end="")
    return 0


def orders_like(plan: Plan, own: OwnEngine | None = None) -> list[Order]:
    """The order that a stored plan came from; ``own`` is its engine, if no registry knows it."""
    cell = replace(plan.cell, repeat=0)
    return [Order(scenario=plan.scenario, cell=cell, sweep=plan.sweep, own=own)]


def _on_ctrl_c(interrupted: asyncio.Event, console: Console) -> None:
    """Once: drain briefly, judge as unknown, keep the run. Twice: stop at once."""

    def handle() -> None:
        if interrupted.is_set():
            os._exit(255)
        console.print("stopping: heal, short drain, judge as unknown; once more stops at once")
        interrupted.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle)


def fresh_folder(out: Path, name: str) -> Path:
    """A directory that did not exist; a second one of the same second gets a number."""
    for number in range(100):
        path = out / (name if not number else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise OnceproofError(f"{out / name} exists a hundred times; see `onceproof clean`")
