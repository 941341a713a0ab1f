"""What the processes of a run cost: CPU seconds and memory, per kind of process.

CPU of the dead comes from wait4 (exact), of the living from /proc; memory is sampled as a sum over
those alive at one moment. Resident size counts shared pages in each process.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster.processes import Process

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@dataclass(slots=True)
class Usage:
    """Samples of one run; call `sample` about once a second."""

    rss_mb_max: dict[str, float] = field(default_factory=dict)
    cpu_s_before: dict[str, float] = field(default_factory=dict)
    """CPU seconds per kind when the load began."""

    def sample(self, processes: list[Process]) -> None:
        """Look at the living once."""
        for kind, size in rss_mb_of(processes).items():
            self.rss_mb_max[kind] = max(size, self.rss_mb_max.get(kind, 0.0))

    def begin(self, processes: list[Process]) -> None:
        """The load begins: what was spent before does not count."""
        self.cpu_s_before = cpu_s_of(processes)

    def spent(self, processes: list[Process]) -> dict[str, float]:
        """CPU seconds per kind since `begin`."""
        now = cpu_s_of(processes)
        return {kind: total - self.cpu_s_before.get(kind, 0.0) for kind, total in now.items()}


def rss_mb_of(processes: list[Process]) -> dict[str, float]:
    """Resident MiB per kind, of those alive now."""
    sums: dict[str, float] = {}
    for process in processes:
        if process.exit is None:
            kind = kind_of(process.name)
            sums[kind] = sums.get(kind, 0.0) + tree_rss_mb(process.pid)
    return sums


def kind_of(name: str) -> str:
    """``worker-agents-1.3`` is a ``worker``; names without a dash are their own kind."""
    return name.partition("-")[0]


def cpu_s_of(processes: list[Process]) -> dict[str, float]:
    """CPU seconds per kind so far, the dead included."""
    totals: dict[str, float] = {}
    for process in processes:
        spent = process.exit.cpu_s if process.exit else live_cpu_s(process.pid)
        totals[kind_of(process.name)] = totals.get(kind_of(process.name), 0.0) + spent
    return totals


def live_cpu_s(pid: int) -> float:
    """User and system seconds of a process and its reaped children; 0 when it is gone."""
    try:
        tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(tail[field]) for field in (11, 12, 13, 14)) / TICKS


def tree_rss_mb(pid: int) -> float:
    """Resident MiB of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB
    except (OSError, IndexError):
        return 0.0


def machine_mb() -> float:
    """MiB of memory that this machine has; infinite where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    found = (line.split()[1] for line in lines if line.startswith("MemTotal:"))
    return int(next(found, "0")) / 1024 or math.inf


def machine_cpu_s() -> float:
    """CPU seconds that this machine spent on anything since it began; 0 where it does not say."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    except OSError:
        return 0.0
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    busy = [int(value) for place, value in enumerate(fields[:8]) if place not in (3, 4)]
    return sum(busy) / TICKS
