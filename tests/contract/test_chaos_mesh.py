"""One PodChaos on a cluster: what its controller must have said, and when the object is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.clock import SystemClock
from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.chaos_mesh import PodChaos
from harness.errors import HarnessError
from tests.cluster_double import Double, cluster

Scene = Callable[[PodChaos, Double], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene], None]:
    """An object of the kind, on a cluster that does not have its pod."""

    async def whole(scene: Scene) -> None:
        async with asyncio.timeout(20), cluster(tmp_path) as (double, file):
            monkeypatch.setenv("KUBECONFIG", str(file))
            async with await Api.connect() as api:
                chaos = PodChaos(
                    api=api,
                    clock=SystemClock(),
                    namespace="ours",
                    name="kill-agents-1.1",
                    pod="agents-1",
                    recorded_s=0.2,
                    left_s=0.2,
                )
                await scene(chaos, double)

    return lambda scene: asyncio.run(whole(scene))


@pytest.mark.parametrize(
    ("is_up", "said"),
    [
        (False, "wrote nothing on it; is chaos-controller-manager up"),
        (True, "AllInjected False; Selected False"),
    ],
)
def test_a_kill_that_is_not_recorded_is_no_strike(
    play: Callable[[Scene], None], is_up: bool, said: str
) -> None:
    """Whoever ended the pod: the error has what the controller wrote."""

    async def scene(chaos: PodChaos, double: Double) -> None:
        double.chaos_mesh.is_up = is_up
        await chaos.create()
        with pytest.raises(HarnessError, match=said):
            await chaos.until_recorded()
        assert await chaos.remove()

    play(scene)


def test_an_object_that_its_controller_does_not_let_go_is_told(
    play: Callable[[Scene], None],
) -> None:
    """It would keep the run's namespace from going."""

    async def scene(chaos: PodChaos, double: Double) -> None:
        await chaos.create()
        with pytest.raises(HarnessError):
            await chaos.until_recorded()
        double.chaos_mesh.is_up = False
        assert not await chaos.remove()

    play(scene)
