"""The two sides of a gate: what was measured of each cell, from judged runs or from a baseline.

A *cell* is all repeats of one scenario on one engine, variant, store and broker. A baseline is a
small committed file with the figures of each repeat, so that a gate needs no old runs. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.errors import UsageError
from harness.measures.figures import FIGURES
from harness.plan import Plan
from harness.results import SCHEMA as RESULTS_SCHEMA
from harness.results import RunResult
from harness.scenario import Scenario
from harness.verdict import PROMISE_KEYS

SCHEMA = 1
FACTS = ("machine", "system", "durability", "python", "packages", "daprd", "redis", "onceproof")
"""Of environment.json: what decides, or explains, whether two runs can be compared."""
HOW_TO = (
    "make one: `onceproof run --matrix NAME --repeats 5`, then "
    '`onceproof baseline runs/DIRECTORY -o FILE --reason "why"`; see docs/gate.md'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run that was judged, with the plan that it followed."""

    result: RunResult
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One cell of one side."""

    key: str
    """<scenario>.<engine>:<variant>.<store>.<broker>"""
    engine: str
    """<engine>:<variant>"""
    results_schema: int
    seed: int
    scenario: Scenario
    programs_sha256: str
    facts: dict[str, str]
    verdicts: dict[str, str]
    """Promise -> the worst verdict of its repeats."""
    figures: dict[str, tuple[float | None, ...]]
    """Name -> a value for each repeat; None where it was not measured."""
    reasons: dict[str, str]
    """Name -> why a value is missing."""

    @property
    def is_faulted(self) -> bool:
        """Faults or a quota decide what is repeated."""
        llm = self.scenario.llm
        has_quota = llm.requests_per_min is not None or llm.tokens_per_min is not None
        return bool(self.scenario.faults) or has_quota

    def values(self, name: str) -> tuple[float, ...]:
        """The measured values of a figure."""
        return tuple(value for value in self.figures.get(name, ()) if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A committed file: what was good enough, when, and why."""

    schema: int = SCHEMA
    reason: str
    made_utc: str
    cells: tuple[Side, ...]
    known: dict[str, str] = field(default_factory=dict)
    """<engine>:<variant>/<promise> -> the finding that explains why it may fall: it is shown, and
    fails no gate."""


def key_of(result: RunResult) -> str:
    """The cell of a run: its name without the number of the repeat."""
    return result.name.rpartition(".")[0]


def with_engine(key: str, engine: str, other: str) -> str:
    """The key of the same cell on another engine."""
    return key.replace(f".{engine}.", f".{other}.", 1)


def grouped(runs: Iterable[Judged]) -> dict[str, list[Judged]]:
    """Runs by cell, in order of their repeats."""
    cells: dict[str, list[Judged]] = {}
    for run in sorted(runs, key=lambda one: one.result.repeat):
        cells.setdefault(key_of(run.result), []).append(run)
    return cells


def side_of(runs: Sequence[Judged]) -> Side:
    """Join the repeats of one cell.

    Raises:
        UsageError: they are not of one plan, so that no mean of theirs means anything.
    """
    first = runs[0]
    for run in runs[1:]:
        if (run.plan.seed, run.plan.scenario, run.plan.programs_sha256) != (
            first.plan.seed,
            first.plan.scenario,
            first.plan.programs_sha256,
        ):
            raise UsageError(
                f"{run.result.name} and {first.result.name} are not of one plan (seeds "
                f"{run.plan.seed} and {first.plan.seed}); name runs of one seed and scenario"
            )
    found = [{figure.name: figure for figure in run.result.figures} for run in runs]
    order = {"valid": 0, "unknown": 1, "invalid": 2}
    verdicts: dict[str, str] = {}
    for run in runs:
        for row in run.result.promises:
            if not row.is_applicable:
                continue
            known = verdicts.get(row.key, row.verdict)
            verdicts[row.key] = max(known, row.verdict, key=lambda word: order.get(word, 1))
    environment = first.result.environment
    return Side(
        key=key_of(first.result),
        engine=f"{first.result.engine}:{first.result.variant}",
        results_schema=first.result.schema,
        seed=first.plan.seed,
        scenario=first.plan.scenario,
        programs_sha256=first.plan.programs_sha256,
        facts={name: environment[name] for name in FACTS if name in environment},
        verdicts=verdicts,
        figures={
            spec.name: tuple(one[spec.name].value if spec.name in one else None for one in found)
            for spec in FIGURES
        },
        reasons={
            figure.name: figure.reason for one in found for figure in one.values() if figure.reason
        },
    )


def known_of(texts: Sequence[str]) -> dict[str, str]:
    """Findings as ``ENGINE:VARIANT/PROMISE=WHERE``.

    Raises:
        UsageError: with every text that says something else.
    """
    found, problems = {}, []
    for text in texts:
        name, _, where = text.partition("=")
        engine, _, promise = name.partition("/")
        if not where.strip() or ":" not in engine or promise not in PROMISE_KEYS:
            problems.append(
                f"--known {text}: expected ENGINE:VARIANT/PROMISE=WHERE, such as "
                "dapr_workflow:default/L=docs/findings/0001-stuck-after-pod-kill.md"
            )
        found[name] = where.strip()
    if problems:
        raise UsageError("\n  ".join(["no baseline can be made of this:", *problems]))
    return found


def baseline_of(
    runs: Sequence[Judged], *, reason: str, made_utc: str, known: dict[str, str] | None = None
) -> Baseline:
    """Make a baseline of judged runs; skipped ones are left out.

    Raises:
        UsageError: with every run that must not become the norm, and why.
    """
    problems = [] if reason.strip() else ["--reason is empty; say why this is good enough"]
    cells = {}
    for key, every in grouped(run for run in runs if run.result.state != "skipped").items():
        # Where a known finding struck, another repeat of the cell stands for it.
        repeats = [run for run in every if not _is_known(run.result, known or {})] or every
        problems += [text for run in repeats if (text := _unfit(run.result))]
        try:
            cells[key] = side_of(repeats)
        except UsageError as error:
            problems.append(str(error))
    if not cells and not problems:
        problems.append("no judged run was named")
    if problems:
        raise UsageError("\n  ".join(["no baseline can be made of this:", *problems]))
    return Baseline(
        reason=reason.strip(), made_utc=made_utc, cells=tuple(cells.values()), known=known or {}
    )


def _is_known(result: RunResult, known: dict[str, str]) -> bool:
    """All that this run broke is a known finding."""
    broken = [row.key for row in result.promises if row.is_surprise]
    engine = f"{result.engine}:{result.variant}"
    return bool(broken) and all(f"{engine}/{key}" in known for key in broken)


def _unfit(result: RunResult) -> str:
    if result.state != "judged":
        return f"{result.name} {result.state}: {result.state_reason}"
    refuted = [row.key for row in result.promises if row.is_surprise]
    if refuted:
        return f"{result.name} broke what its engine promises ({', '.join(refuted)})"
    unmet = [one.text for one in result.assumptions if not one.is_met]
    if unmet:
        return f"{result.name} is doubtful: {'; '.join(unmet)}"
    if not result.figures:
        return f"{result.name} has no figures; run `onceproof check` on it"
    return ""


def encode_baseline(baseline: Baseline) -> bytes:
    """Encode as indented JSON, so that a change can be read in a review."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n"


def decode_baseline(data: bytes, *, source: str) -> Baseline | str:
    """Read a baseline; of another schema it is a sentence that says so: nothing is comparable.

    Raises:
        UsageError: it is no baseline at all.
    """
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise UsageError(f"{source}: {error}; {HOW_TO}") from error
    if not isinstance(found, dict) or "cells" not in found:
        raise UsageError(f"{source} is no baseline; {HOW_TO}")
    if found.get("schema") != SCHEMA:
        return f"the baseline's schema is {found.get('schema')!r}, this version compares {SCHEMA}"
    try:
        return msgspec.convert(found, Baseline)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {error}; {HOW_TO}") from error


def is_current(side: Side) -> bool:
    """The side's results have the schema that this version compares."""
    return side.results_schema == RESULTS_SCHEMA
