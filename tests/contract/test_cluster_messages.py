"""Messages on a cluster: what sidecars are given of a broker, how it changes, what is taken out."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from harness.clock import SystemClock
from harness.cluster.kubernetes import collector
from harness.cluster.kubernetes.back_end import KubernetesBackEnd
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError
from harness.protocols import Platform
from tests.cluster_double import Double, cluster

Scene = Callable[[Platform, Double, KubernetesBackEnd, Means], Awaitable[None]]
ENVIRON = {"ONCEPROOF_BROKER": "redis"}


def component(name: str, type_: str) -> dict[str, Any]:
    spec = {"type": type_, "version": "v1", "metadata": []}
    metadata = {"name": name}
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": spec,
    }


def give(folder: Path, *resources: dict[str, Any]) -> Path:
    """A folder with these, a file each."""
    folder.mkdir(exist_ok=True)
    for one in resources:
        (folder / f"{one['metadata']['name']}.yaml").write_text(yaml.safe_dump(one))
    return folder


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene], None]:
    """One pod that gets messages over a broker, started."""

    async def whole(scene: Scene) -> None:
        clock = SystemClock()
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(trust_env=False) as http,
            cluster(tmp_path) as (double, file),
        ):
            monkeypatch.setenv("KUBECONFIG", str(file))
            back_end = KubernetesBackEnd(context="", image="w:1", host="127.0.0.1")
            means = Means(
                processes=Processes(run=tmp_path, logs=tmp_path / "logs", clock=clock),
                ports=Ports(os.getpid()),
                clock=clock,
                http=http,
            )
            resources = (component("messages", "pubsub.redis"), component("old", "pubsub.redis"))
            platform = back_end.platform(
                PodTemplate(
                    worker=("true",),
                    environ=dict(ENVIRON),
                    witness="http://127.0.0.1:1",
                    state=tmp_path / "slots",
                    sidecar=None,
                    components=give(tmp_path / "components", *resources),
                    needs_dapr=True,
                    takes_messages=True,
                ),
                ("agents-1",),
                means,
                address_book=tmp_path / "pods.json",
                restart_delays_s=(0.0,),
            )
            try:
                await platform.start()
                await scene(platform, double, back_end, means)
            finally:
                await platform.stop()
            assert double.namespaces() == []

    return lambda scene: asyncio.run(whole(scene))


def test_a_sidecar_delivers_to_its_worker_and_keeps_its_component(
    play: Callable[[Scene], None],
) -> None:
    """A patched component reaches pods that start from then on, as files do on local pods."""

    async def scene(platform: Platform, double: Double, *_: object) -> None:
        (pod,) = double.pods()
        annotations = pod["metadata"]["annotations"]
        environ = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
        configuration = next(p for path, p in double.objects.items() if "configurations" in path)

        assert annotations["dapr.io/app-port"] == environ["ONCEPROOF_PORT"]
        assert environ["ONCEPROOF_HOST"] == "0.0.0.0"
        assert configuration["spec"]["features"] == [{"name": "HotReload", "enabled": False}]

    play(scene)


def test_another_folder_changes_makes_and_removes_objects(
    play: Callable[[Scene], None], tmp_path: Path
) -> None:
    """And the sidecar, asked in its pod, has the other component."""

    async def scene(platform: Platform, double: Double, *_: object) -> None:
        wanted = (component("messages", "pubsub.kafka"), component("new", "pubsub.redis"))

        await platform.configure(give(tmp_path / "others", *wanted))

        said = json.loads(await platform.metadata("agents-1"))["components"]
        assert said == [
            {"name": "messages", "type": "pubsub.kafka"},
            {"name": "new", "type": "pubsub.redis"},
        ]

    play(scene)


def test_a_pod_of_after_a_swap_tells_the_broker_of_after_it(play: Callable[[Scene], None]) -> None:
    """Else every message of it would be a phantom."""

    async def scene(platform: Platform, double: Double, *_: object) -> None:
        (before,) = double.pods()
        platform.deployed.environ["ONCEPROOF_BROKER"] = "kafka"  # type: ignore[attr-defined]

        await platform.kill("agents-1", "pod")
        await platform.healed("agents-1", deadline_s=10)

        (after,) = double.pods()
        assert before["identity"]["ONCEPROOF_BROKER"] == "redis"
        assert after["identity"]["ONCEPROOF_BROKER"] == "kafka"

    play(scene)


def test_what_a_broker_still_has_is_delivered_to_the_harness(
    play: Callable[[Scene], None], tmp_path: Path
) -> None:
    """By a sidecar of the same app, in a namespace that goes with it."""

    async def scene(_: Platform, double: Double, back_end: KubernetesBackEnd, means: Means) -> None:
        resources = give(tmp_path / "collected", component("messages", "pubsub.redis"))

        async with back_end.collector(None, means, name="redis", resources=resources, port=4):
            pod = double.pods()[-1]
            annotations = pod["metadata"]["annotations"]
            assert len(double.namespaces()) == 2

        assert pod["metadata"]["namespace"].endswith("-redis")
        assert annotations["dapr.io/app-channel-address"] == "127.0.0.1"
        assert annotations["dapr.io/app-port"] == "4"
        assert len(double.namespaces()) == 1

    play(scene)


def test_a_collector_without_its_sidecar_is_an_error_and_is_removed(
    play: Callable[[Scene], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would come out of the broker, and nothing would be stranded."""
    monkeypatch.setattr(collector, "READY_S", 0.3)

    async def scene(_: Platform, double: Double, back_end: KubernetesBackEnd, means: Means) -> None:
        double.injects = False
        resources = give(tmp_path / "collected", component("messages", "pubsub.redis"))

        with pytest.raises(MachineError, match=r"was not ready in 0\.3 s"):
            async with back_end.collector(None, means, name="redis", resources=resources, port=4):
                raise AssertionError("not reached")

        assert len(double.namespaces()) == 1

    play(scene)
