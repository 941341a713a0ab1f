"""What a run cost in CPU and memory: the rows that its page shows, the harness's own among them."""

import resource
from dataclasses import dataclass, field

from harness.cluster.processes import Processes
from harness.cluster.usage import Usage, cpu_s_of, kind_of, machine_cpu_s
from harness.facts import Sample
from harness.protocols import Platform
from harness.results import ProcessRow

NOT_ENGINE = ("witness", "driver", "sink")
"""Kinds of process that stand beside the engine; all others it needs."""


@dataclass(slots=True)
class Costs:
    """Of one run; `begin` at the begin of the load, `sample` about once a second."""

    measures_pods: bool = True
    """Without the pods the engine's cost is not known, and no process counts as the engine's."""
    pods: tuple[ProcessRow, ...] = ()
    """Of pods that are no processes of this machine, where their platform knows it."""
    _usage: Usage = field(default_factory=Usage)
    _own_cpu_s_before: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    async def begin(self, processes: Processes, platform: Platform) -> None:
        """The load begins: what was spent before does not count."""
        await platform.begin_costs()
        self._usage.begin(processes.all)
        self._own_cpu_s_before = own_cpu_s()

    def sample(self, processes: Processes) -> None:
        """Look at the living once."""
        self._usage.sample(processes.all)

    async def end(self, processes: Processes, platform: Platform) -> None:
        """The load is over, and the pods are still there."""
        self.sample(processes)
        self.pods = await platform.costs()

    def look(self, processes: Processes, *, t_ns: int, started: int, ended: int) -> None:
        """As `sample`, and keep what was spent by now, beside how far the load is."""
        self.sample(processes)
        spent = {kind: round(cpu_s, 3) for kind, cpu_s in cpu_s_of(processes.all).items()}
        self.samples.append(
            Sample(
                t_ns=t_ns,
                started=started,
                ended=ended,
                cpu_s=spent | {"harness": round(own_cpu_s(), 3)},
                machine_s=machine_cpu_s(),
            )
        )

    def rows(self, processes: Processes) -> tuple[ProcessRow, ...]:
        """One row a kind of process, and the harness last."""
        is_known = self.measures_pods or bool(self.pods)
        rows = [
            ProcessRow(
                name=kind,
                count=sum(kind_of(process.name) == kind for process in processes.all),
                is_engine=is_known and kind not in NOT_ENGINE,
                cpu_s=round(cpu_s, 3),
                rss_mb_max=round(self._usage.rss_mb_max.get(kind, 0.0), 1),
            )
            for kind, cpu_s in self._usage.spent(processes.all).items()
        ]
        own = ProcessRow(
            name="harness",
            count=1,
            is_engine=False,
            cpu_s=round(own_cpu_s() - self._own_cpu_s_before, 3),
            rss_mb_max=round(own_rss_mb_max(), 1),
        )
        return (*rows, *self.pods, own)


def own_cpu_s() -> float:
    """User and system seconds of this process, its children left out."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def own_rss_mb_max() -> float:
    """Largest resident size of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
