"""Thresholds of a scenario, such as ``lost == 0``: names, limits, and what became of them.

``else abort`` behind a comparison ends the load as soon as it is false; only what is known during
the load may stand in it. Everything that is wrong in one is said before anything starts. Pure.

Called by `runner.order` before a run, `runner.watch` during the load, and `runner.judge`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.expressions import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    Comparison,
    Dimension,
    parse,
)
from harness.results import Distribution, RunResult, ThresholdRow

ABORT = "abort"
Reader = Callable[[RunResult], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a threshold may speak of."""

    text: str
    dimension: Dimension
    read: Reader
    """None when the run did not measure it."""
    is_live: bool = False
    """Known during the load, so that it may abort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One line of ``thresholds``."""

    comparison: Comparison
    aborts: bool

    @property
    def text(self) -> str:
        """As the scenario has it."""
        return self.comparison.text + (f" else {ABORT}" if self.aborts else "")


def _latency(name: str, quantile: str) -> Reader:
    def read(run: RunResult) -> float | None:
        found = run.resume if name == "resume" else None
        for entry in run.latencies:
            found = entry if entry.name == name else found
        return _of(found, quantile)

    return read


def _of(found: Distribution | None, quantile: str) -> float | None:
    return None if found is None or not found.count else float(getattr(found, quantile)) / 1000


def _figure(name: str) -> Reader:
    return lambda run: next((one.value for one in run.figures if one.name == name), None)


def _own(quantile: str) -> Reader:
    def read(run: RunResult) -> float | None:
        found = _figure(f"own_ms_{quantile}")(run)
        return None if found is None else found / 1000

    return read


def _engine(field: str, factor: float) -> Reader:
    def read(run: RunResult) -> float | None:
        rows = [getattr(row, field) for row in run.processes if row.is_engine]
        return float(sum(rows)) * factor if rows else None

    return read


def _count(text: str, read: Reader, *, is_live: bool = False) -> Name:
    return Name(text=text, dimension=COUNT, read=read, is_live=is_live)


def _seconds(text: str, read: Reader, *, is_live: bool = False) -> Name:
    return Name(text=text, dimension=SECONDS, read=read, is_live=is_live)


LATENCIES = {
    "agent": "From an agent's intended start until its end was read",
    "start": "From the start request until it was accepted",
    "step": "Of an LLM answer, at the witness",
    "resume": "Victim resume time: from the strike to the first new used step",
}
NAMES: dict[str, Name] = {
    "started": _count(
        "Agents whose start was accepted or may have been",
        lambda run: run.agents_accepted,
        is_live=True,
    ),
    "completed": _count("Agents that ended with an outcome", lambda run: run.agents_completed),
    "ended": _count(
        "Agents that completed or failed",
        lambda run: run.agents_completed + run.agents_failed,
        is_live=True,
    ),
    "failed": _count("Agents that gave up", lambda run: run.agents_failed, is_live=True),
    "lost": _count("Agents that were accepted and never ended", lambda run: run.agents_unfinished),
    "violations": _count(
        "Violations of promises that the engine makes",
        lambda run: sum(row.violations_count for row in run.promises if row.is_surprise),
    ),
    "repeats": _count("LLM answers beyond the first of a step", lambda run: run.repeats.llm_count),
    "tool_repeats": _count(
        "Tool calls beyond the first of a step", lambda run: run.repeats.tool_count
    ),
    "wasted_tokens": _count(
        "Tokens on which no outcome rests", lambda run: run.repeats.wasted_tokens
    ),
    "useful_tokens": _count(
        "Tokens on which the outcomes rest", lambda run: run.repeats.useful_tokens
    ),
    "limited": _count(
        "LLM requests that got 429", lambda run: run.repeats.limited_count, is_live=True
    ),
    "requests": _count("Requests at the witness", lambda run: run.repeats.requests_count),
    "steps": _count("Answers and tool calls whose result was used", lambda run: run.steps_used),
    "llm_calls_per_agent": _count(
        "LLM calls that were executed, repeats included", _figure("llm_calls_per_agent")
    ),
    "tokens_per_agent": _count(
        "Tokens of these calls, prompt and completion", _figure("tokens_per_agent")
    ),
    "store_operations_per_agent": _count(
        "Commands that the state store served", _figure("store_operations_per_agent")
    ),
    "history_bytes_per_agent": Name(
        text="What the engine kept durably at the end",
        dimension=BYTES,
        read=_figure("history_bytes_per_agent"),
    ),
    "agents_per_s": Name(
        text="Completed agents by the length of the load",
        dimension=PER_SECOND,
        read=lambda run: run.agents_per_s,
    ),
    "steps_per_s": Name(
        text="LLM answers by the length of the load",
        dimension=PER_SECOND,
        read=lambda run: run.steps_per_s,
    ),
    "elapsed": _seconds(
        "From the begin of the load to the last end", lambda run: run.load_s, is_live=True
    ),
    "engine_cpu": _seconds("CPU time of the engine's processes", _engine("cpu_s", 1.0)),
    "engine_memory": Name(
        text="Largest resident size of the engine's processes, kind by kind",
        dimension=BYTES,
        read=_engine("rss_mb_max", 2.0**20),
    ),
    **{
        f"own_{quantile}": _seconds(
            f"Time of an agent in which no call of its was open, {quantile}", _own(quantile)
        )
        for quantile in ("p50", "p95")
    },
    **{
        f"{name}_{quantile}": _seconds(f"{text}, {quantile}", _latency(name, f"ms_{quantile}"))
        for name, text in LATENCIES.items()
        for quantile in ("p50", "p95", "p99", "max")
    },
}
"""Everything that a threshold may name."""


def parse_threshold(text: str) -> Threshold:
    """Parse one line.

    Raises:
        UsageError: what is wrong with it.
    """
    head, word, tail = text.partition(" else ")
    if word and tail.strip() != ABORT:
        raise UsageError(f"{text!r}: expected `else abort` or nothing, found else {tail.strip()}")
    comparison = parse(head, {name: entry.dimension for name, entry in NAMES.items()})
    if not comparison.names:
        raise UsageError(f"{text!r}: names no figure of the run; see `onceproof list`")
    late = sorted(name for name in comparison.names if not NAMES[name].is_live)
    if word and late:
        live = ", ".join(name for name, entry in NAMES.items() if entry.is_live)
        raise UsageError(
            f"{text!r}: {', '.join(late)} is known only after the run; what may abort: {live}"
        )
    return Threshold(comparison=comparison, aborts=bool(word))


def problems_of_thresholds(texts: tuple[str, ...]) -> list[str]:
    """What is wrong with the thresholds of a scenario, one sentence each."""
    problems = []
    for text in texts:
        try:
            parse_threshold(text)
        except UsageError as error:
            problems.append(f"thresholds: {error}")
    return problems


def broken_live(thresholds: tuple[Threshold, ...], figures: Mapping[str, float]) -> str:
    """The first threshold that aborts, with its figures; empty while all hold."""
    for threshold in thresholds:
        if threshold.aborts and not threshold.comparison.holds(figures):
            return f"{threshold.text}: {_told(threshold.comparison, figures)}"
    return ""


def rows_of(texts: tuple[str, ...], run: RunResult) -> tuple[ThresholdRow, ...]:
    """What became of each threshold: holds, broken, or unknown since nothing was measured.

    A threshold that ended the load stays broken, whatever the figures are in the end.
    """
    return tuple(_row(parse_threshold(text), run) for text in texts)


def _row(threshold: Threshold, run: RunResult) -> ThresholdRow:
    comparison = threshold.comparison
    read = {name: NAMES[name].read(run) for name in sorted(comparison.names)}
    figures = {name: float(value) for name, value in read.items() if value is not None}
    missing = [name for name in read if name not in figures]
    if run.state_reason.startswith(f"aborted: {threshold.text}:"):
        state, text = "broken", run.state_reason
    elif missing:
        state, text = "unknown", f"{', '.join(missing)} was not measured"
    elif any(math.isnan(side.of(figures)) for side in (comparison.left, comparison.right)):
        state, text = "unknown", f"{_told(comparison, figures)}: nothing to divide by"
    else:
        state = "holds" if comparison.holds(figures) else "broken"
        text = _told(comparison, figures)
    return ThresholdRow(threshold=threshold.text, state=state, text=text)


def _told(comparison: Comparison, figures: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} is {_shown(figures[name], NAMES[name].dimension)}"
        for name in sorted(comparison.names)
    )


def _shown(value: float, dimension: Dimension) -> str:
    unit = {SECONDS: " s", PER_SECOND: "/s", BYTES: " B"}.get(dimension, "")
    return f"{value:,.4g}{unit}" if abs(value) < 1e4 else f"{value:,.0f}{unit}"
