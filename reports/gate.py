"""The gate: judged runs against the table of promises and against a baseline; one exit code.

Three classes, three rules. *Correctness* is exact, against scenarios/expectations.yaml, and needs
no baseline. *Cost* follows from the programs: exact, or within the tolerance that its figure
states. *Timing* is noise around a value: repeats, an interval of the ratio, and three answers.
Pure; `harness.cli.gating` reads and writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.verdict import PROMISES
from reports.compare import is_naive
from reports.gate_comparable import against_all, against_timings, worth_noting
from reports.gate_cost import cost_findings
from reports.gate_finding import (
    CORRECTNESS,
    COST,
    FAIL,
    INCONCLUSIVE,
    KNOWN,
    NOT_COMPARABLE,
    NOTE,
    PASS,
    RUN,
    SKIPPED,
    THRESHOLD,
    TIMING,
    Finding,
)
from reports.gate_sides import Baseline, Judged, Side, grouped, is_current, side_of, with_engine
from reports.gate_timing import Noise, noise_of, timing_findings

SCHEMA = 1
CLASSES = (CORRECTNESS, COST, TIMING)
EXIT_FAIL = {RUN: 255, CORRECTNESS: 1, COST: 3, TIMING: 3, THRESHOLD: 3}
"""What a failure of each class makes of the exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the caller chose."""

    only: tuple[str, ...] = CLASSES
    """Classes that are gated; the others are not even looked at."""
    against: str = ""
    """<engine>:<variant> of the other side, where it is another than the candidate's."""
    tolerances: Mapping[str, float] = field(default_factory=dict)
    """Figure -> how much worse it may be, instead of its own."""
    is_partial: bool = False
    """Cells of the baseline that were not run do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """gate.json: what was compared, and what came of it."""

    schema: int = SCHEMA
    against: str
    """What the other side was, in words."""
    exit_code: int
    only: tuple[str, ...]
    findings: tuple[Finding, ...]
    noise: tuple[Noise, ...]
    """Spread of each timing over the repeats of both sides."""


def gate(
    baseline: Baseline | str | None,
    candidate: Sequence[Judged],
    *,
    against: str,
    settings: Settings,
    unread: Mapping[str, str] | None = None,
) -> GateResult:
    """Gate the candidate's runs.

    ``baseline`` may be a sentence that says why it cannot be compared, or None when correctness
    alone is asked for. ``unread`` are runs of the candidate whose results are of another schema.
    """
    cells = grouped(candidate)
    findings = [
        Finding(kind=RUN, cell=name, name="results", state=NOT_COMPARABLE, text=text)
        for name, text in (unread or {}).items()
    ]
    for key, runs in cells.items():
        findings += _of_runs(key, runs)
        if CORRECTNESS in settings.only:
            known = baseline.known if isinstance(baseline, Baseline) else {}
            findings += _correctness(key, runs, known)
        findings += _thresholds(key, runs)
    noise: tuple[Noise, ...] = ()
    if {COST, TIMING} & set(settings.only) and baseline is not None:
        if isinstance(baseline, str):
            findings.append(_all_cells(baseline))
        else:
            compared, noise = _compared(baseline, cells, settings)
            findings += compared
    return GateResult(
        against=against,
        exit_code=exit_code_of(findings),
        only=settings.only,
        findings=tuple(findings),
        noise=noise,
    )


def exit_code_of(findings: Sequence[Finding]) -> int:
    """255 broken, 1 a promise, 3 worse, 2 undecided, 0; nothing decided at all is 2."""
    failed = {EXIT_FAIL[one.kind] for one in findings if one.state == FAIL}
    for code in (255, 1, 3):
        if code in failed:
            return code
    states = {one.state for one in findings}
    return 2 if states & {INCONCLUSIVE, NOT_COMPARABLE} or PASS not in states else 0


def _all_cells(text: str) -> Finding:
    return Finding(kind=RUN, cell="all", name="baseline", state=NOT_COMPARABLE, text=text)


def _of_runs(key: str, runs: Sequence[Judged]) -> Iterator[Finding]:
    for run in runs:
        if run.result.state == "judged":
            continue
        state = SKIPPED if run.result.state == "skipped" else FAIL
        name = f"repeat {run.result.repeat}"
        yield Finding(kind=RUN, cell=key, name=name, state=state, text=run.result.state_reason)


def _correctness(key: str, runs: Sequence[Judged], known: Mapping[str, str]) -> Iterator[Finding]:
    judged = [run.result for run in runs if run.result.state == "judged"]
    for promise in PROMISES:
        rows = [row for run in judged for row in run.promises if row.key == promise.key]
        promised = [row for row in rows if row.expectation == "promised"]
        refuted = [row for row in promised if row.verdict == "invalid"]
        open_rows = [row for row in promised if row.verdict == "unknown"]
        name = f"{promise.key}: {promise.text}"
        of_runs = f"of {len(promised)} runs"
        where = known.get(f"{_engine_of(runs)}/{promise.key}")
        if refuted and where:
            text = f"promised, and refuted in {len(refuted)} {of_runs}: known, see {where}"
            yield Finding(kind=CORRECTNESS, cell=key, name=name, state=KNOWN, text=text)
        elif refuted:
            text = f"promised, and refuted in {len(refuted)} {of_runs}: {refuted[0].reason}"
            yield Finding(kind=CORRECTNESS, cell=key, name=name, state=FAIL, text=text)
        elif open_rows:
            text = f"promised, and unknown in {len(open_rows)} {of_runs}: {open_rows[0].reason}"
            yield Finding(kind=CORRECTNESS, cell=key, name=name, state=INCONCLUSIVE, text=text)
        elif promised:
            text = f"promised, and holds in {len(promised)} {of_runs}"
            yield Finding(kind=CORRECTNESS, cell=key, name=name, state=PASS, text=text)
        elif any(row.verdict == "invalid" for row in rows):
            text = "refuted; the engine does not promise it, so that nothing is gated"
            yield Finding(kind=CORRECTNESS, cell=key, name=name, state=NOTE, text=text)
    struck = [run for run in judged if any(row.kills_count for row in run.promises)]
    if struck and all(is_naive(run) for run in struck):
        refuted_all = all(any(row.verdict == "invalid" for row in run.promises) for run in struck)
        yield Finding(
            kind=CORRECTNESS,
            cell=key,
            name="the plain loop must be refuted",
            state=PASS if refuted_all else INCONCLUSIVE,
            text="refuted, as it must be where kills struck"
            if refuted_all
            else "kills struck, and it was not refuted: green proves nothing here",
        )


def _engine_of(runs: Sequence[Judged]) -> str:
    return f"{runs[0].result.engine}:{runs[0].result.variant}"


def _thresholds(key: str, runs: Sequence[Judged]) -> Iterator[Finding]:
    states = {"holds": PASS, "broken": FAIL, "unknown": INCONCLUSIVE}
    for run in runs:
        for row in run.result.thresholds:
            yield Finding(
                kind=THRESHOLD,
                cell=key,
                name=row.threshold,
                state=states[row.state],
                text=f"repeat {run.result.repeat}: {row.text}",
            )


def _compared(
    baseline: Baseline, cells: Mapping[str, Sequence[Judged]], settings: Settings
) -> tuple[list[Finding], tuple[Noise, ...]]:
    known = {side.key: side for side in baseline.cells}
    findings: list[Finding] = []
    pairs: list[tuple[Side, Side]] = []
    used = set()
    for key, runs in cells.items():
        judged = [run for run in runs if run.result.state == "judged"]
        if not judged:
            used.add(key)
            continue
        try:
            candidate = side_of(judged)
        except UsageError as error:
            used |= {side.key for side in baseline.cells if side.engine == settings.against}
            used.add(key)
            findings.append(_cannot(key, str(error)))
            continue
        other = settings.against or candidate.engine
        wanted = with_engine(key, candidate.engine, other)
        used.add(wanted)
        if wanted not in known:
            findings.append(_cannot(key, f"the baseline has no cell {wanted}"))
            continue
        reasons = [*_doubts(candidate, judged), *against_all(known[wanted], candidate)]
        if reasons:
            findings += [_cannot(key, reason) for reason in reasons]
            continue
        pairs.append((known[wanted], candidate))
        findings += [
            Finding(kind=RUN, cell=key, name="differs", state=NOTE, text=text)
            for text in worth_noting(known[wanted], candidate)
        ]
    if not settings.is_partial:
        findings += [
            _cannot(key, "this cell of the baseline was not run") for key in known.keys() - used
        ]
    if COST in settings.only:
        for before, now in pairs:
            findings += cost_findings(before, now, settings.tolerances)
    if TIMING not in settings.only:
        return findings, ()
    timed = []
    for before, now in pairs:
        reasons = against_timings(before, now)
        findings += [_cannot(now.key, reason, TIMING) for reason in reasons]
        timed += [] if reasons else [(before, now)]
    findings += timing_findings(timed, settings.tolerances)
    return findings, noise_of(timed)


def _doubts(side: Side, runs: Sequence[Judged]) -> Iterator[str]:
    """What takes the figures of these runs away, whatever the baseline is."""
    for run in runs:
        for one in run.result.assumptions:
            if not one.is_met:
                yield f"repeat {run.result.repeat}: {one.name}: {one.text}"
        if not run.result.figures:
            yield (
                f"repeat {run.result.repeat} has no figures, since it was judged before there was "
                "a gate; run `onceproof check` on it"
            )
    if not is_current(side):
        yield "the results are of an older schema; run `onceproof check` on the runs"


def _cannot(key: str, text: str, kind: str = RUN) -> Finding:
    return Finding(kind=kind, cell=key, name="comparison", state=NOT_COMPARABLE, text=text)
