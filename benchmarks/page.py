"""Times and weighs the page of a large run: ``python -m benchmarks.page --agents 100000``.

The series, percentiles, recovery and fifty time axes are measured on synthetic evidence of that
size; the violations are as many as a page shows, the worst case. ``--runs 40``: a matrix of it.
Exits 1 when the page takes more than 10 s to make or is larger than 5 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.synthetic import RECORDS_PER_AGENT, synthesize
from harness.measures.latency import latencies_of, resume_of
from harness.measures.repeats import repeats_of
from harness.measures.series import series_of
from harness.measures.timeline import timelines_of
from harness.results import MatrixResult, RunResult, decode_matrix, encode
from reports.pages import write_pages
from tests import report_fixtures as fixtures
from tests import report_parts as parts
from tests.report_big import big_matrix

SECONDS_MAX, BYTES_MAX = 10.0, 5_000_000


def main() -> None:
    """Make the page of one large run, or of many; print what it cost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=1, help="40 takes the matrix of the tests")
    given = options.parse_args()
    began = time.perf_counter()
    run = large_run(given.agents)
    print(f"measured {given.agents} agents in {time.perf_counter() - began:.1f} s")
    matrix = fixtures.matrix_of(run, *fixtures.control_runs())
    if given.runs > 1:
        others = big_matrix().runs[: given.runs - 1]
        matrix = fixtures.matrix_of(run, *others)
    sys.exit(0 if measure(matrix) else 1)


def large_run(agents: int) -> RunResult:
    """A run whose figures were measured on evidence of that size."""
    evidence = synthesize(agents * RECORDS_PER_AGENT)
    names = evidence.names.agents
    run = fixtures.invalid_run()
    rows = [
        replace(
            row,
            anomalies=tuple(
                replace(one, agent=names[number * 37 % len(names)])
                for number, one in enumerate(row.anomalies)
            ),
        )
        for row in run.promises
    ]
    worst = [one.agent for row in rows for one in row.anomalies]
    return replace(
        run,
        promises=tuple(rows),
        agents_planned=agents,
        agents_accepted=agents,
        agents_completed=agents,
        series=series_of(evidence),
        latencies=latencies_of(evidence),
        resume=resume_of(evidence),
        repeats=repeats_of(evidence),
        faults=parts.fault_rows(len(evidence.faults)),
        faults_planned=len(evidence.faults),
        timelines=timelines_of(evidence, worst),
    )


def measure(matrix: MatrixResult) -> bool:
    """Read the results, write every form; True within the limits."""
    data = encode(matrix)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        written = write_pages(decode_matrix(data, source="matrix.json"), Path(folder))
        took_s = time.perf_counter() - began
        sizes = {path.name: path.stat().st_size for path in written}
    pictures = sum(len(run.timelines) for run in matrix.runs)
    shown = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items())
    print(
        f"{len(matrix.runs)} runs, {pictures} time axes at hand, results {len(data) / 1e6:.1f} MB: "
        f"{took_s:.1f} s, {shown}"
    )
    return took_s <= SECONDS_MAX and sizes["report.html"] <= BYTES_MAX


if __name__ == "__main__":
    main()
