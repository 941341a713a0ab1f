"""What stands against the verdicts of a matrix: unknowns, unmet assumptions, doubts, gaps.

Shown at the top of every form of a report. Pure; the same concern of several runs becomes one line.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.results import MatrixResult, RunResult
from reports import wording
from reports.compare import Column, State, columns, is_control, is_naive, key_list, promise_state

GUARDED_KEYS = ("L", "S1", "S2", "S3", "S4", "R")
"""What control:guarded must keep; it does not promise S5."""
KINDS = {
    "failed": "Failed",
    "threshold": "Threshold",
    "control": "Control",
    "assumption": "Assumption not met",
    "unknown": "Unknown",
    "skipped": "Skipped",
    "doubt": "Doubt",
}
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that a reader must know before believing a verdict."""

    kind: str
    """A key of `KINDS`."""
    subject: str
    """Promise keys or the name of an assumption; may be empty."""
    text: str
    columns: tuple[Column, ...]
    """The runs that it touches."""

    @property
    def title(self) -> str:
        """Kind and subject."""
        return f"{KINDS[self.kind]}: {self.subject}" if self.subject else KINDS[self.kind]

    @property
    def is_loud(self) -> bool:
        """All but a doubt take a verdict away."""
        return self.kind != "doubt"


def concerns(matrix: MatrixResult) -> tuple[Concern, ...]:
    """Everything that stands against the verdicts, the worst first."""
    found: dict[tuple[str, str, str], list[Column]] = {}
    heads = columns(matrix)
    for column in heads:
        for key in (*_of_run(column), *_loads(column, heads)):
            found.setdefault(key, []).append(column)
    order = list(KINDS)
    ranked = sorted(found.items(), key=lambda entry: order.index(entry[0][0]))
    return tuple(
        Concern(kind=kind, subject=subject, text=text, columns=tuple(touched))
        for (kind, subject, text), touched in ranked
    )


def assumptions_line(matrix: MatrixResult) -> str:
    """How many assumptions were met."""
    judged = [run for run in matrix.runs if run.state == "judged"]
    total = sum(len(run.assumptions) for run in judged)
    met = sum(assumption.is_met for run in judged for assumption in run.assumptions)
    if not total:
        return "No assumption was checked."
    which = "All" if met == total else f"{met} of"
    runs = wording.counted(len(judged), "judged run")
    return f"{which} {wording.counted(total, 'assumption')} met in {runs}."


def _of_run(column: Column) -> Iterator[tuple[str, str, str]]:
    run = column.run
    if run.state != "judged":
        kind = "skipped" if run.state == "skipped" else "failed"
        yield kind, "", wording.sentence(run.state_reason or "no reason was given")
        return
    for row in run.thresholds:
        if row.state != "holds":
            named = f"{wording.one_line(row.threshold)} {row.state}"
            yield "threshold", named, wording.sentence(row.text)
    for assumption in run.assumptions:
        if not assumption.is_met:
            yield "assumption", wording.one_line(assumption.name), wording.sentence(assumption.text)
    yield from _unknowns(column)
    yield from _controls(run)
    unmet = {one.text for one in run.assumptions if not one.is_met}
    for doubt in run.doubts:
        if doubt not in unmet:
            yield "doubt", "", wording.sentence(doubt)


def _loads(column: Column, heads: tuple[Column, ...]) -> Iterator[tuple[str, str, str]]:
    """A column that carries another load than those beside it says so itself, in its summary."""
    beside = [one.run.summary for one in heads if one.run.scenario == column.run.scenario]
    usual = max(beside, key=beside.count)
    if column.run.summary != usual:
        text = f"another load than in the columns beside it: {column.run.summary}"
        yield "doubt", "load", wording.sentence(text)


def _unknowns(column: Column) -> Iterator[tuple[str, str, str]]:
    run = column.run
    reasons: dict[str, list[str]] = {}
    for row in run.promises:
        if promise_state(row) is State.UNKNOWN:
            reason = wording.sentence(row.reason or "the checker gave no reason")
            reasons.setdefault(reason, []).append(row.key)
    for reason, keys in reasons.items():
        yield "unknown", key_list(keys), reason
    if column.state is State.UNKNOWN and not reasons:
        yield "unknown", "", wording.sentence(_why_unknown(run))


def _why_unknown(run: RunResult) -> str:
    """Of a run of which no promise is unknown."""
    if run.promises and all(row.expectation != "promised" for row in run.promises):
        return (
            "the engine's documentation promises nothing that a run could hold it to; what it did "
            "stands promise by promise"
        )
    return run.headline or "the run as a whole was not judged"


def _controls(run: RunResult) -> Iterator[tuple[str, str, str]]:
    if not is_control(run):
        return
    refuted = {row.key for row in run.promises if row.verdict == "invalid"}
    has_struck = any(row.kills_count for row in run.promises)
    if is_naive(run) and has_struck and not refuted:
        yield (
            "control",
            "naive",
            "The plain loop must be refuted where kills struck, and was not: "
            "green on this page proves nothing.",
        )
    broken = key_list([key for key in GUARDED_KEYS if key in refuted])
    if run.variant == "guarded" and broken:
        yield (
            "control",
            "guarded",
            f"The guarded loop must keep {broken}, and did not: red on this page proves nothing.",
        )
