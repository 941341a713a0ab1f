"""Times the judge on synthetic evidence: ``python -m benchmarks.judge --records 10000000``.

Prints seconds for all checkers together, records per second, and the peak resident memory of the
judging, the evidence included. ``--naive`` times the tests' per-record judge on the same evidence;
``--agree 3000`` sets both judges on as many random histories and exits 1 when they differ.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.synthetic import synthesize
from harness.checkers import all_anomalies, run_checkers
from harness.history import Evidence


def main() -> None:
    """Time each size that was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--repeat", type=int, default=3, help="of which the median is printed")
    options.add_argument("--naive", action="store_true", help="time the per-record judge, too")
    options.add_argument("--agree", type=int, default=0, metavar="N", help="random histories")
    given = options.parse_args()
    for records in given.records:
        _measure(records, given.repeat, is_naive=given.naive)
    if given.agree:
        _agree(given.agree)


def _measure(records: int, repeat: int, *, is_naive: bool) -> None:
    evidence = synthesize(records)
    gc.collect()
    held_mb = _reset_peak_mb()
    total = _records_of(evidence)
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        results = run_checkers(evidence)
        times.append(time.perf_counter() - began)
    seconds = sorted(times)[len(times) // 2]
    print(
        f"{total} records, {len(evidence.names.agents)} agents, {len(evidence.faults)} kills: "
        f"{seconds:.2f} s (median of {repeat}), {total / seconds / 1e6:.2f} million records/s, "
        f"peak {_peak_mb():.0f} MB, of which {held_mb:.0f} MB before judging"
    )
    for result in results:
        print(
            f"  {result.promise:2} {result.verdict.word:7} checked {result.checked_count}, exposed "
            f"{result.exposed_count}: {result.reason}"
        )
    if is_naive:
        _measure_naive(evidence, seconds)


def _measure_naive(evidence: Evidence, seconds: float) -> None:
    from tests.naive_judge import judge  # noqa: PLC0415 - tests are not needed for the rest.

    began = time.perf_counter()
    judge(evidence)
    naive = time.perf_counter() - began
    print(f"  per-record judge: {naive:.2f} s, {naive / seconds:.0f} times as long")


def _agree(count: int) -> None:
    """Half of the histories lie, half are those of a correct engine under kills.

    Raises:
        SystemExit: the judges differ.
    """
    from tests import naive_judge  # noqa: PLC0415 - tests are not needed for the rest.
    from tests.histories.random_runs import correct_run, lying_run  # noqa: PLC0415 - likewise.

    anomalies = 0
    for seed in range(count):
        evidence = lying_run(seed) if seed % 2 else correct_run(seed, kills=seed % 5)
        found = Counter((a.promise, a.name, a.agent, a.path) for a in all_anomalies(evidence))
        anomalies += found.total()
        if found != naive_judge.judge(evidence):
            sys.exit(f"the judges differ on history {seed}")
    print(f"both judges agree on {count} random histories with {anomalies} anomalies")


def _records_of(evidence: Evidence) -> int:
    requests = evidence.requests
    ended = int((requests.end_seq >= 0).sum())
    return requests.count + ended + len(evidence.outcomes.seq) + 3 * len(evidence.faults)


def _reset_peak_mb() -> float:
    """Start the kernel's high-water mark anew; what generating took is not the judge's."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
