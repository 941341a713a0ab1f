"""A matrix of judged runs as one picture: columns, states and the verdict vector.

Pure; used by the HTML, Markdown and text renderers, so that what a verdict is called is decided in
one place. It judges nothing anew: every state comes from the results, and what it cannot tell is
shown as unknown.
"""

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.results import MatrixResult, PromiseRow, RunResult
from harness.verdict import MESSAGES, PROMISE_KEYS, PROMISES, bound_ratio
from reports import wording
from reports.wording import count, counted, upper_percent

REASON_WIDTH = 110
"""Signs of a reason in a cell; the table of the run has it in full."""
CHECKED_NOUNS = {"L": "agent", "R": "agent", "S4": "effect", "S5": "effect", "M": "message"}
"""What a checker of the promise looks at; all others look at steps."""


class State(enum.Enum):
    """What a cell or a run says; symbol and word carry it, colour only repeats it."""

    HOLDS = ("✓", "holds", "good")
    UNKNOWN = ("?", "unknown", "warn")
    REFUTED = ("✗", "refuted (promised)", "bad")
    REFUTED_UNPROMISED = ("△", "refuted (not promised)", "odd")
    NOT_OFFERED = ("–", "not offered", "muted")
    NOT_APPLICABLE = ("·", "not applicable", "muted")
    SKIPPED = ("⊘", "skipped", "muted")
    FAILED = ("!", "failed", "warn")
    VALID = ("✓", "valid", "good")
    VALID_BEYOND = ("✓", "valid as promised", "good")
    BROKE_AS_MEANT = ("△", "refuted as meant", "odd")
    INVALID = ("✗", "invalid", "bad")

    @property
    def symbol(self) -> str:
        """The sign."""
        return self.value[0]

    @property
    def word(self) -> str:
        """The word."""
        return self.value[1]

    @property
    def tone(self) -> str:
        """The colour class: good | warn | bad | odd | muted."""
        return self.value[2]


MEANINGS = {
    State.HOLDS: "no violation was found, within the bound",
    State.REFUTED: "broken, and the engine promises it",
    State.REFUTED_UNPROMISED: "broken, and the engine never promised it",
    State.UNKNOWN: "the evidence does not suffice; not a pass",
    State.NOT_OFFERED: "the engine offers nothing to judge it by",
    State.NOT_APPLICABLE: "the run has nothing that it is about; neither a pass nor a doubt",
    State.SKIPPED: "not run, with a reason",
    State.FAILED: "the harness or the machine failed; proves nothing",
}
"""The legend of the verdict matrix."""
SHORT_WORDS = {
    State.HOLDS: "✓ holds",
    State.UNKNOWN: "? unknown",
    State.REFUTED: "✗ REFUTED",
    State.REFUTED_UNPROMISED: "△ refuted",
    State.NOT_OFFERED: "– no key",
    State.NOT_APPLICABLE: "· n/a",
    State.SKIPPED: "⊘ skipped",
    State.FAILED: "! failed",
}
"""Where there is room for one word: capitals where the engine promised it."""
REASONED = (
    State.UNKNOWN,
    State.NOT_OFFERED,
    State.NOT_APPLICABLE,
    State.SKIPPED,
    State.FAILED,
)
"""States whose cells say why instead of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One run of the matrix."""

    number: int
    """From 1, in the order of the command."""
    anchor: str
    engine: str
    """engine:variant, without a variant called default."""
    detail: str
    """scenario, store and broker, repeat."""
    place: str
    """Store, broker, platform and repeat, where they say something."""
    label: str
    """Engine and scenario; the place where another run has the same, or on Kubernetes."""
    state: State
    run: RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One promise of one run."""

    state: State
    counts: str
    """What was looked at and what was found; empty when nothing was judged."""
    bound: str
    """How much a pass says; empty elsewhere."""
    expectation: str
    """Whose word it is, and the word: promised | not promised | unstated; empty when nothing was
    judged, or to be judged."""
    note: int
    """Number of the footnote with quote and source; 0 without one."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRow:
    """One promise over all runs."""

    key: str
    text: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Where an engine says what it promises."""

    number: int
    engine: str
    promises: str
    expectation: str
    quote: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """The verdict matrix."""

    columns: tuple[Column, ...]
    rows: tuple[VectorRow, ...]
    notes: tuple[Note, ...]


def columns(matrix: MatrixResult) -> tuple[Column, ...]:
    """The runs, named and numbered."""
    alike = Counter(_label(run) for run in matrix.runs)
    return tuple(
        Column(
            number=number,
            anchor=f"run-{number}",
            engine=engine_name(run),
            detail=run_detail(run),
            place=place(run),
            label=_label(run, has_place=alike[_label(run)] > 1 or run.is_on_kubernetes),
            state=run_state(run),
            run=run,
        )
        for number, run in enumerate(matrix.runs, start=1)
    )


def _label(run: RunResult, *, has_place: bool = False) -> str:
    where = place(run) if has_place else ""
    label = f"{engine_name(run)} in {wording.one_line(run.scenario)}"
    return f"{label} ({where})" if where else label


def engine_name(run: RunResult) -> str:
    """engine:variant; a variant called default says nothing."""
    plain = run.variant in ("", "default")
    return wording.one_line(run.engine if plain else f"{run.engine}:{run.variant}")


def run_detail(run: RunResult) -> str:
    """What distinguishes the run beside its engine."""
    parts = [run.scenario]
    parts += [f"store {run.store}"] if run.store not in ("", "none") else []
    parts += [f"broker {run.broker}"] if run.broker not in ("", "none") else []
    parts += ["on Kubernetes"] if run.is_on_kubernetes else []
    parts += [f"repeat {run.repeat}"] if run.repeat else []
    return wording.one_line(" · ".join(parts))


def parts(run: RunResult) -> dict[str, str]:
    """What tells a run from others of its scenario, but for its repeat."""
    return {
        "engine": engine_name(run),
        "store": wording.one_line(run.store) or "none",
        "broker": wording.one_line(run.broker) or "none",
        "platform": "Kubernetes" if run.is_on_kubernetes else "local",
    }


def place(run: RunResult) -> str:
    """Store, broker, platform and repeat, where they say something."""
    _, *shown = parts(run).values()
    return joined([*shown, f"repeat {run.repeat}" if run.repeat else ""])


def joined(shown: Iterable[str]) -> str:
    """Those that say something, with a dot between two."""
    return " · ".join(part for part in shown if part not in ("", "none", "local"))


def kind_of_pod(run: RunResult) -> str:
    """A pod is called local until it was one of Kubernetes."""
    return "Kubernetes pod" if run.is_on_kubernetes else "local pod"


def run_state(run: RunResult) -> State:
    """The verdict of a run; refuted promises that the engine never gave do not make it invalid."""
    if run.state != "judged":
        return State.SKIPPED if run.state == "skipped" else State.FAILED
    found = {promise_state(row) for row in run.promises}
    if State.REFUTED in found:
        return State.INVALID
    if is_naive(run) and any(row.kills_count for row in run.promises):
        return State.BROKE_AS_MEANT if State.REFUTED_UNPROMISED in found else State.UNKNOWN
    if run.verdict == "unknown" or not run.promises:
        return State.UNKNOWN
    if State.REFUTED_UNPROMISED in found:
        return State.VALID_BEYOND
    if any(not assumption.is_met for assumption in run.assumptions):
        return State.UNKNOWN
    return {"valid": State.VALID, "invalid": State.INVALID}.get(run.verdict, State.UNKNOWN)


def promise_state(row: PromiseRow) -> State:
    """The state of a promise of a judged run."""
    if not row.is_applicable:
        return State.NOT_APPLICABLE
    if row.verdict == "invalid":
        promised = row.is_surprise or row.expectation == "promised"
        return State.REFUTED if promised else State.REFUTED_UNPROMISED
    if not row.is_offered:
        return State.NOT_OFFERED
    return State.HOLDS if row.verdict == "valid" else State.UNKNOWN


def vector(matrix: MatrixResult) -> Vector:
    """Promises by runs, with the engines' own words as numbered notes."""
    heads = columns(matrix)
    notes = _notes(matrix)
    numbers = {_note_key(note): note.number for note in notes}
    rows = []
    for promise in PROMISES:
        cells = []
        for column in heads:
            row = promise_row(column.run, promise.key)
            number = numbers.get(_source_key(column.run, row), 0) if row else 0
            cells.append(cell(column.run, row, number))
        rows.append(VectorRow(key=promise.key, text=promise.text, cells=tuple(cells)))
    return Vector(columns=heads, rows=tuple(rows), notes=notes)


def states_shown(matrix: MatrixResult) -> tuple[State, ...]:
    """The states that occur in the verdict matrix, in the order of the legend."""
    found = {one.state for row in vector(matrix).rows for one in row.cells}
    return tuple(state for state in MEANINGS if state in found)


def promise_row(run: RunResult, key: str) -> PromiseRow | None:
    """The row of that promise, if it was judged."""
    return next((row for row in run.promises if row.key == key), None)


def cell(run: RunResult, row: PromiseRow | None, note: int = 0) -> Cell:
    """One cell of the verdict matrix."""
    if run.state != "judged" or row is None:
        state = State.UNKNOWN if run.state == "judged" else run_state(run)
        reason = "" if run.state != "judged" else "not judged"
        return Cell(state=state, counts="", bound="", expectation="", note=0, reason=reason)
    state = promise_state(row)
    return Cell(
        state=state,
        counts=counts_text(row) if state not in REASONED else "",
        bound=bound_text(row) if state is State.HOLDS else "",
        expectation=word_of(row) if row.is_applicable else "",
        note=note,
        reason=wording.shortened(row.reason, REASON_WIDTH) if state in REASONED else "",
    )


def word_of(row: PromiseRow) -> str:
    """What was promised, and by whom: messages are the broker's matter."""
    return f"{'broker' if row.key == MESSAGES else 'engine'}: {row.expectation}"


def counts_text(row: PromiseRow) -> str:
    """What was looked at, what was found, what could not be ordered."""
    noun = CHECKED_NOUNS.get(row.key, "step")
    if row.violations_count:
        found = counted(row.violations_count, "violation")
        text = f"{found} in {counted(row.checked_count, noun)}"
    else:
        text = f"none in {counted(row.checked_count, noun)}"
    if row.not_judged_count:
        text += f", {count(row.not_judged_count)} not judged"
    return text


def bound_text(row: PromiseRow) -> str:
    """The bound behind a pass: kills first, then exposed steps, then everything checked."""
    if row.kills_count > 0:
        bound = upper_percent(row.bound_per_kill_ratio)
        return f"of {counted(row.kills_count, 'kill')} none: below {bound} per kill at 95 %"
    noun = CHECKED_NOUNS.get(row.key, "step")
    if row.exposed_count > 0:
        bound = upper_percent(row.bound_per_exposure_ratio)
        return f"of {count(row.exposed_count)} exposed none: below {bound} per {noun} at 95 %"
    if row.checked_count > 0:
        bound = upper_percent(bound_ratio(row.checked_count))
        return f"no faults; below {bound} per {noun} at 95 %"
    return ""


def refuted_keys(run: RunResult, state: State) -> list[str]:
    """Keys of the run's promises in that state."""
    return [row.key for row in run.promises if promise_state(row) is state]


def key_list(found: list[str]) -> str:
    """Keys as people write them: L, S1–S3, R."""
    return wording.keys(found, PROMISE_KEYS)


def is_control(run: RunResult) -> bool:
    """A loop of ours, there to show that red and green are both reachable."""
    return run.engine == "control"


def is_naive(run: RunResult) -> bool:
    """The control that must break wherever kills struck."""
    return is_control(run) and run.variant == "naive"


def _source_key(run: RunResult, row: PromiseRow) -> tuple[str, str, str, str]:
    return (
        engine_name(run),
        row.expectation,
        wording.one_line(row.quote),
        wording.one_line(row.source),
    )


def _note_key(note: Note) -> tuple[str, str, str, str]:
    return note.engine, note.expectation, note.quote, note.source


def _notes(matrix: MatrixResult) -> tuple[Note, ...]:
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for run in matrix.runs:
        if run.state != "judged":
            continue
        for row in run.promises:
            if row.quote or row.source:
                found.setdefault(_source_key(run, row), []).append(row.key)
    return tuple(
        Note(
            number=number,
            engine=key[0],
            promises=key_list(keys),
            expectation=key[1],
            quote=key[2],
            source=key[3],
        )
        for number, (key, keys) in enumerate(found.items(), start=1)
    )
