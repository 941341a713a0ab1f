"""Which platform each run of a command is on, and what cannot run on Kubernetes."""

import os
from pathlib import Path

import pytest

from harness.cli.arguments import parser
from harness.cli.asking import orders_of
from harness.cli.platform import placed_of
from harness.cli.providing import why_missing
from harness.cluster.local import LocalBackEnd
from harness.errors import UsageError
from harness.plan import KUBERNETES, LOCAL, draw_plan
from harness.runner.order import Order
from harness.runner.set_up import Placed, Provided

CLUSTER = ("--worker-image", "w:1", "--context", "mine")


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with no cluster in its environment."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "ONCEPROOF_WORKER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))


def asked(*words: str) -> list[Order]:
    return orders_of(parser().parse_args(["run", *words, "--dry-run"]))[1]


def where(orders: list[Order]) -> list[tuple[str, bool]]:
    return [(order.cell.platform, bool(order.why_skipped)) for order in orders]


def test_both_platforms_run_the_same_plan() -> None:
    """Programs, arrivals and faults are one; only the cell says where."""
    here, there = asked("pod_kill", "--platform", "local,kubernetes", *CLUSTER)
    plans = [draw_plan(order.scenario, order.cell, 1)[0] for order in (here, there)]

    assert where([here, there]) == [(LOCAL, False), (KUBERNETES, False)]
    assert here.name == "pod_kill.dapr_workflow:default.redis.none.0"
    assert there.name == "pod_kill.dapr_workflow:default.redis.none.kubernetes.0"
    assert plans[0].programs_sha256 == plans[1].programs_sha256
    assert plans[0].faults == plans[1].faults


def test_without_a_cluster_its_runs_are_skipped_beside_local_ones() -> None:
    """With the reason and the remedy."""
    here, there = asked("pod_kill", "--platform", "local,kubernetes")

    assert where([here, there]) == [(LOCAL, False), (KUBERNETES, True)]
    assert "no cluster: set KUBECONFIG" in why_missing(there, {})
    assert "no image of the workers: name it with --worker-image" in why_missing(there, {})
    assert placed_of(parser().parse_args(["run", "pod_kill"]), [here, there]) == {}


def test_what_does_not_run_on_kubernetes_is_skipped_beside_local_runs_alone() -> None:
    """Spans are no reason to refuse the local run."""
    words = ("tracing", *CLUSTER, "--platform")
    _, there = asked(*words, "local,kubernetes")

    assert "tracing: spans are not taken on Kubernetes yet" in there.why_skipped
    with pytest.raises(UsageError, match="tracing: spans are not taken on Kubernetes yet"):
        asked(*words, "kubernetes")


def test_a_fault_of_clusters_alone_is_skipped_beside_runs_on_one() -> None:
    """Local pods cannot be evicted, which is no reason to refuse the run on Kubernetes."""
    words = ("pod_kill", "--set", "faults.0.kind=evict_pod", "--platform")
    here, there = asked(*words, "local,kubernetes", *CLUSTER)

    assert where([here, there]) == [(LOCAL, True), (KUBERNETES, False)]
    with pytest.raises(UsageError, match="fault evict_pod goes with --platform kubernetes only"):
        asked(*words, "local")


def test_the_matrix_has_every_cell_on_both() -> None:
    """One platform of it can be asked for; the options of a cluster belong to no local run."""
    both = asked("--matrix", "platforms", *CLUSTER)
    local = asked("--matrix", "platforms", "--platform", "local")

    assert where(both) == [(LOCAL, False), (KUBERNETES, False)] * (len(both) // 2)
    assert [order.name for order in local] == [
        order.name for order in both if order.cell.platform == LOCAL
    ]
    with pytest.raises(UsageError, match="--context goes with --platform kubernetes only"):
        asked("--matrix", "platforms", "--platform", "local", "--context", "mine")


def test_a_name_that_nobody_knows_is_said() -> None:
    """With those that are known."""
    with pytest.raises(UsageError, match="--platform: unknown 'nomad'; known: local, kubernetes"):
        asked("pod_kill", "--platform", "local,nomad")


def test_a_gate_runs_local_pods_only() -> None:
    """It has no options for a cluster, and says what to do instead."""
    words = ["gate", "--matrix", "platforms", "--only", "correctness"]
    _, orders = orders_of(parser().parse_args(words))

    told = {order.why_skipped for order in orders if order.cell.platform == KUBERNETES}
    assert len(told) == 1
    assert "this command takes no cluster" in told.pop()


def test_facts_of_a_run_are_those_of_its_platform(tmp_path: Path) -> None:
    """A runtime of this machine is none of the cluster's."""
    cluster = LocalBackEnd()
    provided = Provided(
        dapr=None,
        redis=(),
        redis_address="",
        components=tmp_path,
        facts={"daprd": "ours", "daprd components": "x", "pods": "local pods", "python": "3"},
        placed={KUBERNETES: Placed(back_end=cluster, facts={"pods": "Kubernetes pods"})},
    )

    assert provided.on(LOCAL) is provided
    assert provided.on(KUBERNETES).facts == {"pods": "Kubernetes pods", "python": "3"}
    assert provided.on(KUBERNETES).back_end is cluster
