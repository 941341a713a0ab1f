"""The rights that a run asks for, uses, and gets by the chart are the same ones."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest
import yaml

from harness.clock import SystemClock
from harness.cluster.kubernetes.api import Api, ApiError
from harness.cluster.kubernetes.back_end import KubernetesBackEnd
from harness.cluster.kubernetes.rights import ALL, rules
from harness.cluster.kubernetes.waiting import why_not_ready
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.provide.data import module_sources
from tests.cluster_double import cluster, rights_of


def resource(kind: str, name: str, **spec: str) -> dict[str, object]:
    """One of Dapr's."""
    version = "v2alpha1" if kind == "Subscription" else "v1alpha1"
    metadata = {"name": name}
    return {"apiVersion": f"dapr.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


BEFORE = (resource("Component", "store"), resource("Component", "old"))
AFTER = (
    resource("Component", "store", type="another"),
    resource("Subscription", "starts", topic="a"),
    resource("Resiliency", "policies"),
)
AT_LAST = (resource("Subscription", "starts", topic="b"), resource("Resiliency", "policies"))


def test_the_charts_role_has_the_rights_of_a_run_and_no_more() -> None:
    """What it lacks would end a run in the middle; what is too much is a risk to others."""
    file = module_sources("kubernetes") / "chart" / "files" / "rights.yaml"

    assert yaml.safe_load(file.read_text()) == rules(ALL)


@pytest.mark.parametrize(
    ("method", "path", "is_watch", "rights"),
    [
        ("GET", "/version", False, set()),
        ("GET", "/api/v1/namespaces", False, {("list", "", "namespaces")}),
        ("GET", "/api/v1/namespaces/a", False, {("get", "", "namespaces")}),
        ("GET", "/api/v1/namespaces/a/pods", True, {("watch", "", "pods")}),
        ("GET", "/api/v1/namespaces/a/pods/b/log", False, {("get", "", "pods/log")}),
        ("POST", "/api/v1/namespaces/a/pods/b/eviction", False, {("create", "", "pods/eviction")}),
        ("PUT", "/apis/apps/v1/deployments/b", False, {("update", "apps", "deployments")}),
    ],
)
def test_a_request_needs_the_right_that_access_control_names(
    method: str, path: str, is_watch: bool, rights: set[tuple[str, str, str]]
) -> None:
    """The cluster of the tests refuses by it."""
    assert rights_of(method, path, is_watch=is_watch) == rights


def test_the_life_of_a_run_uses_every_right_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at, deployed, struck in every way, swept; a call of another kind is refused."""

    async def whole() -> set[tuple[str, str, str]]:
        async with asyncio.timeout(20), cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            double.install_dapr()
            back_end = KubernetesBackEnd(context="", image="worker:1", host="127.0.0.1")
            await asyncio.to_thread(
                back_end.look, needs_dapr=True, needs_volumes=False, is_sure=False
            )
            for is_assisted in (False, True):
                await lived(back_end, tmp_path / str(is_assisted), is_assisted=is_assisted)
            await asyncio.to_thread(back_end.sweep)
            async with await Api.connect() as api:
                await api.items("StorageClass")
                with pytest.raises(ApiError, match=r"forbidden: .*'delete', '', 'nodes'"):
                    await api.delete("Node", "", "n1")
            return double.used - {("delete", "", "nodes")}

    assert asyncio.run(whole()) == set(ALL)


def give(folder: Path, resources: Iterable[dict[str, object]]) -> None:
    """Have these in the folder, a file each, and no others."""
    for path in folder.glob("*.yaml"):
        path.unlink()
    for number, one in enumerate(resources):
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(one))


async def lived(back_end: KubernetesBackEnd, folder: Path, *, is_assisted: bool) -> None:
    """A platform from its start to its end, with every kind of strike between."""
    components = folder / "components"
    components.mkdir(parents=True)
    give(components, BEFORE)
    clock = SystemClock()
    async with httpx.AsyncClient(trust_env=False) as http:
        platform = back_end.platform(
            PodTemplate(
                worker=("python3", "-m", "worker"),
                environ={},
                witness="http://127.0.0.1:1",
                state=folder,
                sidecar=None,
                components=components,
                needs_dapr=True,
                is_assisted=is_assisted,
            ),
            ("agents-1",),
            Means(
                processes=Processes(run=folder, logs=folder, clock=clock),
                ports=Ports(hash(str(folder)) % 1000),
                clock=clock,
                http=http,
            ),
            address_book=folder / "pods.json",
            restart_delays_s=(),
        )
        try:
            await platform.start()
            for part in ("worker", "sidecar", "pod"):
                await platform.kill("agents-1", part)
                await platform.healed("agents-1", deadline_s=10)
            await platform.retire("agents-1")
            await platform.healed("agents-1", deadline_s=10)
            assert platform.workload is not None
            await platform.workload.evict("agents-1")
            await platform.healed("agents-1", deadline_s=10)
            await platform.workload.chaos_kill("agents-1")
            await platform.healed("agents-1", deadline_s=10)
            await platform.workload.roll_out()
            await platform.healed("agents-1", deadline_s=10)
            await platform.workload.scale_down("agents-1")
            for resources in (AFTER, AT_LAST, AFTER[::2]):
                give(components, resources)
                await platform.configure(components)
            async with await Api.connect() as api:
                await why_not_ready(
                    api, platform.namespace, needs_dapr=True, asked_count=1, identity_url=""
                )
        finally:
            await platform.stop()
