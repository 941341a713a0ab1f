"""What a state store cost per step, and what became of the state in it. Pure.

Called by `runner.judge`. Figures come from runs without faults: with kills they also hold what was
repeated, and counters of a store that lives in its pod begin anew with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.measures.figures import OPERATIONS, SIZE
from harness.results import RunResult
from harness.state_store import KEPT, LOST, RED, UNDECIDED, StateStore, StoreCheck, StoreFigure

WRITES, WRITTEN = "writes", "written_bytes"
SHOWN: Mapping[str, str] = {
    SIZE: "bytes kept",
    WRITTEN: "bytes written",
    WRITES: "writes",
    OPERATIONS: "operations",
}
"""Name of a figure -> what it is called on the page."""
STATE_PROMISES = ("L", "S1", "R")
"""Those that fall when state is lost; a repeat alone (S2, S3) shows no loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSaid:
    """What the harness kept of a run's store beside the evidence."""

    ending: str = "finished"
    """Of the run."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """During the load."""
    reason: str = ""
    """Why figures are missing."""
    sources: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    """The word by which sidecars' logs tell that it refused."""
    troubles_count: int = 0
    checks: tuple[StoreCheck, ...] = ()


def state_store_of(
    result: RunResult, said: StoreSaid, *, expected: str = "", source: str = "", quote: str = ""
) -> StateStore:
    """Everything that the page says of the run's store; ``expected`` was declared for its load."""
    seen, text = _seen(result, said)
    return StateStore(
        figures=tuple(_figure(name, result, said) for name in SHOWN),
        expected=expected,
        source=source,
        quote=quote,
        seen=seen,
        text=text,
        checks=said.checks,
    )


def _figure(name: str, result: RunResult, said: StoreSaid) -> StoreFigure:
    steps = round(result.steps_per_s * result.load_s)
    total, reason = said.figures.get(name), ""
    if result.faults_planned:
        total, reason = None, "with kills it holds what was repeated, too; see a run without"
    elif total is None:
        reason = f"the store {result.store} does not count it"
        reason = said.reason if said.reason and not said.figures else reason
    elif not steps:
        reason = "no step was answered"
    return StoreFigure(
        name=name,
        total=total,
        per_step=total / steps if total is not None and steps else None,
        source=said.sources.get(name, ""),
        reason=reason,
    )


def _seen(result: RunResult, said: StoreSaid) -> tuple[str, str]:
    """The word for what became of the state, and the counts behind it."""
    verdicts = {row.key: row.verdict for row in result.promises}
    unfinished = "never ended" if verdicts.get("L") != "valid" else "never seen to start"
    ended = f"{result.agents_completed} of {result.agents_accepted} agents completed"
    for number, what in (
        (result.agents_failed, "gave up"),
        (result.agents_unfinished, unfinished),
        (result.agents_planned - result.agents_accepted, "never accepted"),
    ):
        ended += f", {number} {what}" if number > 0 else ""
    if result.state != "judged":
        return UNDECIDED, result.state_reason
    if said.troubles_count:
        lines = f"{said.troubles_count} lines of {said.trouble} in sidecars' logs"
        return RED, f"{lines}; {ended}"
    fallen = [key for key in STATE_PROMISES if verdicts.get(key) == "invalid"]
    if fallen or result.agents_failed:
        return LOST, ended + (f"; {', '.join(fallen)} fell" if fallen else "")
    if result.agents_unfinished and verdicts.get("L") != "valid":
        return UNDECIDED, f"{ended}; L is unknown"
    if not result.agents_accepted or said.ending != "finished":
        return UNDECIDED, f"{ended}; the run {said.ending}"
    if not result.faults_planned:
        return KEPT, f"{ended}; nobody was killed"
    if not result.resume.count:
        return UNDECIDED, f"{ended}; the kills interrupted none of them"
    return KEPT, f"{ended}; {result.resume.count} times an agent went on after a kill in mid-step"
