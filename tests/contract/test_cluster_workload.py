"""What a cluster's API does to a run's pods: evicted, rolled out, scaled, without a sidecar."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from harness.clock import SystemClock
from harness.cluster.kubernetes.back_end import KubernetesBackEnd
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import HarnessError
from harness.protocols import Platform, Workload
from tests.cluster_double import Double, cluster

SLOTS = ("agents-1", "agents-2", "agents-3")
Scene = Callable[[Platform, Workload, Double], Awaitable[None]]


@pytest.fixture(params=["Deployment", "StatefulSet"])
def play(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Scene], None]:
    """Three pods of one app, with sidecars, started."""

    async def whole(scene: Scene) -> None:
        clock = SystemClock()
        (tmp_path / "components").mkdir()
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(trust_env=False) as http,
            cluster(tmp_path) as (double, file),
        ):
            monkeypatch.setenv("KUBECONFIG", str(file))
            platform = KubernetesBackEnd(context="", image="w:1", host="127.0.0.1").platform(
                PodTemplate(
                    worker=("true",),
                    environ={},
                    witness="http://127.0.0.1:1",
                    state=tmp_path / "slots",
                    sidecar=None,
                    components=tmp_path / "components",
                    needs_dapr=True,
                    is_assisted=request.param == "StatefulSet",
                ),
                SLOTS,
                Means(
                    processes=Processes(run=tmp_path, logs=tmp_path / "logs", clock=clock),
                    ports=Ports(os.getpid()),
                    clock=clock,
                    http=http,
                ),
                address_book=tmp_path / "pods.json",
                restart_delays_s=(0.0,),
            )
            try:
                await platform.start()
                assert platform.workload is not None
                await scene(platform, platform.workload, double)
                assert all("left without" not in text for text in platform.troubles)
            finally:
                await platform.stop()

    return lambda scene: asyncio.run(whole(scene))


def uids(double: Double) -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in double.pods()}


def test_an_evicted_pod_is_gone_and_replaced(play: Callable[[Scene], None]) -> None:
    """By the subresource, with its uid as the proof; nobody else moves."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        before = uids(double)
        struck = await workload.evict("agents-2")
        healed = await platform.healed("agents-2", deadline_s=10)
        (gone,) = set(before) - set(uids(double))
        assert f"pod {before[gone]} (uid {gone}) evicted" in struck.proof
        assert struck.victims == ("agents-2.1",)
        assert healed.caller == "agents-2.2"
        assert any(path.endswith(f"{before[gone]}/eviction") for _, path in double.asks)

    play(scene)


def test_chaos_mesh_kills_the_slots_pod_and_its_object_goes(
    play: Callable[[Scene], None],
) -> None:
    """That pod alone, twice in turn; the object is waited for, which outlives its deletion."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        for incarnation in (1, 2):
            before = uids(double)
            struck = await workload.chaos_kill("agents-2")
            (gone,) = set(before) - set(uids(double))
            assert struck.victims == (f"agents-2.{incarnation}",)
            assert f"pod {before[gone]} (uid {gone}) killed by PodChaos" in struck.proof
            assert not [path for path in double.objects if "/podchaos/" in path]
            healed = await platform.healed("agents-2", deadline_s=10)
            assert healed.caller == f"agents-2.{incarnation + 1}"

    play(scene)


def test_an_eviction_that_a_budget_forbids_is_no_strike(play: Callable[[Scene], None]) -> None:
    """In the words of the cluster."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        before = uids(double)
        double.budget = "would violate the pod's disruption budget"
        with pytest.raises(HarnessError, match=r"was not evicted: .*disruption budget"):
            await workload.evict("agents-2")
        assert uids(double) == before

    play(scene)


def test_a_rollout_replaces_every_pod(play: Callable[[Scene], None]) -> None:
    """All that were there are gone, and each slot has its next incarnation."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        before = uids(double)
        struck = await workload.roll_out()
        assert not set(before) & set(uids(double))
        assert all(f"{name} (uid {uid})" in struck.proof for uid, name in before.items())
        healed = [await platform.healed(slot, deadline_s=10) for slot in SLOTS]
        assert struck.victims == tuple(f"{slot}.1" for slot in SLOTS)
        assert [one.caller for one in healed] == [f"{slot}.2" for slot in SLOTS]

    play(scene)


def test_one_pod_fewer_and_as_many_again(play: Callable[[Scene], None]) -> None:
    """The planned slot of a Deployment, the last of a StatefulSet; it stays away meanwhile."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        before = uids(double)
        struck = await workload.scale_down("agents-2")
        (gone,) = set(before) - set(uids(double))
        slot = "agents-3" if before[gone].endswith("-2") else "agents-2"
        assert struck.victims == (f"{slot}.1",)
        assert "scaled from 3 to 2" in struck.proof
        assert len(uids(double)) == 2
        assert not platform.by_slot[slot].is_ready
        await workload.scale_up(slot, after_s=0.0)
        assert (await platform.healed(slot, deadline_s=10)).caller == f"{slot}.2"
        assert len(uids(double)) == 3

    play(scene)


def test_a_pod_that_came_without_a_sidecar_is_replaced(play: Callable[[Scene], None]) -> None:
    """It does not mend itself; the one after it has a sidecar and is ready."""

    async def scene(platform: Platform, workload: Workload, double: Double) -> None:
        assert await workload.replace_bare() == ()
        double.injects = False
        await platform.kill("agents-2", "pod")
        while len(uids(double)) < 3:
            await asyncio.sleep(0.01)
        double.injects = True
        (bare,) = await workload.replace_bare()
        healed = await platform.healed("agents-2", deadline_s=10)
        assert bare not in {pod.caller for pod in platform.by_slot.values()}
        assert healed.caller.startswith("agents-2.")
        assert await workload.replace_bare() == ()

    play(scene)
