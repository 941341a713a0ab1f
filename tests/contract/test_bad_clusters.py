"""Whatever is wrong with a cluster is said in one message, and nothing is deployed or left."""

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from harness.cli.arguments import parser
from harness.cli.asking import orders_of
from harness.cli.sweeping import sweep_cluster
from harness.clock import SystemClock
from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.back_end import KubernetesBackEnd
from harness.cluster.kubernetes.left import here
from harness.cluster.kubernetes.preflight import Found, look
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError, OnceproofError, UsageError
from tests.cluster_double import Double, cluster

Break = Callable[[Double], None]


def looked(folder: Path, patch: pytest.MonkeyPatch, spoil: Break, *, name: str = "test") -> Found:
    """Look at a cluster that has Dapr, after something was broken."""

    async def whole() -> Found:
        async with cluster(folder, name=name) as (double, file):
            patch.setenv("KUBECONFIG", str(file))
            double.install_dapr()
            spoil(double)
            try:
                async with await Api.connect() as api:
                    return await look(api, needs_dapr=True, needs_volumes=False, is_sure=False)
            finally:
                reviews = [path for method, path in double.asks if method != "GET"]
                assert all(path.endswith("/selfsubjectaccessreviews") for path in reviews)

    return asyncio.run(whole())


def nothing(double: Double) -> None:
    return


def test_a_cluster_in_order_says_its_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What environment.json will have."""
    assert looked(tmp_path, monkeypatch, nothing) == Found(
        context="test", version="v1.34.4", dapr="1.18.2", dapr_namespace="dapr-system"
    )


def no_kinds(double: Double) -> None:
    double.has_kinds = False


def old_dapr(double: Double) -> None:
    double.install_dapr("1.17.3")


def no_injector(double: Double) -> None:
    double.workload("deployments", "dapr-sidecar-injector", ready=0)


def no_dapr(double: Double) -> None:
    double.objects.clear()


def no_rights(double: Double) -> None:
    double.denied = {("delete", "pods"), ("create", "namespaces")}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_kinds, ["Dapr's definitions are missing: components, configurations.dapr.io"]),
        (old_dapr, ["the cluster has Dapr 1.17.3, expected 1.18.x"]),
        (no_injector, ["dapr-sidecar-injector of Dapr is there, with no replica ready"]),
        (no_dapr, ["dapr-operator of Dapr is absent", "dapr-scheduler-server of Dapr is absent"]),
        (no_rights, ["no right to create namespaces, delete pods"]),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Break, words: list[str]
) -> None:
    """The value, what was expected, the next move; nothing was changed in the cluster."""
    with pytest.raises(UsageError) as raised:
        looked(tmp_path, monkeypatch, spoil)

    assert all(word in str(raised.value) for word in words)


@pytest.mark.parametrize("name", ["prod", "eu-production-2", "prd.example", "live"])
def test_a_context_that_looks_like_production_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Pods are killed there."""
    with pytest.raises(UsageError, match=r"looks like production.*--yes-this-cluster"):
        looked(tmp_path, monkeypatch, nothing, name=name)


@pytest.mark.parametrize("name", ["product-demo", "delivery", "kind-reproduce"])
def test_words_that_only_contain_one_do_not_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A false alarm is soon not read any more."""
    assert looked(tmp_path, monkeypatch, nothing, name=name).context == name


@pytest.mark.parametrize(
    ("context", "config", "words"),
    [
        ("", "", "no cluster: no usable kubeconfig"),
        ("other", "{}", "no context 'other' in the kubeconfig"),
    ],
)
def test_without_a_cluster_the_next_move_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: str, config: str, words: str
) -> None:
    """No kubeconfig, no such context."""
    file = tmp_path / "kubeconfig"
    if config:
        file.write_text(config)
    monkeypatch.setenv("KUBECONFIG", str(file))

    with pytest.raises(UsageError, match=words):
        asyncio.run(Api.connect(context))


def test_a_cluster_that_is_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address and the context."""

    async def down() -> None:
        async with cluster(tmp_path) as (_, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
        async with await Api.connect() as api:
            await look(api, needs_dapr=False, needs_volumes=False, is_sure=False)

    with pytest.raises(MachineError, match=r"no answer from the cluster at http.*context test"):
        asyncio.run(down())


@contextlib.asynccontextmanager
async def deployed(
    folder: Path, patch: pytest.MonkeyPatch, spoil: Break, *, ready_s: float
) -> AsyncIterator[Double]:
    """Deploy pods with sidecars on a spoilt cluster; stopped at the end."""
    (folder / "components").mkdir()
    clock = SystemClock()
    async with cluster(folder) as (double, file), httpx.AsyncClient() as http:
        patch.setenv("KUBECONFIG", str(file))
        spoil(double)
        platform = KubernetesBackEnd(context="", image="worker:1", host="127.0.0.1").platform(
            PodTemplate(
                worker=("python3", "-m", "worker"),
                environ={},
                witness="http://127.0.0.1:1",
                state=folder,
                sidecar=None,
                components=folder / "components",
                needs_dapr=True,
                ready_s=ready_s,
            ),
            ("agents-1", "agents-2"),
            Means(
                processes=Processes(run=folder, logs=folder, clock=clock),
                ports=Ports(os.getpid()),
                clock=clock,
                http=http,
            ),
            address_book=folder / "pods.json",
            restart_delays_s=(),
        )
        try:
            await platform.start()
            yield double
        finally:
            await platform.stop()
            assert double.namespaces() == []


def no_injection(double: Double) -> None:
    double.injects = False


def no_image(double: Double) -> None:
    double.waits = {"reason": "ErrImageNeverPull", "message": "image worker:1 is not present"}


def no_quota(double: Double) -> None:
    double.quota = "pods is forbidden: exceeded quota: small, requested: pods=1, limited: pods=0"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_injection, r"no sidecar was injected into onceproof-agents-x\d+, onceproof-agents-x"),
        (no_image, r"worker: ErrImageNeverPull image worker:1 is not present"),
        (no_quota, r"exceeded quota: small"),
    ],
)
def test_pods_that_cannot_come_end_the_start_at_once_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Break, words: str
) -> None:
    """By name, long before the deadline; the namespace is gone again."""

    async def whole() -> None:
        async with asyncio.timeout(15), deployed(tmp_path, monkeypatch, spoil, ready_s=600):
            pass

    with pytest.raises(MachineError, match=words):
        asyncio.run(whole())


def test_logs_of_the_pods_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names that local processes have; the namespace takes the rest with it."""

    def talk(double: Double) -> None:
        double.log = "hello"

    async def whole() -> None:
        async with deployed(tmp_path, monkeypatch, talk, ready_s=10):
            pass

    asyncio.run(whole())

    names = {path.stem for path in tmp_path.glob("*.log")}
    assert names == {f"{part}-agents-{n}.1" for part in ("worker", "sidecar") for n in (1, 2)}


def test_what_a_killed_command_left_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its owner: namespaces of others stay."""

    async def whole() -> list[str]:
        async with cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            back_end = KubernetesBackEnd(context="", image="worker:1", host="127.0.0.1")
            for name, owner in (("mine", back_end.owner), ("theirs", "another")):
                metadata = {"name": name, "labels": {"onceproof.dev/owner": owner}}
                double.put(f"/api/v1/namespaces/{name}", {"metadata": metadata})
            await asyncio.to_thread(back_end.sweep)
            return double.namespaces()

    assert asyncio.run(whole()) == ["theirs"]


def test_only_what_a_dead_command_left_is_removed_by_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is at work, one of another machine and one of nobody stay, each with its reason."""
    host, living = here().split("/")
    keepers = {
        "dead": f"{host}/{living.partition('.')[0]}.1",
        "living": f"{host}/{living}",
        "far": f"elsewhere/{living}",
        "nobodys": "",
    }

    async def whole() -> list[str]:
        async with cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            for name, keeper in keepers.items():
                metadata = {
                    "name": name,
                    "labels": {"onceproof.dev/owner": name},
                    "annotations": {"onceproof.dev/keeper": keeper},
                }
                double.put(f"/api/v1/namespaces/{name}", {"metadata": metadata})
            double.put("/api/v1/namespaces/default", {"metadata": {"name": "default"}})
            await asyncio.to_thread(sweep_cluster, "")
            return double.namespaces()

    assert sorted(asyncio.run(whole())) == ["default", "far", "living", "nobodys"]
    said = capsys.readouterr().out
    assert "namespace dead: removed" in said
    assert "its command ran on elsewhere" in said
    assert "is at work on it" in said
    assert "1 namespaces removed" in said


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        ("evict_pod", "pods/eviction"),
        ("rollout_restart", "deployments"),
        ("scale_down", "statefulsets/scale"),
    ],
)
def test_a_fault_asks_for_the_rights_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, right: str
) -> None:
    """Before the run, and only a run that has it."""
    verb = "create" if kind == "evict_pod" else "patch"

    async def looked(*kinds: str) -> Found:
        async with cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            double.denied.add((verb, right))
            async with await Api.connect("") as api:
                return await look(
                    api,
                    needs_dapr=False,
                    needs_volumes=False,
                    is_sure=True,
                    faults=frozenset(kinds),
                )

    assert asyncio.run(looked("kill_pod")).version
    with pytest.raises(UsageError, match=f"no right to {verb} {right}"):
        asyncio.run(looked(kind))


def test_chaos_mesh_is_looked_for_before_a_run_that_asks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Definitions and a controller, and only where a fault needs them; the remedy where not."""

    async def looked(*kinds: str, has_it: bool, ready: int = 0) -> Found:
        async with cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            double.has_chaos_mesh = has_it
            double.workload("deployments", "chaos-controller-manager", ready=ready, of="chaos-mesh")
            async with await Api.connect("") as api:
                return await look(
                    api,
                    needs_dapr=False,
                    needs_volumes=False,
                    is_sure=True,
                    faults=frozenset(kinds),
                )

    assert asyncio.run(looked("chaos_pod_kill", has_it=True, ready=3)).version
    assert asyncio.run(looked("kill_pod", has_it=False)).version
    with pytest.raises(UsageError, match=r"chaos_pod_kill: skipped: .* install it"):
        asyncio.run(looked("chaos_pod_kill", has_it=False))
    with pytest.raises(UsageError, match=r"chaos_pod_kill: .* with no replica ready; .* kill_pod"):
        asyncio.run(looked("chaos_pod_kill", has_it=True))


def asked(*words: str) -> argparse.Namespace:
    return parser().parse_args(["run", "baseline", *words])


ON_CLUSTER = ("--platform", "kubernetes", "--worker-image", "w")
TWO_SWAPS = '[{"kind":"broker_swap_reload","to":"kafka"},{"kind":"broker_swap_hard","to":"redis"}]'


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--platform", "kubernetes"], "no image of the workers"),
        (["--context", "x"], "--context goes with --platform kubernetes only"),
        (
            ["--set", 'faults=[{"kind":"evict_pod"}]'],
            "kill_pod with grace: true ends a local pod so",
        ),
        (["--set", 'faults=[{"kind":"kill_sentry"}]'], "no sentry is there to strike"),
        (
            ["--platform", "kubernetes", "--worker-image", "w", "--store", "postgres"],
            "store postgres is not reached",
        ),
        (
            [*ON_CLUSTER, "--broker", "redis", "--set", 'faults=[{"kind":"component_spoiled"}]'],
            "a cluster's API takes no object that is no YAML",
        ),
        (
            [*ON_CLUSTER, "--broker", "redis", "--set", f"faults={TWO_SWAPS}"],
            "one kind of swap a run",
        ),
    ],
)
def test_options_that_do_not_fit_are_said_before_a_cluster_is_asked(
    words: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside everything else that is wrong."""
    monkeypatch.delenv("ONCEPROOF_WORKER_IMAGE", raising=False)

    with pytest.raises(OnceproofError) as raised:
        orders_of(asked(*words, "--repeats", "0"))

    assert problem in str(raised.value)
    assert "--repeats is 0" in str(raised.value)
