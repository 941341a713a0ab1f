"""Tables over all runs of a matrix: results at a glance, environments.

Pure; one row a run, so that engines can be sorted by any figure.
"""

from dataclasses import dataclass

from harness.results import MatrixResult, RunResult
from reports import wording
from reports.compare import Column, State, columns
from reports.footprint import footprint_of
from reports.rows import P95_MIN_COUNT
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, decimal, megabytes, milliseconds, percent

VALID = (State.VALID, State.VALID_BEYOND)
EXIT_MEANINGS = {
    0: "valid",
    1: "a promise of an engine was refuted",
    2: "unknown or inconclusive",
    3: "worse than the baseline, or a threshold of the scenario broken",
    254: "the caller or the machine can mend it before the start",
    255: "the harness or the machine failed in mid-run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """Facts that all judged runs share, and those in which a run differs."""

    common: tuple[tuple[str, str], ...]
    differing: tuple[tuple[tuple[str, str], ...], ...]
    """One entry a run, in the order of the matrix."""


def at_a_glance(matrix: MatrixResult, *, has_verdict: bool = True) -> Table | None:
    """One row a judged run; None when nothing was judged.

    Without the verdicts where a table of them stands right above.
    """
    judged = [column for column in columns(matrix) if column.run.state == "judged"]
    if not judged:
        return None
    return Table(
        key="glance",
        caption="The judged runs at a glance",
        head=(
            Head(text="Run"),
            *((Head(text="Verdict"),) if has_verdict else ()),
            Head(text="Agents ended", is_number=True),
            Head(text="Agents/s", is_number=True),
            Head(text="Victims", is_number=True),
            Head(text="Resume p50", is_number=True),
            Head(text="Resume p95", is_number=True),
            Head(text="LLM repeats", is_number=True),
            Head(text="Tool repeats", is_number=True),
            Head(text="Tokens wasted", is_number=True),
            Head(text="Framework's calls", is_number=True),
            Head(text="Framework's tokens", is_number=True),
            Head(text="Requests per step", is_number=True),
            Head(text="CPU-s per 1,000", is_number=True),
            Head(text="Peak memory", is_number=True),
            Head(text="Harness CPU", is_number=True),
        ),
        rows=tuple(
            (name, *((verdict,) if has_verdict else ()), *figures)
            for name, verdict, *figures in map(_glance_row, judged)
        ),
        is_sortable=len(judged) > 1,
        note="Runs of different scenarios carry different loads and faults; compare rates within "
        "a scenario only. The framework's calls and tokens are of its own, beside the program's "
        "steps; requests per used step include retries and 429. CPU-s per 1,000 accepted agents "
        "and peak memory are of all processes that the engine needs; harness CPU is our own share "
        "of all CPU.",
    )


def environments(matrix: MatrixResult) -> Environments:
    """Facts of the judged runs, said once where they agree."""
    judged = [run for run in matrix.runs if run.environment]
    names = list(dict.fromkeys(name for run in judged for name in run.environment))
    shared = {name for name in names if len({run.environment.get(name) for run in judged}) == 1}
    common = tuple(
        (wording.one_line(name), wording.one_line(judged[0].environment[name]))
        for name in names
        if name in shared
    )
    differing = tuple(
        tuple(
            (wording.one_line(name), wording.one_line(value))
            for name, value in run.environment.items()
            if name not in shared
        )
        for run in matrix.runs
    )
    return Environments(common=common, differing=differing)


def exit_meaning(code: int) -> str:
    """What an exit code says."""
    return EXIT_MEANINGS.get(code, "not a code of onceproof")


def exit_of(matrix: MatrixResult) -> str:
    """What the exit code of these runs says; 0 of a comparison is no verdict on its engines."""
    is_valid = all(column.state in VALID for column in columns(matrix))
    if matrix.exit_code == 0 and not is_valid:
        return "a comparison: every run was judged, or skipped with a reason"
    return exit_meaning(matrix.exit_code)


def _glance_row(column: Column) -> tuple[Value, ...]:
    run = column.run
    ended = run.agents_completed + run.agents_failed
    accepted = run.agents_accepted
    shown = count(ended) if ended == accepted else f"{count(ended)} of {count(accepted)}"
    tokens = run.repeats.wasted_tokens + run.repeats.useful_tokens + run.repeats.auxiliary_tokens
    wasted = run.repeats.wasted_tokens / tokens if tokens else -1.0
    own = run.repeats.auxiliary_tokens / tokens if tokens else -1.0
    return (
        text(f"{column.number} {column.label}", link=column.anchor),
        Value(text=f"{column.state.symbol} {column.state.word}", tone=column.state.tone),
        number(shown, ended),
        number(decimal(run.agents_per_s), run.agents_per_s),
        number(count(run.resume.count), run.resume.count),
        _resume(run, run.resume.ms_p50, 1),
        _resume(run, run.resume.ms_p95, P95_MIN_COUNT),
        number(count(run.repeats.llm_count), run.repeats.llm_count),
        number(count(run.repeats.tool_count), run.repeats.tool_count),
        number(percent(wasted) if wasted >= 0 else NONE, wasted),
        number(count(run.repeats.auxiliary_count), run.repeats.auxiliary_count),
        number(percent(own) if own >= 0 else NONE, own),
        number(f"{run.repeats.requests_per_used_step:.2f}", run.repeats.requests_per_used_step),
        *_footprint(run),
    )


def _resume(run: RunResult, value: float, needed: int) -> Value:
    is_enough = run.resume.count >= needed
    return number(milliseconds(value), value) if is_enough else number(NONE, -1.0)


def _footprint(run: RunResult) -> tuple[Value, Value, Value]:
    sums = footprint_of(run)
    if sums is None:
        missing = number(NONE, -1.0)
        return missing, missing, missing
    cpu = sums.per_thousand(sums.engine_cpu_s)
    return (
        number(f"{cpu:,.1f}" if cpu >= 0 else NONE, cpu),
        number(megabytes(sums.engine_rss_mb), sums.engine_rss_mb),
        number(percent(sums.harness_ratio), sums.harness_ratio),
    )
