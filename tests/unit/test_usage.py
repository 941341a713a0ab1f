"""What processes cost: per kind, the dead included, from the begin of the load."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.processes import Exit, Process
from harness.cluster.usage import (
    Usage,
    cpu_s_of,
    kind_of,
    live_cpu_s,
    machine_cpu_s,
    tree_rss_mb,
)
from harness.results import ProcessRow
from harness.runner.costs import Costs

NOBODY = 2_000_001
"""Above the largest process id of any Linux."""


def dead(name: str, cpu_s: float) -> Process:
    process = Process(name, NOBODY, NOBODY, Path("/nonexistent"), 0)
    process.exit = Exit(status="exit 0", cpu_s=cpu_s, at_ns=0)
    return process


@pytest.mark.parametrize(
    ("name", "kind"),
    [("worker-agents-1.3", "worker"), ("witness", "witness"), ("sidecar-agents-2.1", "sidecar")],
)
def test_a_kind_is_the_name_before_the_first_dash(name: str, kind: str) -> None:
    """All incarnations of all slots are one row."""
    assert kind_of(name) == kind


def test_the_dead_of_a_kind_are_summed() -> None:
    """A killed worker's CPU is not forgotten."""
    processes = [dead("worker-a.1", 1.5), dead("worker-a.2", 2.0), dead("witness", 0.25)]

    assert cpu_s_of(processes) == {"worker": 3.5, "witness": 0.25}


def test_what_was_spent_before_the_load_does_not_count() -> None:
    """Set-up and warm-up are not the load's price; who came later counts in full."""
    usage = Usage()
    usage.begin([dead("worker-a.1", 1.5)])

    assert usage.spent([dead("worker-a.1", 2.0), dead("redis", 1.0)]) == {
        "worker": 0.5,
        "redis": 1.0,
    }


def test_the_living_are_looked_at() -> None:
    """This very process has memory and has used the CPU."""
    me = Process("worker-a.1", os.getpid(), os.getpid(), Path("/nonexistent"), 0)
    usage = Usage()
    usage.sample([me, dead("redis", 1.0)])

    assert usage.rss_mb_max["worker"] > 1
    assert "redis" not in usage.rss_mb_max
    assert cpu_s_of([me])["worker"] > 0


def test_a_process_that_is_gone_costs_nothing_more() -> None:
    """It may end between a look at the list and a look at /proc."""
    assert live_cpu_s(NOBODY) == 0.0
    assert tree_rss_mb(NOBODY) == 0.0


def test_the_machine_counts_what_anybody_spends() -> None:
    """At least what this process spends meanwhile, and never a decade at once."""
    before, own = machine_cpu_s(), time.process_time()
    while time.process_time() - own < 0.06:
        sum(range(1000))

    assert 0.02 < machine_cpu_s() - before < 0.06 + 2 * (os.cpu_count() or 1)


class Group:
    """As many processes as a run has had."""

    def __init__(self, *processes: Process) -> None:
        self.all = list(processes)


@dataclass
class Elsewhere:
    """A platform whose pods are no processes here."""

    rows: tuple[ProcessRow, ...] = ()
    begun: bool = False

    async def begin_costs(self) -> None:
        self.begun = True

    async def costs(self) -> tuple[ProcessRow, ...]:
        assert self.begun
        return self.rows


def test_what_a_platform_knows_of_its_pods_makes_the_engines_cost_known() -> None:
    """Before that no process counts as the engine's, as most of it would be missing."""
    sidecar = ProcessRow(name="sidecar", count=3, is_engine=True, cpu_s=1.0, rss_mb_max=90.0)
    group: Any = Group(dead("redis", 2.0))

    def engines(*rows: ProcessRow) -> list[str]:
        costs, platform = Costs(measures_pods=False), Elsewhere(rows)

        async def whole() -> None:
            await costs.begin(group, platform)  # type: ignore[arg-type]
            await costs.end(group, platform)  # type: ignore[arg-type]

        asyncio.run(whole())
        return [row.name for row in costs.rows(group) if row.is_engine]

    assert engines() == []
    assert engines(sidecar) == ["redis", "sidecar"]


def test_a_look_keeps_what_was_spent_by_then() -> None:
    """A sample a look, the harness among the kinds; `rows` is not changed by it."""
    costs = Costs()
    platform: Any = Elsewhere()
    group: Any = Group(dead("worker-agents-1.1", 2.0))
    asyncio.run(costs.begin(group, platform))
    costs.look(group, t_ns=5, started=3, ended=1)
    group.all.append(dead("worker-agents-1.2", 1.5))
    costs.look(group, t_ns=6, started=4, ended=4)

    assert [one.cpu_s["worker"] for one in costs.samples] == [2.0, 3.5]
    assert [(one.t_ns, one.started, one.ended) for one in costs.samples] == [(5, 3, 1), (6, 4, 4)]
    assert all(one.cpu_s["harness"] > 0 for one in costs.samples)
    assert {row.name: row.cpu_s for row in costs.rows(group)}["worker"] == 1.5
