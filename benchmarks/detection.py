"""Proves the judge on the mutants: ``python -m benchmarks.detection``.

Every mutant runs through the real pipeline: pods, witness, ledger, driver, judge. Which agents it
harmed is read from its own log and compared with the agents that the checkers name. Beside that, on
a clock that jumps, one violation among ten thousand steps, and correct runs with random kills.
Writes docs/detection.md; exits 1 when a violation was missed or an innocent agent blamed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console

from benchmarks.detection_cases import CASES, CLIENT, Case
from harness.archive import read_run
from harness.checkers import all_anomalies, run_checkers
from harness.cli.providing import machine_facts, provide
from harness.clock import SystemClock
from harness.cluster.keeper import keep
from harness.engines.reference.planting import Planting, planted_in
from harness.history import Evidence
from harness.ids import agent_id
from harness.measures.client import misconduct
from harness.patterns import FAILING, MESSAGED
from harness.plan import Cell, draw_plan, slots_of
from harness.runner.display import PlainDisplay
from harness.runner.folder import RunFolder
from harness.runner.judge import judge
from harness.runner.order import Order, spec_of
from harness.runner.walk import Walk
from harness.scenario import PATTERNS, FaultSpec, LlmSpec, LoadSpec, Scenario
from harness.verdict import PROMISE_KEYS, Anomaly

PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
MIX = {"chain": 2.0, "tools": 1.0, "parallel": 1.0}
CORRECT = "default"
STEPS_SLOW = 16
"""Of three seconds each: a child of fourteen goes on after its parent is known to have failed."""
LIMITED = 16
"""Requests that find the quota spent, where one is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a run is."""

    agents: int = 28
    rate: int = 3
    """One agent in so many is harmed."""
    kills: int = 3
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Row:
    """One run of one mutant, compared with what it did."""

    mutant: str
    steps: int
    """Answers and tool calls that the plan demands."""
    kills: int
    planted: frozenset[str]
    chosen: frozenset[str]
    red: dict[str, dict[str, int]] = field(default_factory=dict)
    """Promise -> anomaly -> agents among the chosen."""
    missed: frozenset[str] = frozenset()
    blamed: tuple[Anomaly, ...] = ()
    """Anomalies of agents that no mutant touched."""
    doubt: str = ""
    """Why the run itself cannot be trusted; empty when it can."""

    @property
    def is_proof(self) -> bool:
        """Something was planted, all of it was found, and nobody else was blamed."""
        is_done = bool(self.planted) or self.mutant == CORRECT
        return is_done and not self.missed and not self.blamed and not self.doubt


def scenario_of(case: Case | None, size: Size) -> Scenario:
    """A load that gives the mutant its occasion; None is the correct engine, with kills."""
    kills = size.kills if case is None else case.kills
    has_quota = case is not None and case.needs_quota
    steps = Scenario(name="", summary="").steps
    quota = size.agents * steps - LIMITED if has_quota else None
    pattern = "chain" if has_quota else case.pattern if case is not None else ""
    fault = FaultSpec(kind="kill_pod", count=max(kills, 1), in_flight_min=1, progress_to=0.5)
    is_slow = case is not None and case.is_slow
    return Scenario(
        name="detection",
        summary="a mutant among correct agents",
        mix={pattern: 1.0} if pattern else MIX,
        load=LoadSpec(
            agents=size.agents,
            rate_per_s=3.0 if kills else 5.0,
            shape="at_once" if has_quota else "constant",
            warm_up_agents=0,
        ),
        steps=STEPS_SLOW if is_slow else steps,
        llm=LlmSpec(latency_ms=3000.0 if is_slow else 300.0, requests_per_min=quota),
        pods=2,
        faults=(fault,) if kills else (),
        exposures_min=0,
        liveness_s=120.0 if is_slow else 60.0 if has_quota else 12.0,
        run_s=240.0 if is_slow else 150.0,
    )


def run_case(case: Case | None, root: Path, *, size: Size) -> Row:
    """Run one mutant for real below ``root``, which must be new, and judge it."""
    mutant = case.mutant if case is not None else CORRECT
    variant = f"{mutant}@{size.rate}" if case is not None else mutant
    scenario = scenario_of(case, size)
    cell = Cell(engine="reference", variant=variant)
    plan, agents, warm_up = draw_plan(scenario, cell, size.seed)
    clock = SystemClock()
    folder = RunFolder(root)
    walk = Walk(
        plan=plan,
        agents=agents,
        warm_up=warm_up,
        spec=spec_of(cell),
        provided=provide(
            [Order(scenario=scenario, cell=cell)], dapr_bin=None, redis=None, report=print
        ),
        folder=folder,
        clock=clock,
        display=PlainDisplay(Console(file=io.StringIO()), clock),
        interrupted=asyncio.Event(),
    )
    facts = asyncio.run(walk.perform())
    result = judge(root)
    evidence = read_run(root).evidence
    planted = frozenset[str]().union(
        *(planted_in(folder.state / "slots" / slot) for slot in slots_of(scenario))
    )
    broken = [entry.text for entry in result.assumptions if not entry.is_met]
    return compare(
        mutant,
        evidence,
        _stored(root / "anomalies.jsonl"),
        planted=planted,
        rate=size.rate,
        kills=sum(fault.has_struck for fault in evidence.faults),
        doubt="; ".join([*broken, *(() if facts.ending == "finished" else (facts.ending,))]),
    )


def compare(
    mutant: str,
    evidence: Evidence,
    anomalies: Iterable[Anomaly],
    *,
    planted: frozenset[str],
    rate: int,
    kills: int,
    doubt: str = "",
) -> Row:
    """Set what the checkers say beside what the mutant did."""
    case = CASES.get(mutant)
    planting = Planting(mutant=mutant, rate=rate)
    agents = evidence.names.agents
    chosen = frozenset(name for name in agents if case is not None and planting.is_chosen(name))
    row = Row(
        mutant=mutant,
        steps=evidence.expected.count,
        kills=kills,
        planted=planted,
        chosen=chosen,
        doubt=doubt,
    )
    everything = [*anomalies, *_manners(evidence)]
    guilty = {(one.promise, one.name, one.agent) for one in everything if one.agent in chosen}
    for promise, name, _ in sorted(guilty):
        names = row.red.setdefault(promise, {})
        names[name] = names.get(name, 0) + 1
    if case is not None:
        names_wanted = (case.anomaly, case.or_anomaly)
        found = {who for key, name, who in guilty if key == case.promise and name in names_wanted}
        row.missed = planted - found
    row.blamed = tuple(
        one for one in everything if one.agent not in chosen and not _is_own(one, kills)
    )
    return row


def _is_own(anomaly: Anomaly, kills: int) -> bool:
    """What the correct engine does not promise either: a kill may repeat a tool call."""
    return anomaly.promise == "S5" and kills > 0


def _manners(evidence: Evidence) -> list[Anomaly]:
    """Bad manners in the form of anomalies, one an agent and rule."""
    return [
        Anomaly(
            name=found.name, promise=CLIENT, agent=evidence.names.agents[agent], path="", text=""
        )
        for found in misconduct(evidence)
        for agent in sorted(set(found.agent.tolist()))
        if found.name != "no-backoff"
    ]


def _stored(path: Path) -> list[Anomaly]:
    return [msgspec.json.decode(line, type=Anomaly) for line in path.read_bytes().splitlines()]


def rare(case: Case, steps: int, folder: Path) -> Row:
    """One violation among so many steps, on the clock that jumps."""
    from tests.mutants.stage import play  # noqa: PLC0415 - tests are not needed for the rest.

    agents = steps // 5
    rate = _rate_for(case, agents)
    played = play(
        folder,
        f"{case.mutant}@{rate}",
        agents=agents,
        # A kill near a repeat excuses it: where the repeat is the harm, nobody is killed.
        kills=20 if case.kills else 0 if case.promise == "S3" else 4,
        rate_per_s=100.0,
        mix={case.pattern: 1.0} if case.pattern else MIX,
    )
    evidence = played.evidence
    anomalies = all_anomalies(evidence)
    return compare(
        case.mutant,
        evidence,
        anomalies,
        planted=played.planted,
        rate=rate,
        kills=evidence.faults_planned,
    )


def _rate_for(case: Case, agents: int) -> int:
    """The highest rate that still chooses one of the agents; twenty where a kill must meet one."""
    wanted = min(20, agents) if case.kills else 1
    names = [agent_id(number) for number in range(agents)]
    for rate in range(2 * agents // wanted, 1, -1):
        planting = Planting(mutant=case.mutant, rate=rate)
        if wanted <= sum(planting.is_chosen(name) for name in names) <= 2 * wanted - 1:
            return rate
    return 1


def correct_run(seed: int, folder: Path) -> tuple[int, list[str]]:
    """One random correct run: its kills, and what was blamed, which should be nothing.

    Mix, load, latency and kills are drawn; S5 aside, which the reference does not promise.
    """
    from tests.mutants.stage import play  # noqa: PLC0415 - tests are not needed for the rest.

    chance = Random(seed)
    kills = chance.randrange(7)
    known = [name for name in PATTERNS if name not in FAILING | MESSAGED]
    patterns = chance.sample(known, chance.randrange(1, len(known) + 1))
    evidence = play(
        folder,
        CORRECT,
        agents=chance.randrange(6, 25),
        kills=kills,
        seed=seed,
        latency_ms=chance.choice([20.0, 300.0, 1500.0]),
        rate_per_s=chance.choice([5.0, 20.0, 1000.0]),
        mix={pattern: chance.uniform(0.5, 2.0) for pattern in patterns},
        liveness_s=60.0,
    ).evidence
    blamed = [
        f"seed {seed}, {check.promise}: {check.reason}"
        for check in run_checkers(evidence)
        if check.anomalies and not (check.promise == "S5" and kills)
    ]
    return kills, blamed


def correct_runs(count: int, folder: Path) -> tuple[int, list[str]]:
    """Random correct runs with random kills; returns all kills, and what was blamed."""
    kills, blamed = 0, []
    for seed in range(1, count + 1):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            more, wrong = correct_run(seed, Path(place))
        kills += more
        blamed += wrong
    return kills, blamed


HEAD = """# Detection: the judge, proven on planted faults

Generated by `python -m benchmarks.detection`; do not edit. A *mutant* is the reference engine with
one decision made wrong in some agents (`onceproof run --engine reference:<mutant>`); each writes
down whom it harmed, and that is compared with the agents that the checkers name. *Missed* is a
harmed agent that its checker did not name; *false alarms* are anomalies of agents that were left
alone.
"""
REAL = """
## Through the real pipeline

Pods, witness, ledger, driver, kills, judge. {size}

| mutant | caught by | kills | chosen | harmed | missed | false alarms | also red, and why |
|---|---|--:|--:|--:|--:|--:|---|
"""
RARE = """
## One violation among {steps} steps

The same engine, witness and judge in one process, on a clock that jumps. Mutants that need a kill
choose twenty agents or more, since a kill must meet one; where a repeat is the harm nobody is
killed, since a kill nearby would excuse it. Those that need a process or a quota of
their own run only above.

| mutant | caught by | steps | kills | harmed | missed | false alarms |
|---|---|--:|--:|--:|--:|--:|
"""
MATRIX = """
## Mutant by checker

● must catch it; ○ goes red on the same agents, for the reason above.

"""


def page(rows: list[Row], rares: list[Row], runs: str, size: Size, command: str) -> str:
    """The page as text."""
    size_text = (
        f"{size.agents} agents a run on 2 pods, one agent in {size.rate} chosen, seed {size.seed}; "
        f"{size.kills} pods killed on the correct engine; where a mutant needs kills, two, and one "
        "for duplicate-start, since a kill of the replacement would excuse it."
    )
    parts = [HEAD, REAL.format(size=size_text), *(_real_line(row) for row in rows)]
    parts += [MATRIX, *_matrix(rows)]
    if rares:
        parts.append(RARE.format(steps=f"{min(row.steps for row in rares):,} or more"))
        parts += [_rare_line(row) for row in rares]
    if runs:
        parts.append(f"\n## Correct runs\n\n{runs}\n")
    facts = machine_facts()
    parts.append(f"\nMade with `{command}` on {facts['machine']}; {facts['system']}.\n")
    return "".join(parts)


def _real_line(row: Row) -> str:
    case = CASES.get(row.mutant)
    caught = f"{_promise(case)} {_names_of(case)}" if case is not None else "nobody"
    also = "; ".join(
        f"{promise} ({', '.join(sorted(row.red[promise]))}): {_why(case, promise)}"
        for promise in sorted(row.red)
        if case is not None and promise != case.promise
    )
    doubt = f" **{row.doubt}**" if row.doubt else ""
    name = f"`{row.mutant}`" if case is not None else "the correct engine, killed"
    return (
        f"| {name} | {caught} | {row.kills} | {len(row.chosen)} | {len(row.planted)} | "
        f"{len(row.missed)} | "
        f"{len(row.blamed)} | {also or 'none'}{doubt} |\n"
    )


def _rare_line(row: Row) -> str:
    case = CASES[row.mutant]
    return (
        f"| `{row.mutant}` | {_promise(case)} {_names_of(case)} | {row.steps} | {row.kills} | "
        f"{len(row.planted)} | {len(row.missed)} | {len(row.blamed)} |\n"
    )


def _matrix(rows: list[Row]) -> list[str]:
    keys = (*PROMISE_KEYS, CLIENT)
    lines = [f"| mutant | {' | '.join(keys)} |\n|---|{'---|' * len(keys)}\n"]
    for row in rows:
        case = CASES.get(row.mutant)
        must = case.promise if case is not None else ""
        cells = ["" if key not in row.red else "●" if key == must else "○" for key in keys]
        lines.append(f"| `{row.mutant}` | {' | '.join(cells)} |\n")
    return lines


def _promise(case: Case) -> str:
    return "`measures.client`" if case.promise == CLIENT else case.promise


def _names_of(case: Case) -> str:
    return f"{case.anomaly} or {case.or_anomaly}" if case.or_anomaly else case.anomaly


def _why(case: Case, promise: str) -> str:
    return case.also.get(promise, "**no reason on file**")


def main() -> int:
    """Run what was asked for; without names, everything, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("mutants", nargs="*", metavar="MUTANT", help=f"of {', '.join(CASES)}")
    options.add_argument("--agents", type=int, default=Size().agents)
    options.add_argument("--rate", type=int, default=Size().rate)
    options.add_argument("--seed", type=int, default=Size().seed)
    options.add_argument("--steps", type=int, default=10_000, help="0 leaves the rare ones out")
    options.add_argument("--runs", type=int, default=1000, help="correct runs; 0 for none")
    options.add_argument("--page", type=Path, default=PAGE)
    options.add_argument(
        "--keep", type=Path, help="folder for finished rows; those in it are not made again"
    )
    given = options.parse_args()
    unknown = sorted(set(given.mutants) - set(CASES) - {CORRECT})
    if unknown:
        options.error(f"unknown mutant {', '.join(unknown)}; known: {', '.join(CASES)}")
    size = Size(agents=given.agents, rate=given.rate, seed=given.seed)
    names = given.mutants or [*CASES, CORRECT]
    with tempfile.TemporaryDirectory() as place:
        kept = Kept(given.keep, Path(place))
        rows = [kept.row(name, partial(run_case, CASES.get(name), size=size)) for name in names]
        cases = [CASES[name] for name in names if name in CASES and given.steps]
        rares = [
            kept.row(f"rare-{case.mutant}", partial(rare, case, given.steps))
            for case in cases
            if not case.needs_process and not case.needs_quota
        ]
        kills, blamed = correct_runs(given.runs, Path(place))
    for line in blamed:
        print(f"false alarm: {line}")
    if not given.mutants:
        command = f"python -m benchmarks.detection --steps {given.steps} --runs {given.runs}"
        runs = (
            f"{len(blamed)} false alarms in {given.runs:,} random correct runs with {kills:,} "
            "kills: mix (without poison), load, latency and kills are drawn (S5 aside, which the "
            "reference does not promise under kills)."
        )
        given.page.write_text(page(rows, rares, runs if given.runs else "", size, command))
    return int(bool(blamed) or not all(row.is_proof for row in rows + rares))


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows as files, so that a benchmark that was broken off goes on where it was."""

    folder: Path | None
    place: Path
    """Where runs are made."""

    def row(self, name: str, make: Callable[[Path], Row]) -> Row:
        """The row on file, or a new one."""
        path = self.folder / f"{name}.json" if self.folder is not None else None
        if path is not None and path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Row)
        row = _told(make(self.place / name))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(row))
        return row


def _told(row: Row) -> Row:
    word = "proven" if row.is_proof else "NOT PROVEN"
    print(
        f"{row.mutant}: {word}: {row.steps} steps, {row.kills} kills, {len(row.chosen)} chosen, "
        f"{len(row.planted)} harmed, missed {sorted(row.missed) or 0}, red {row.red}, "
        f"{len(row.blamed)} false alarms{f', doubt: {row.doubt}' if row.doubt else ''}",
        flush=True,
    )
    for one in row.blamed[:5]:
        print(f"  blamed: {one.promise} {one.name}: {one.text}", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(keep(main))
