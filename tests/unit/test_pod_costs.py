"""What pods cost, from the kubelet's summaries: those of the run, since the load, the dead too."""

from typing import Any

from harness.cluster.kubernetes.costs import PodCosts
from harness.results import ProcessRow

MB = 1 << 20


def summary(*containers: tuple[str, str, str, str, float, int]) -> dict[str, Any]:
    """(namespace, pod's uid, container, its start, CPU seconds, MiB), one pod each."""
    return {
        "node": {"nodeName": "n1"},
        "pods": [
            {
                "podRef": {"name": uid, "namespace": namespace, "uid": uid},
                "containers": [
                    {
                        "name": name,
                        "startTime": start,
                        "cpu": {"time": start, "usageCoreNanoSeconds": int(cpu_s * 1e9)},
                        "memory": {"rssBytes": size * MB, "workingSetBytes": 1},
                    }
                ],
            }
            for namespace, uid, name, start, cpu_s, size in containers
        ],
    }


def costs() -> PodCosts:
    return PodCosts(namespaces=("run", "dapr-system"))


def test_only_what_was_spent_since_the_load_counts_and_strangers_never() -> None:
    """Under the names of local processes; the peak is that of all pods of a kind at one moment."""
    seen = costs()
    seen.take(
        [
            summary(("run", "a", "daprd", "t0", 5.0, 100), ("run", "b", "daprd", "t0", 3.0, 80)),
            summary(("other", "x", "daprd", "t0", 99.0, 999)),
        ]
    )
    seen.begin()
    seen.take(
        [
            summary(("run", "a", "daprd", "t0", 6.5, 90), ("run", "b", "daprd", "t0", 4.0, 60)),
            summary(("dapr-system", "s", "dapr-scheduler-server", "t0", 2.0, 50)),
        ]
    )

    assert seen.rows() == (
        ProcessRow(name="sidecar", count=2, is_engine=True, cpu_s=2.5, rss_mb_max=180.0),
        ProcessRow(name="scheduler", count=1, is_engine=True, cpu_s=2.0, rss_mb_max=50.0),
    )


def test_what_the_dead_spent_stays_and_a_restarted_container_begins_anew() -> None:
    """Its counter starts from nothing, under another start."""
    seen = costs()
    seen.begin()
    seen.take(
        [summary(("run", "a", "worker", "t0", 4.0, 10), ("run", "b", "worker", "t0", 2.0, 10))]
    )
    seen.take([summary(("run", "a", "worker", "t1", 1.0, 10))])

    assert seen.rows() == (
        ProcessRow(name="worker", count=3, is_engine=True, cpu_s=7.0, rss_mb_max=20.0),
    )


def test_nothing_seen_is_no_row() -> None:
    """The page then says nothing of the engine's cost."""
    seen = costs()
    seen.take([{}])
    assert seen.rows() == ()
