"""A simulation as text, Markdown and JSON: what was read, what was assumed, what came out."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness.simulation.fit import Source
from harness.simulation.outcome import SCHEMA, Outcome, Spread
from harness.simulation.validate import SPREADS_MAX, Compared
from reports import markdown, text, wording
from reports.tables import Head, Table, Value, number
from reports.tables import text as words

LATE_RATIO_MAX = 0.01
"""Share of late events above which the page says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One command's result."""

    schema: int = SCHEMA
    run: str
    """The real run that it is fitted on."""
    command: str
    sources: tuple[Source, ...]
    outcome: Outcome | None
    """None where predictions were validated."""
    compared: tuple[Compared, ...] = ()


def render_simulation_text(found: Simulated) -> str:
    """For the terminal; at most 100 signs a line."""
    lines = [*(line for top in _tops(found) for line in _wrapped(top)), ""]
    for table in _tables(found):
        lines += [*text.draw(table), ""]
    if found.sources:
        lines += ["  Read from the run, or assumed:"]
        for one in found.sources:
            word = "read" if one.is_read else "assumed"
            lines += _wrapped(f"  {word:8}{one.name} = {one.value}: {one.how}")
    lines += ["", *_wrapped(f"  repeat: {found.command}", end=" \\")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_simulation_markdown(found: Simulated) -> str:
    """For a page or a pull request."""
    lines = ["# onceproof simulate", "", *map(markdown.escaped, _tops(found)), ""]
    for table in (*_tables(found), _source_table(found.sources)):
        lines += [*markdown.draw(table), ""]
    lines += ["Repeat:", "", *markdown.fenced(found.command)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(line: str, end: str = "") -> list[str]:
    found = textwrap.wrap(
        line,
        text.WIDTH - len(end),
        subsequent_indent="    ",
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return [one + end for one in found[:-1]] + found[-1:]


def encode_simulation(found: Simulated) -> bytes:
    """As indented JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1)


def _tops(found: Simulated) -> Iterator[str]:
    yield f"A simulation, fitted on {found.run}; no real agent ran."
    outcome = found.outcome
    if outcome is not None:
        yield (
            f"{outcome.binds} binds: at most {wording.decimal(outcome.capacity_per_s)} agents/s; "
            f"{wording.decimal(outcome.agents_per_s)} were completed."
        )
        yield from _doubts(outcome)
    if found.compared:
        count = sum(one.state == "within" for one in found.compared)
        yield (
            f"{count} of {len(found.compared)} predictions are within {SPREADS_MAX} times the "
            "A/A spread of the runs."
        )


def _doubts(outcome: Outcome) -> Iterator[str]:
    if outcome.is_cut:
        yield "! It was ended by the bound on its events: the figures are of what came before."
    if outcome.unfinished_count:
        yield f"! {wording.counted(outcome.unfinished_count, 'agent')} had not ended at run_s."
    if outcome.late_ratio > LATE_RATIO_MAX:
        yield (
            f"! {wording.percent(outcome.late_ratio)} of the events were late, by at most "
            f"{outcome.late_ms_max:.0f} ms: make tick_ms smaller than {outcome.tick_ms:.1f}."
        )
    missed = len(outcome.settings.kills) - outcome.kills_count
    if missed:
        yield f"! {wording.counted(missed, 'kill')} came after the last end, and struck nobody."


def _tables(found: Simulated) -> Iterator[Table]:
    if found.outcome is not None:
        yield _figure_table(found.outcome)
        yield _latency_table(found.outcome)
        yield _resource_table(found.outcome)
    for scenario in dict.fromkeys(one.scenario for one in found.compared):
        yield _compared_table(scenario, [one for one in found.compared if one.scenario == scenario])


def _figure_table(one: Outcome) -> Table:
    agents = f"{one.settings.agents:,} agents of {one.settings.steps} calls"
    rows = (
        ("agents completed", wording.count(one.completed_count)),
        ("agents that gave up", wording.count(one.failed_count)),
        ("agents unfinished", wording.count(one.unfinished_count)),
        ("first arrival to last end", wording.seconds(one.span_s)),
        ("agents per second", wording.decimal(one.agents_per_s)),
        ("LLM calls per second", wording.decimal(one.calls_per_s)),
        ("LLM calls executed", wording.count(one.calls_count)),
        ("of them wasted by kills", wording.count(one.wasted_count)),
        ("requests answered 429", wording.percent(one.refused_ratio)),
        ("kills", wording.count(one.kills_count)),
        ("events taken a step late", wording.percent(one.late_ratio)),
    )
    return Table(
        key="simulated",
        caption=f"{agents}, {one.settings.pods} pods, seed {one.seed}",
        head=(Head(text="Figure"), Head(text="Simulated", is_number=True)),
        rows=tuple((words(name), words(value)) for name, value in rows),
    )


def _latency_table(one: Outcome) -> Table:
    def row(name: str, spread: Spread) -> tuple[Value, ...]:
        shown = (spread.p50, spread.p95, spread.p99, spread.most)
        count = number(wording.count(spread.count), spread.count)
        if not spread.count:
            return (words(name), count, *(words(wording.NONE) for _ in shown))
        return (
            words(name),
            count,
            *(number(wording.milliseconds(value), value) for value in shown),
        )

    return Table(
        key="latency",
        caption="Latency",
        head=(
            Head(text="What"),
            *(Head(text=name, is_number=True) for name in ("Count", "p50", "p95", "p99", "Max")),
        ),
        rows=(
            row("agent: arrival to end", one.agent_ms),
            row("own: no call in flight", one.own_ms),
            row("victim of a kill: to its next kept answer", one.resume_ms),
        ),
    )


def _resource_table(one: Outcome) -> Table:
    return Table(
        key="resources",
        caption="Utilisation",
        head=(
            Head(text="Resource"),
            Head(text="Servers", is_number=True),
            Head(text="Used", is_number=True),
        ),
        rows=tuple(
            (
                words(row.name),
                number(wording.count(row.servers), row.servers),
                number(wording.percent(row.used_ratio), row.used_ratio),
            )
            for row in one.resources
        ),
    )


def _compared_table(scenario: str, rows: Sequence[Compared]) -> Table:
    heads = ("Runs", "Measured", "A/A spread", "Predicted", "Error")
    return Table(
        key="validation",
        caption=f"{scenario}; within: at most {SPREADS_MAX} A/A spreads",
        head=(
            Head(text="Figure"),
            *(Head(text=name, is_number=True) for name in heads),
            Head(text="Error is"),
        ),
        rows=tuple(
            (
                words(f"{one.figure}, {one.unit}"),
                number(wording.count(one.runs_count), one.runs_count),
                *(
                    number(_shown(value), value)
                    for value in (one.measured, one.spread, one.predicted, one.error)
                ),
                words(one.state, tone="good" if one.state == "within" else "warn"),
            )
            for one in rows
        ),
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _source_table(sources: Sequence[Source]) -> Table:
    return Table(
        key="sources",
        caption="What was read from the run, and what was assumed",
        head=(Head(text="Setting"), Head(text="Value"), Head(text=""), Head(text="How")),
        rows=tuple(
            (
                words(one.name, is_code=True),
                words(one.value),
                words("read" if one.is_read else "assumed"),
                words(one.how),
            )
            for one in sources
        ),
    )
