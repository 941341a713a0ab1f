"""Examine this machine and print what it has and lacks; find and end strays.

Called by `onceproof doctor` and `python -m harness.provide`. It builds and installs nothing.
"""

import sys
from pathlib import Path

from harness.provide.findings import Finding, examine
from harness.provide.probe import probe
from harness.provide.strays import sweep

MACHINE_EXIT = 254


def run_doctor(
    *, dapr_bin: Path | None = None, sweeps: bool = False, runs: Path = Path("runs")
) -> int:
    """Print a line for each finding; with `sweeps`, end the strays of dead runs first.

    Returns 254 when something is missing without which runs cannot start, else 0.

    Raises:
        UsageError: the folder in `dapr_bin` holds no supported runtime.
        MachineError: the cache cannot be made.
    """
    if sweeps:
        run_sweep(end=True)
    findings = examine(probe(runs.absolute(), dapr_bin=dapr_bin))
    for finding in findings:
        answer(_line(finding))
    return MACHINE_EXIT if any(finding.state == "missing" for finding in findings) else 0


def run_sweep(*, end: bool) -> int:
    """Print the strays of dead runs, and end them when told to; 0."""
    strays = sweep(end=end)
    for stray in strays:
        answer(f"{stray.pid} of run {stray.run}: {stray.command}")
    answer(f"{len(strays)} strays {'ended' if end else 'found'}")
    return 0


def answer(line: str) -> None:
    """A line of the answer on standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _line(finding: Finding) -> str:
    remedy = f"  -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.state:8}{finding.name:22}{finding.found}{remedy}"
