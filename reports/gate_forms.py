"""The forms of a gate: terminal, Markdown, JUnit and JSON; what failed comes first. Pure."""

import textwrap
from collections.abc import Iterator

import msgspec

from harness.errors import UsageError
from reports import wording
from reports.gate import SCHEMA, GateResult
from reports.gate_finding import (
    FAIL,
    INCONCLUSIVE,
    KNOWN,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOTE,
    PASS,
    SKIPPED,
    STATES,
    Finding,
)
from reports.junit import ERROR, FAILURE, PASSED, Case, Suite
from reports.junit import SKIPPED as CASE_SKIPPED

WIDTH = 100
SIGNS = {
    FAIL: "✗",
    NOT_COMPARABLE: "≠",
    INCONCLUSIVE: "?",
    KNOWN: "△",
    PASS: "✓",
    NOT_MEASURED: "–",
    SKIPPED: "⊘",
    NOTE: "·",
}
VERDICTS = {
    0: "✓ PASS",
    1: "✗ INVALID: a promise that the engine makes was refuted",
    2: "? INCONCLUSIVE: something could not be decided, which is not a pass",
    3: "✗ REGRESSION: worse than the baseline, or a threshold broken",
    255: "! BROKEN: a run did not come to its end",
}
OUTCOMES = {FAIL: FAILURE, NOT_COMPARABLE: ERROR, INCONCLUSIVE: ERROR, PASS: PASSED}
QUIET = (PASS, NOT_MEASURED, NOTE)
"""States that the terminal sums up, unless all is asked for."""


def render_gate_text(result: GateResult, *, is_whole: bool = False) -> str:
    """For the terminal; no line is longer than 100 signs, wherever it can be broken."""
    lines = [VERDICTS[result.exit_code], *_wrapped(f"against {result.against}", "  ")]
    for kind, counts in _counts(result).items():
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        lines.append(f"  {kind}: {told}")
    for one in ordered(result):
        if is_whole or one.state not in QUIET:
            lines += _wrapped(_line(one), "  ")
    for noise in result.noise:
        lines += _wrapped(
            f"· noise: {noise.name} of {noise.cell}: {noise.spread_ratio:.1%} between repeats; "
            f"{noise.runs} a side find a slow-down of {noise.found_ratio - 1:.0%} four times in "
            "five",
            "  ",
        )
    return "\n".join([*lines, f"exit code {result.exit_code}"]) + "\n"


def render_gate_markdown(result: GateResult) -> str:
    """For a job's summary: the verdict, then a table, what failed first."""
    lines = [
        f"### Gate: {VERDICTS[result.exit_code]}",
        "",
        f"Against {wording.one_line(result.against)}. Exit code {result.exit_code}.",
        "",
        "| | class | cell | what | found |",
        "|---|---|---|---|---|",
    ]
    for one in ordered(result):
        cells = (
            f"{SIGNS[one.state]} {one.state}",
            one.kind,
            one.cell,
            one.name,
            one.text,
        )
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    if result.noise:
        lines += ["", "| timing | cell | runs a side | noise | slow-down found in 4 of 5 |"]
        lines += ["|---|---|---|---|---|"]
        lines += [
            f"| {_cell(one.name)} | {_cell(one.cell)} | {one.runs} | {one.spread_ratio:.1%} | "
            f"{one.found_ratio - 1:.0%} |"
            for one in result.noise
        ]
    return "\n".join(lines) + "\n"


def gate_suite(result: GateResult) -> Suite:
    """The gate as a suite of JUnit cases; what is undecided is an error, not a pass."""
    cases = tuple(
        Case(
            name=f"{one.kind}: {one.cell}: {one.name}",
            outcome=OUTCOMES.get(one.state, CASE_SKIPPED),
            message="" if one.state == PASS else f"{one.state}: {one.text}",
        )
        for one in ordered(result)
    )
    return Suite(name="gate", cases=cases)


def ordered(result: GateResult) -> list[Finding]:
    """What failed first."""
    return sorted(result.findings, key=lambda one: STATES.index(one.state))


def encode_gate(result: GateResult) -> bytes:
    """gate.json."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def decode_gate(data: bytes, *, source: str) -> GateResult:
    """Read gate.json.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    try:
        result = msgspec.json.decode(data, type=GateResult)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{source}: {error}; gate again, or remove it") from error
    states = {one.state for one in result.findings} - set(STATES)
    if result.schema != SCHEMA or result.exit_code not in VERDICTS or states:
        raise UsageError(
            f"{source}: schema {result.schema}, exit code {result.exit_code}, states "
            f"{sorted(states)} are not of this version, which writes {SCHEMA}; gate again"
        )
    return result


def _counts(result: GateResult) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for one in ordered(result):
        if one.state != NOTE:
            of_kind = counts.setdefault(one.kind, {})
            of_kind[one.state] = of_kind.get(one.state, 0) + 1
    return counts


def _line(one: Finding) -> str:
    return f"{SIGNS[one.state]} {one.state.upper()} {one.kind}: {one.cell}: {one.name}: {one.text}"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    clean = wording.one_line(text)
    yield from textwrap.wrap(
        clean, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )


def _cell(text: str) -> str:
    return wording.one_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
