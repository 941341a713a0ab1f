"""Every command but `list` and `cluster`: each takes its arguments and returns an exit code."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from harness.archive import read_plan
from harness.claims import load_claims
from harness.cli import running
from harness.cli.asking import orders_of, sweep_orders_of
from harness.cli.capacity import capacity
from harness.cli.gating import gate_runs, make_baseline
from harness.cli.job_summary import tell_job
from harness.cli.own import own_again
from harness.cli.platform import placed_of, placed_orders
from harness.cli.providing import provided_of
from harness.cli.shrinking import Budget, shrink_kept, wanted_of
from harness.cli.simulating import simulate_run
from harness.cli.stored import joined, matrix_of, result_of, run_folders, stored_of
from harness.cli.sweeping import problem_of_sweep, sweep_cluster
from harness.engines.external.adapter import ENGINE as EXTERNAL
from harness.errors import UsageError
from harness.explain import explain
from harness.plan import LOCAL
from harness.provide.doctor import run_doctor
from harness.runner.judge import read_judged
from harness.runner.samples import run_samples
from reports.article import render_claims
from reports.pages import write_junit, write_pages, write_plots
from reports.text import render_text
from scenarios.matrices import MATRICES


def run(arguments: argparse.Namespace) -> int:
    """Run a scenario or a matrix."""
    name, orders = orders_of(arguments)
    provided = provided_of(arguments, orders, placed=placed_of(arguments, orders))
    if arguments.dry_run:
        return running.dry_run(name, orders, provided, seed=arguments.seed)
    matrix = MATRICES.get(arguments.matrix or "")
    return running.run_kept(
        name,
        orders,
        provided,
        seed=arguments.seed,
        out=arguments.out,
        is_comparison=matrix is not None and matrix.is_comparison,
        keeps_state=arguments.keep_state,
        asks_again=matrix is not None and matrix.asks_again,
    )


def repro(arguments: argparse.Namespace) -> int:
    """Run a stored plan again."""
    plan = read_plan(arguments.run)
    own = own_again(arguments.run, plan.cell.engine, is_trusted=arguments.trust)
    orders = running.orders_like(plan, own)
    problems: list[str] = []
    orders = placed_orders(arguments, orders, problems)
    if problems:
        raise UsageError("\n  ".join(["cannot run:", *problems]))
    provided = provided_of(arguments, orders, placed=placed_of(arguments, orders))
    return running.run_kept(
        f"repro-{plan.scenario.name}",
        orders,
        provided,
        seed=plan.seed,
        out=arguments.out,
        is_comparison=False,
        keeps_state=arguments.keep_state,
    )


def shrink(arguments: argparse.Namespace) -> int:
    """Look for a smaller scenario that shows a stored run's anomaly."""
    plan, result = read_plan(arguments.run), result_of(arguments.run)
    if plan.sweep is not None:
        raise UsageError(
            f"{arguments.run} is a sweep, which is small already; name --victims and --points of "
            "`onceproof sweep` instead"
        )
    if plan.cell.platform != LOCAL:
        raise UsageError(
            f"{arguments.run} ran on {plan.cell.platform}, and tries of a shrink run on local "
            "pods; see whether `onceproof repro --platform local` shows it, and shrink that run"
        )
    if plan.cell.engine == EXTERNAL:
        raise UsageError(
            f"{arguments.run}: not implemented: shrinking a run of a worker of your own; "
            "run it again with a smaller --set load.agents=N"
        )
    if arguments.runs < 1 or arguments.minutes <= 0:
        raise UsageError(
            f"--runs is {arguments.runs} and --minutes {arguments.minutes:g}, expected above 0"
        )
    wanted = wanted_of(result, promise=arguments.promise, anomaly=arguments.anomaly)
    orders = running.orders_like(plan)
    provided = provided_of(arguments, orders)
    budget = Budget(runs=arguments.runs, minutes=arguments.minutes)
    return shrink_kept(plan, result, wanted, provided, out=arguments.out, budget=budget)


def sweep(arguments: argparse.Namespace) -> int:
    """Strike every call of one program at every point."""
    orders = sweep_orders_of(arguments)
    provided = provided_of(arguments, orders)
    if arguments.dry_run:
        return running.dry_run("sweep", orders, provided, seed=arguments.seed)
    return running.run_kept(
        "sweep",
        orders,
        provided,
        seed=arguments.seed,
        out=arguments.out,
        is_comparison=False,
        keeps_state=arguments.keep_state,
    )


def check(arguments: argparse.Namespace) -> int:
    """Judge stored runs again."""
    results = []
    for root in run_folders(arguments.runs):
        result = running.judged(root, read_plan(root), f"onceproof check {root}")
        print(render_text(result, root.parent))
        results.append(result)
    return running.exit_code_of(results, is_comparison=False)


def report(arguments: argparse.Namespace) -> int:
    """Write the page of a stored matrix, or of several as one, from the results of their runs."""
    first: Path = arguments.directories[0]
    if len(arguments.directories) > 1 and arguments.output is None:
        raise UsageError(
            f"report of {len(arguments.directories)} folders: say where the page goes, as in "
            "-o runs/together"
        )
    root: Path = arguments.output or first
    stored = [stored_of(path) for path in arguments.directories]
    matrix = stored[0]
    if arguments.output is not None:
        matrix = joined(stored, arguments.directories, root)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"-o {root}: {error.strerror}; name another folder") from error
    written = list(write_pages(matrix, root))
    if arguments.junit is not None:
        written.append(write_junit(matrix, root, arguments.junit))
    if arguments.plots:
        written += write_plots(matrix, root)
    for path in written:
        print(f"{'page' if path.suffix == '.html' else 'also'}: {path}")
    tell_job(matrix, root)
    return 0


def claims(arguments: argparse.Namespace) -> int:
    """Write the claims page from the results of every matrix below a folder."""
    root: Path = arguments.runs
    found = sorted(path.parent for path in (*root.glob("matrix.json"), *root.glob("*/matrix.json")))
    if not found:
        raise UsageError(f"{root}: no matrix.json in it or one below; run --matrix engines first")
    article = load_claims()
    samples = [] if arguments.no_samples else run_samples(article.samples)
    page = render_claims(article, [matrix_of(path) for path in found], samples)
    if arguments.output is None:
        print(page)
        return 0
    try:
        arguments.output.write_text(page)
    except OSError as error:
        raise UsageError(f"-o {arguments.output}: {error.strerror}; name another") from error
    print(f"page: {arguments.output}")
    return 0


def explain_agent(arguments: argparse.Namespace) -> int:
    """One agent's timeline."""
    archived = read_judged(arguments.run)
    print(explain(archived.evidence, arguments.agent, archived.history))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """What this machine has; with --sweep also what dead runs left on a cluster."""
    if problem := problem_of_sweep(arguments):
        raise UsageError(problem)
    if arguments.platform == "kubernetes":
        sweep_cluster(arguments.context)
    return run_doctor(dapr_bin=arguments.dapr_bin, sweeps=arguments.sweep)


def clean(arguments: argparse.Namespace) -> int:
    """Remove stored runs, the oldest first."""
    if arguments.keep < 0:
        raise UsageError(f"--keep is {arguments.keep}, expected 0 or more")
    out: Path = arguments.out
    if not out.is_dir():
        print(f"{out}: nothing to remove")
        return 0
    stored = sorted(
        path for path in out.iterdir() if (path / "matrix.json").exists() and not path.is_symlink()
    )
    for path in stored[: max(0, len(stored) - arguments.keep)]:
        shutil.rmtree(path)
        print(f"removed {path}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "check": check,
    "repro": repro,
    "shrink": shrink,
    "sweep": sweep,
    "capacity": capacity,
    "report": report,
    "simulate": simulate_run,
    "gate": gate_runs,
    "baseline": make_baseline,
    "claims": claims,
    "explain": explain_agent,
    "doctor": doctor,
    "clean": clean,
}
