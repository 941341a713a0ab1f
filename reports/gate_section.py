"""The gate's outcome as a section of the page: the verdict, what decides it, all of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.gate import GateResult
from reports.gate_finding import FAIL, INCONCLUSIVE, KNOWN, NOT_COMPARABLE, PASS, Finding
from reports.gate_forms import QUIET, SIGNS, VERDICTS, ordered
from reports.tables import Head, Table, Value, number, text
from reports.wording import counted, one_line

TONES = {FAIL: "bad", NOT_COMPARABLE: "warn", INCONCLUSIVE: "warn", KNOWN: "odd", PASS: "good"}
EXIT_TONES = {0: "good", 2: "warn", 255: "warn"}
"""By exit code; any other is bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSection:
    """What the section shows."""

    verdict: str
    tone: str
    against: str
    exit_code: int
    classes: str
    deciding: Table | None
    """What failed, could not be decided or is known; None when all passed."""
    whole: Table
    noise: Table | None


def gate_section(result: GateResult | None) -> GateSection | None:
    """The section of a gated matrix; None for one that was not gated."""
    if result is None:
        return None
    found = ordered(result)
    deciding = [one for one in found if one.state not in QUIET]
    return GateSection(
        verdict=VERDICTS[result.exit_code],
        tone=EXIT_TONES.get(result.exit_code, "bad"),
        against=one_line(result.against),
        exit_code=result.exit_code,
        classes=", ".join(result.only),
        deciding=_table("deciding", "What decides the gate", deciding) if deciding else None,
        whole=_table("whole", f"All of it: {counted(len(found), 'finding')}", found),
        noise=_noise(result) if result.noise else None,
    )


def _table(key: str, caption: str, findings: Iterable[Finding]) -> Table:
    return Table(
        key=key,
        caption=caption,
        head=(
            Head(text="Outcome"),
            Head(text="Class"),
            Head(text="Cell", is_long=True),
            Head(text="What"),
            Head(text="Found", is_long=True),
        ),
        rows=tuple(
            (
                text(f"{SIGNS[one.state]} {one.state}", tone=TONES.get(one.state, "muted")),
                *(text(one.kind), text(one_line(one.cell), is_code=True)),
                *(text(one_line(one.name)), text(one_line(one.text))),
            )
            for one in findings
        ),
    )


def _noise(result: GateResult) -> Table:
    return Table(
        key="noise",
        caption="How little these repeats can find",
        head=(
            Head(text="Timing"),
            Head(text="Cell", is_long=True),
            *(Head(text=name, is_number=True) for name in ("Runs a side", "Noise", "Found")),
        ),
        rows=tuple(
            (
                *(text(one.name), text(one_line(one.cell), is_code=True)),
                *(number(str(one.runs), one.runs), _percent(one.spread_ratio)),
                _percent(one.found_ratio - 1),
            )
            for one in result.noise
        ),
        note="Noise is the spread between repeats; found is the slow-down that these repeats "
        "would call a failure four times in five.",
    )


def _percent(ratio: float) -> Value:
    return number(f"{ratio:.1%}", ratio)
