"""JUnit XML: a suite a run, a case a promise, and "run completed"; for the test tabs of CIs.

Called by `reports.pages`. A promised promise that is refuted is a failure, one that is unknown an
error, since unknown is not a pass. What an engine never promised fails nobody's build: it is
skipped, with what was found. A gate adds a suite of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from harness.results import MatrixResult, PromiseRow, RunResult
from reports import compare, wording
from reports.compare import State
from reports.witnesses import refutations

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
TEXT_MAX = 4000
"""Signs of the detail of one case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of a test tab."""

    name: str
    outcome: str
    """passed | failure | error | skipped"""
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases of one run, or of a gate."""

    name: str
    cases: tuple[Case, ...]
    seconds: float = 0.0


def render_junit(
    matrix: MatrixResult, directory: Path | None = None, more: Iterable[Suite] = ()
) -> str:
    """The suites as XML; ``more`` come behind those of the runs."""
    suites = [*(suite_of(run, directory) for run in matrix.runs), *more]
    return render_suites(matrix.name, suites, seconds=matrix.duration_s)


def render_suites(name: str, suites: Sequence[Suite], *, seconds: float = 0.0) -> str:
    """Suites as XML."""
    totals = _totals([case for suite in suites for case in suite.cases])
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name={_attribute("onceproof " + name)} {totals} time="{seconds:.1f}">',
    ]
    for suite in suites:
        lines.append(
            f"  <testsuite name={_attribute(suite.name)} {_totals(suite.cases)} "
            f'time="{suite.seconds:.1f}">'
        )
        for case in suite.cases:
            lines += _case(suite, case)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def suite_of(run: RunResult, directory: Path | None = None) -> Suite:
    """A run's cases: whether it came to an end, its assumptions, its promises."""
    cases = [_completed(run)]
    if run.state == "judged":
        cases += [
            Case(
                name=f"assumption: {one.name}",
                outcome=PASSED if one.is_met else ERROR,
                message=one.text,
            )
            for one in run.assumptions
        ]
        texts = {one.key: one for one in refutations(run, directory)}
        for row in run.promises:
            found = texts.get(row.key)
            witnesses = [group.smallest for group in found.groups] if found else []
            detail = "\n\n".join(f"{one.text}\n$ {one.command}" for one in witnesses)
            cases.append(_promise(row, detail))
    return Suite(name=run.name, cases=tuple(cases), seconds=run.load_s)


def _completed(run: RunResult) -> Case:
    outcome = {"judged": PASSED, "skipped": SKIPPED}.get(run.state, ERROR)
    message = "" if outcome == PASSED else run.state_reason or "no reason was given"
    return Case(name="run completed", outcome=outcome, message=message)


def _promise(row: PromiseRow, detail: str) -> Case:
    state = compare.promise_state(row)
    name = f"{row.key}: {row.text}"
    if state is State.HOLDS:
        return Case(name=name, outcome=PASSED)
    if state is State.REFUTED:
        return Case(name=name, outcome=FAILURE, message=compare.counts_text(row), detail=detail)
    reason = compare.counts_text(row) if state is State.REFUTED_UNPROMISED else row.reason
    message = f"{state.word}: {reason}" if reason else state.word
    is_open = state is State.UNKNOWN and row.expectation == "promised"
    return Case(name=name, outcome=ERROR if is_open else SKIPPED, message=message, detail=detail)


def _case(suite: Suite, case: Case) -> Iterator[str]:
    head = f"    <testcase classname={_attribute(suite.name)} name={_attribute(case.name)}"
    if case.outcome == PASSED:
        yield f"{head}/>"
        return
    yield f"{head}>"
    message = f"message={_attribute(case.message)}"
    if case.outcome == SKIPPED:
        yield f"      <skipped {message}/>"
    else:
        detail = escape(wording.clean(case.detail)[:TEXT_MAX])
        yield f"      <{case.outcome} {message}>{detail}</{case.outcome}>"
    yield "    </testcase>"


def _totals(cases: Iterable[Case]) -> str:
    outcomes = [case.outcome for case in cases]
    counts = {
        "tests": len(outcomes),
        "failures": outcomes.count(FAILURE),
        "errors": outcomes.count(ERROR),
        "skipped": outcomes.count(SKIPPED),
    }
    return " ".join(f'{name}="{count}"' for name, count in counts.items())


def _attribute(text: str) -> str:
    return quoteattr(wording.shortened(text, TEXT_MAX))
