"""Dapr's servers in a cluster: one dies, its StatefulSet brings it back, and both are proven."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.clock import SystemClock
from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.control_plane import ClusterControlPlane
from harness.errors import HarnessError, MachineError
from tests.cluster_double import Double, cluster

APP = "dapr-scheduler-server"
Scene = Callable[[ClusterControlPlane, Double], Awaitable[None]]


def play(folder: Path, patch: pytest.MonkeyPatch, scene: Scene) -> None:
    """Three schedulers in a cluster."""
    template = {"metadata": {"labels": {"app": APP}}, "spec": {"containers": [{"name": APP}]}}
    schedulers = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": APP, "namespace": "dapr-system"},
        "spec": {"replicas": 3, "template": template},
    }

    async def whole() -> None:
        async with asyncio.timeout(15), cluster(folder) as (double, file):
            patch.setenv("KUBECONFIG", str(file))
            async with await Api.connect() as api:
                await api.create({"kind": "Namespace", "metadata": {"name": "dapr-system"}})
                await api.create(schedulers)
                plane = ClusterControlPlane(namespace="dapr-system", clock=SystemClock(), api=api)
                while sum(bool(one["status"]["conditions"]) for one in double.pods()) < 3:
                    await asyncio.sleep(0.01)
                await scene(plane, double)

    asyncio.run(whole())


def test_the_named_scheduler_dies_and_another_of_its_name_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof has the uid that died, the heal the one that came; the others stay."""

    async def scene(plane: ClusterControlPlane, double: Double) -> None:
        before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in double.pods()}
        struck = await plane.kill("scheduler", "1", is_graceful=False)
        assert f"pod {APP}-1 (uid {before[APP + '-1']}) deleted with grace 0" in struck.proof
        healed = await plane.restore(after_s=0.0, deadline_s=5)
        after = {one["metadata"]["name"]: one["metadata"]["uid"] for one in double.pods()}
        assert healed.caller == f"{APP}-1 (uid {after[APP + '-1']})"
        assert {name for name in before if before[name] != after[name]} == {f"{APP}-1"}

    play(tmp_path, monkeypatch, scene)


def test_a_majority_dies_at_once_and_as_many_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three: both uids are in the proof, and both others in the heal."""

    async def scene(plane: ClusterControlPlane, double: Double) -> None:
        before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in double.pods()}
        struck = await plane.kill("scheduler", "majority", is_graceful=False)
        healed = await plane.restore(after_s=0.0, deadline_s=5)
        after = {one["metadata"]["name"]: one["metadata"]["uid"] for one in double.pods()}
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {f"{APP}-0", f"{APP}-1"}
        assert all(before[name] in struck.proof for name in changed)
        assert all(after[name] in healed.caller for name in changed)

    play(tmp_path, monkeypatch, scene)


def test_what_does_not_come_back_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, at the deadline."""

    async def scene(plane: ClusterControlPlane, double: Double) -> None:
        double.quota = "exceeded quota"
        await plane.kill("scheduler", "0", is_graceful=True)
        with pytest.raises(MachineError, match=f"pod {APP}-0 was not ready again within"):
            await plane.restore(after_s=0.0, deadline_s=0.3)

    play(tmp_path, monkeypatch, scene)


@pytest.mark.parametrize(
    ("part", "member", "words"),
    [
        ("scheduler", "leader", "does not say who leads"),
        ("placement", "", "no placement of Dapr's is ready in dapr-system"),
    ],
)
def test_who_is_not_there_is_not_struck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, member: str, words: str
) -> None:
    """Nothing is deleted."""

    async def scene(plane: ClusterControlPlane, double: Double) -> None:
        with pytest.raises(HarnessError, match=words):
            await plane.kill(part, member, is_graceful=False)
        assert all(method != "DELETE" for method, _ in double.asks)

    play(tmp_path, monkeypatch, scene)
