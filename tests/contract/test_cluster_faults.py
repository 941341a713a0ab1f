"""Faults that a cluster's API does: asked once, and those who left are waited for."""

import asyncio
from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.faults import FAULTS, ON_CLUSTER_ONLY
from harness.protocols import Healed, Struck
from tests.contract.fault_stand import FakeControlPlane, FakeStage, FakeWorkload, planned

SERVERS = ("kill_sentry", "kill_operator", "kill_injector")
"""Faults of the control plane, which keep its contract."""


@pytest.mark.parametrize(
    ("kind", "asked", "waits"),
    [
        ("evict_pod", [("evict", "agents-2")], ["agents-2"]),
        ("chaos_pod_kill", [("chaos", "agents-2")], ["agents-2"]),
        ("rollout_restart", [("roll out",)], ["agents-1", "agents-2"]),
        ("scale_down", [("down", "agents-2"), ("up", "agents-1", 3.0)], ["agents-1"]),
    ],
)
def test_a_cluster_is_asked_once_and_those_who_left_are_waited_for(
    kind: str, asked: list[tuple[object, ...]], waits: list[str]
) -> None:
    """Of a scale down the pod that went, whoever was planned."""
    workload = FakeWorkload()
    stage = FakeStage(workload=workload)
    stage.may_heal.set()
    plan = replace(planned(FAULTS[kind]), down_s=3.0)

    async def act() -> Struck:
        struck = await FAULTS[kind].fire(stage, plan)
        await FAULTS[kind].heal(stage, plan, struck)
        return struck

    struck = asyncio.run(act())

    assert workload.asked == asked
    assert [slot for slot, _ in stage.waits] == waits
    assert stage.kills == []
    assert struck.proof


def test_a_rollout_of_local_pods_ends_one_when_the_one_before_is_back() -> None:
    """Each with grace."""
    stage = FakeStage()
    stage.may_heal.set()
    fault = FAULTS["rollout_restart"]

    async def act() -> tuple[Struck, list[str]]:
        struck = await fault.fire(stage, planned(fault))
        fired = [slot for slot, _ in stage.waits]
        await fault.heal(stage, planned(fault), struck)
        return struck, fired

    struck, waited = asyncio.run(act())

    assert stage.kills == [("agents-1", "retire"), ("agents-2", "retire")]
    assert waited == ["agents-1"]
    assert [slot for slot, _ in stage.waits] == ["agents-1", "agents-2"]
    assert struck.victims == ("agents-1.1", "agents-2.1")


@pytest.mark.parametrize(
    ("bare", "words"),
    [((), ""), (("x7",), ", after x7 had come without a sidecar and was deleted")],
)
def test_a_pod_that_comes_while_the_injector_is_away_is_helped_up(
    bare: tuple[str, ...], words: str
) -> None:
    """After the injector is back, and it is said."""
    workload, plane = FakeWorkload(bare=bare), FakeControlPlane()
    plane.may_heal.set()
    stage = FakeStage(workload=workload, control_plane=plane)
    stage.may_heal.set()
    fault = FAULTS["kill_injector_and_pod"]

    async def act() -> tuple[Struck, Healed]:
        struck = await fault.fire(stage, planned(fault))
        assert workload.asked == []
        return struck, await fault.heal(stage, planned(fault), struck)

    struck, healed = asyncio.run(act())

    assert plane.asked == [("injector", "", False), (0.0,)]
    assert stage.kills == [("agents-2", "pod")]
    assert struck.victims == ("agents-2.1",)
    assert workload.asked == [("replace bare",)]
    assert healed.caller == f"agents-2.2{words}"


@pytest.mark.parametrize("kind", [kind for kind in ON_CLUSTER_ONLY if kind not in SERVERS])
def test_what_only_a_cluster_does_is_an_error_without_one(kind: str) -> None:
    """It was refused before the run; were it tried, it would be no strike."""
    stage = FakeStage()
    with pytest.raises(HarnessError, match=r"no cluster keeps|no control plane"):
        asyncio.run(FAULTS[kind].fire(stage, planned(FAULTS[kind])))
    assert stage.kills == []
