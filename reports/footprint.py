"""What a run cost in CPU and memory: every process that the engine needs. Pure."""

from dataclasses import dataclass

from harness.results import ProcessRow, RunResult
from reports import wording
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, count, counted, megabytes, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Sums of the engine's and of the harness's processes."""

    engine_cpu_s: float
    harness_cpu_s: float
    engine_rss_mb: float
    """Sum of each kind's peak: an upper bound, since kinds peak at different moments."""
    agents: int

    @property
    def harness_ratio(self) -> float:
        """The harness's share of all CPU."""
        total = self.engine_cpu_s + self.harness_cpu_s
        return self.harness_cpu_s / total if total > 0 else 0.0

    def per_thousand(self, value: float) -> float:
        """Per 1,000 accepted agents; -1 without agents."""
        return value * 1000 / self.agents if self.agents else -1.0


def footprint_of(run: RunResult) -> Footprint | None:
    """Sums over processes; None when those of the engine were not measured."""
    if not any(row.is_engine for row in run.processes):
        return None
    engine = _sum(run, "", is_engine=True)
    harness = _sum(run, "", is_engine=False)
    return Footprint(
        engine_cpu_s=engine.cpu_s,
        harness_cpu_s=harness.cpu_s,
        engine_rss_mb=engine.rss_mb_max,
        agents=run.agents_accepted,
    )


def footprint(run: RunResult) -> Table | None:
    """CPU and memory of every process that the engine needs, the harness apart."""
    sums = footprint_of(run)
    if sums is None:
        return None
    ordered = sorted(run.processes, key=lambda row: (not row.is_engine, -row.cpu_s, row.name))
    return Table(
        key="footprint",
        caption=f"Footprint, per 1,000 of {counted(run.agents_accepted, 'accepted agent')}",
        head=(
            Head(text="Process"),
            Head(text="Needed by"),
            Head(text="Ever started", is_number=True),
            Head(text="CPU-s", is_number=True),
            Head(text="CPU-s per 1,000", is_number=True),
            Head(text="Peak memory", is_number=True),
            Head(text="Peak per 1,000", is_number=True),
        ),
        rows=tuple(_row(sums, entry) for entry in ordered),
        foot=(
            _row(sums, _sum(run, "all that the engine needs", is_engine=True)),
            _row(sums, _sum(run, "harness and mock LLM", is_engine=False)),
        ),
        is_sortable=True,
        note=f"The harness took {percent(sums.harness_ratio)} of all CPU. Memory is resident size; "
        "sums add the peaks of kinds that may peak at different moments, so they are upper bounds, "
        "and memory does not grow in proportion to agents.",
    )


def _row(sums: Footprint, entry: ProcessRow) -> tuple[Value, ...]:
    cpu, rss = sums.per_thousand(entry.cpu_s), sums.per_thousand(entry.rss_mb_max)
    return (
        text(wording.one_line(entry.name)),
        text("engine" if entry.is_engine else "harness"),
        number(count(entry.count), entry.count),
        number(f"{entry.cpu_s:,.1f}", entry.cpu_s),
        number(f"{cpu:,.1f}" if cpu >= 0 else NONE, cpu),
        number(megabytes(entry.rss_mb_max), entry.rss_mb_max),
        number(megabytes(rss) if rss >= 0 else NONE, rss),
    )


def _sum(run: RunResult, name: str, *, is_engine: bool) -> ProcessRow:
    rows = [row for row in run.processes if row.is_engine is is_engine]
    return ProcessRow(
        name=name,
        count=sum(row.count for row in rows),
        is_engine=is_engine,
        cpu_s=sum(row.cpu_s for row in rows),
        rss_mb_max=sum(row.rss_mb_max for row in rows),
    )
