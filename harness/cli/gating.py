"""`gate` and `baseline`: judged runs from folders, or made now, against a file or each other."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.archive import read_plan
from harness.cli import running
from harness.cli.asking import interleaved, orders_of
from harness.cli.job_summary import VARIABLE
from harness.cli.providing import provided_of
from harness.cli.stored import matrix_of, run_folders
from harness.engines.registry import ENGINES
from harness.errors import UsageError
from harness.measures.figures import SPECS
from harness.measures.ratios import RUNS_MIN
from harness.results import SCHEMA as RESULTS_SCHEMA
from harness.results import decode_run
from harness.runner.order import Order
from reports.gate import CLASSES, Settings, gate
from reports.gate_finding import CORRECTNESS
from reports.gate_forms import render_gate_markdown, render_gate_text
from reports.gate_sides import (
    HOW_TO,
    Baseline,
    Judged,
    baseline_of,
    decode_baseline,
    encode_baseline,
    grouped,
    known_of,
    side_of,
)
from reports.pages import append_text, write_gate, write_pages, write_text
from scenarios.matrices import MATRICES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Runs as they lie in folders."""

    runs: list[Judged]
    unread: dict[str, str]
    """Run -> why its results cannot be compared at all."""


def gate_runs(arguments: argparse.Namespace) -> int:
    """Gate stored runs, or run and gate."""
    settings, baseline = _asked(arguments)
    if arguments.runs:
        return _verdict(arguments, settings, baseline, arguments.runs)
    name, orders = _orders(arguments)
    provided = provided_of(arguments, orders)
    if arguments.dry_run:
        return running.dry_run(name, orders, provided, seed=arguments.seed)
    return running.run_kept(
        name,
        orders,
        provided,
        seed=arguments.seed,
        out=arguments.out,
        is_comparison=bool(arguments.matrix) and MATRICES[arguments.matrix].is_comparison,
        keeps_state=arguments.keep_state,
        finish=lambda root: _verdict(arguments, settings, baseline, [root]),
    )


def make_baseline(arguments: argparse.Namespace) -> int:
    """Write a baseline of judged runs."""
    found = _read(arguments.runs)
    if found.unread:
        told = "; ".join(f"{name}: {text}" for name, text in found.unread.items())
        raise UsageError(f"no baseline can be made of this: {told}")
    made = baseline_of(
        found.runs,
        reason=arguments.reason,
        known=known_of(arguments.known),
        made_utc=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    write_text(arguments.output, encode_baseline(made))
    for side in made.cells:
        runs = max(map(len, side.figures.values()))
        few = f"; timings need {RUNS_MIN}" if runs < RUNS_MIN else ""
        print(f"{side.key}: {runs} repeats{few}")
    print(f"baseline: {arguments.output}")
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[Settings, Baseline | str | None]:
    """Everything that can be wrong before a run is read or made.

    Raises:
        UsageError: with all of it.
    """
    problems: list[str] = []
    only = tuple(name for name in arguments.only.split(",") if name)
    problems += [
        f"--only: unknown {name!r}; known: {', '.join(CLASSES)}"
        for name in only
        if name not in CLASSES
    ]
    if bool(arguments.runs) == bool(arguments.scenario or arguments.matrix):
        problems.append("name folders of runs, or what to run: --scenario NAME or --matrix NAME")
    if arguments.same and (arguments.baseline or arguments.against):
        problems.append("--aa compares runs with their own kind; leave --baseline and --against")
    if arguments.matrix and arguments.against and not arguments.baseline:
        problems.append("--against without --baseline goes with --scenario and --engine")
    against = _full(arguments.against)
    tolerances = _tolerances(arguments.tolerance, problems)
    baseline: Baseline | str | None = None
    needs_other = set(only or CLASSES) != {CORRECTNESS}
    if arguments.baseline:
        try:
            data = arguments.baseline.read_bytes()
            baseline = decode_baseline(data, source=str(arguments.baseline))
        except OSError as error:
            problems.append(f"{arguments.baseline}: {error.strerror}; {HOW_TO}")
        except UsageError as error:
            problems.append(str(error))
    elif needs_other and not arguments.same and not against:
        problems.append(
            f"nothing to compare with: give --baseline FILE ({HOW_TO}), --against "
            "ENGINE[:VARIANT], --aa, or --only correctness"
        )
    if problems:
        raise UsageError("\n  ".join(["cannot gate:", *problems]))
    settings = Settings(
        only=only or CLASSES,
        against=against,
        tolerances=tolerances,
        is_partial=arguments.partial,
    )
    return settings, baseline


def _full(engine: str | None) -> str:
    """An engine with its variant; a wrong name stays, and no cell will be found for it."""
    if not engine:
        return ""
    name, colon, variant = engine.partition(":")
    first = ENGINES[name].variants[0] if name in ENGINES else "default"
    return f"{name}:{variant if colon and variant else first}"


def _tolerances(texts: Sequence[str], problems: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            number = -1.0
        if name not in SPECS:
            problems.append(f"--tolerance: unknown figure {name!r}; known: {', '.join(SPECS)}")
        elif not 0 <= number < 100:
            problems.append(f"--tolerance {text}: expected FIGURE=RATIO, such as {name}=20%")
        else:
            found[name] = number
    return found


def _orders(arguments: argparse.Namespace) -> tuple[str, list[Order]]:
    """The runs to make, both sides in turns where both are made."""
    repeats = arguments.repeats * (2 if arguments.same else 1)
    name, orders = orders_of(argparse.Namespace(**{**vars(arguments), "repeats": repeats}))
    if not arguments.against or arguments.baseline:
        return name, orders
    values = {**vars(arguments), "engine": _full(arguments.against), "repeats": 1}
    _, others = orders_of(argparse.Namespace(**values))
    if others[0].name == orders[0].name:
        raise UsageError("--against names the engine that is gated; use --aa for equal sides")
    firsts = [order for order in orders if order.cell.repeat == 0]
    return name, interleaved([*others, *firsts], repeats)


def _verdict(
    arguments: argparse.Namespace,
    settings: Settings,
    baseline: Baseline | str | None,
    paths: Sequence[Path],
) -> int:
    """Read, gate, print and write; returns the exit code."""
    found = _read(paths)
    runs, told = found.runs, "the table of promises alone"
    if arguments.baseline:
        told = str(arguments.baseline)
        if isinstance(baseline, Baseline):
            told += f", made {baseline.made_utc}: {baseline.reason}"
    elif settings.against:
        others = [run for run in runs if _engine_of(run) == settings.against]
        runs = [run for run in runs if _engine_of(run) != settings.against]
        baseline, told = _side_by_side(others), f"{settings.against}, run beside it"
    elif arguments.same:
        others, runs = _halves(runs)
        baseline, told = _side_by_side(others), "itself (A/A): what differs is noise"
    result = gate(baseline, runs, against=told, settings=settings, unread=found.unread)
    print(render_gate_text(result, is_whole=arguments.whole), end="")
    written = write_gate(result, paths[0])
    if not found.unread and (paths[0] / "matrix.json").exists():
        written += write_pages(matrix_of(paths[0]), paths[0])[:1]
    for path in written:
        print(f"gate: {path}")
    summary = os.environ.get(VARIABLE, "")
    if summary and not append_text(render_gate_markdown(result), Path(summary)):
        print(f"{VARIABLE} is full; the gate is in {paths[0]}")
    return result.exit_code


def _engine_of(run: Judged) -> str:
    return f"{run.result.engine}:{run.result.variant}"


def _halves(runs: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """The repeats of each cell in turns: A B B A A B B A, so that a drift meets both alike."""
    sides: tuple[list[Judged], list[Judged]] = ([], [])
    for repeats in grouped(runs).values():
        for place, run in enumerate(repeats):
            sides[(place + 1) // 2 % 2].append(run)
    return sides


def _side_by_side(runs: Sequence[Judged]) -> Baseline | str:
    judged = [run for run in runs if run.result.state == "judged"]
    try:
        cells = tuple(side_of(repeats) for repeats in grouped(judged).values())
    except UsageError as error:
        return str(error)
    return Baseline(reason="", made_utc="", cells=cells) if cells else "the other side has no run"


def _read(paths: Sequence[Path]) -> _Read:
    """Read results and plans; results of another schema are named, never guessed at.

    Raises:
        UsageError: a folder has no results, or they are damaged.
    """
    found = _Read(runs=[], unread={})
    for root in run_folders(paths):
        path = root / "results.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{root}: no results.json; run `onceproof check {root}`") from error
        schema = _schema_of(data)
        if schema is not None and schema != RESULTS_SCHEMA:
            found.unread[root.name] = (
                f"its results have schema {schema}, this version compares {RESULTS_SCHEMA}; run "
                "`onceproof check` on it if this version can still read the run"
            )
            continue
        found.runs.append(Judged(result=decode_run(data, source=str(path)), plan=read_plan(root)))
    return found


def _schema_of(data: bytes) -> object:
    """The schema number of a file; None when it is none of ours, which the decoder says better."""
    try:
        decoded = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    return decoded.get("schema") if isinstance(decoded, dict) else None
