"""Every fault keeps the same contract: arm touches nothing, fire strikes once, heal waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from harness.errors import HarnessError
from harness.faults import FAULTS, ON_CLUSTER_ONLY
from harness.faults.control_plane import ServerKill
from harness.plan import HeldCall
from harness.protocols import (
    EngineSpec,
    Fault,
    Healed,
    Progress,
    Struck,
)
from tests.contract.fault_stand import FakeControlPlane, FakeStage, SilentWitness, planned

OF_A_CALL = ("drop_answer", "crash_step")
"""Faults that meet calls at the witness, and have tests of their own."""
SWAPS = tuple(name for name in FAULTS if name.startswith(("broker_", "component_")))
"""Faults of the broker, which have tests of their own."""
SERVERS = tuple(
    name
    for name, fault in FAULTS.items()
    if isinstance(fault, ServerKill) and name != "kill_injector_and_pod"
)
"""Faults of what all sidecars share, which touch no pod."""
OF_A_CLUSTER = (*ON_CLUSTER_ONLY, "rollout_restart")
"""Faults that a cluster's API does, which have tests of their own."""
KILLS = pytest.mark.parametrize(
    "fault",
    [
        fault
        for fault in FAULTS.values()
        if fault.kind not in (*OF_A_CALL, *SWAPS, *SERVERS, *OF_A_CLUSTER)
    ],
)
EVERY = pytest.mark.parametrize("fault", list(FAULTS.values()), ids=list(FAULTS))


def spec(*, needs_dapr: bool) -> EngineSpec:
    return EngineSpec(
        engine="fake",
        variant="default",
        summary="",
        recovery="native",
        intake="durable",
        any_pod_answers=True,
        kinds=("say",),
        worker=("true",),
        needs_dapr=needs_dapr,
        brokers=("none", "redis") if needs_dapr else ("none",),
    )


@EVERY
def test_arming_touches_nothing(fault: Fault) -> None:
    """The window begins at the mark *about to fire*, which comes after arm."""
    stage = FakeStage()

    asyncio.run(fault.arm(stage, planned(fault)))

    assert stage.kills == []
    assert stage.waits == []


@EVERY
def test_a_victim_that_is_down_already_is_not_armed(fault: Fault) -> None:
    """Striking it would prove nothing."""
    with pytest.raises(HarnessError, match="agents-2 is not healthy"):
        asyncio.run(fault.arm(FakeStage(ready=False), planned(fault)))


@pytest.mark.parametrize(
    "fault",
    [
        fault
        for fault in FAULTS.values()
        if fault.kind not in ("crash_step", *SWAPS, *SERVERS, *OF_A_CLUSTER)
    ],
)
def test_firing_strikes_the_planned_slot_once_and_comes_back_with_proof(fault: Fault) -> None:
    """Whom, and what the operating system says of it."""
    stage = FakeStage()

    struck = asyncio.run(fault.fire(stage, planned(fault)))

    whom = stage.slots() if fault.kind == "kill_all" else ("agents-2",)
    assert [slot for slot, _ in stage.kills] == list(whom) * (fault.kind != "drop_answer")
    assert struck.victims == tuple(f"{slot}.1" for slot in whom)
    assert struck.proof


@pytest.mark.parametrize("kind", ["kill_pod", "kill_all"])
def test_with_grace_pods_are_ended_and_not_killed(kind: str) -> None:
    """Each of them by SIGTERM first."""
    stage = FakeStage()

    struck = asyncio.run(FAULTS[kind].fire(stage, replace(planned(FAULTS[kind]), grace=True)))

    assert {part for _, part in stage.kills} == {"retire"}
    assert "agents-2.1" in struck.victims


@KILLS
def test_healing_waits_for_health_with_a_deadline(fault: Fault) -> None:
    """It is over when health was seen again, and never later than a bound."""
    stage = FakeStage()

    async def heal() -> tuple[bool, Healed]:
        struck = await fault.fire(stage, planned(fault))
        healing = asyncio.create_task(fault.heal(stage, planned(fault), struck))
        for _ in range(5):
            await asyncio.sleep(0)
        was_early = healing.done()
        stage.may_heal.set()
        return was_early, await healing

    was_early, healed = asyncio.run(heal())

    assert not was_early
    assert healed.caller.endswith("agents-2.2")
    assert [slot for slot, _ in stage.waits] == [slot for slot, _ in stage.kills]
    assert all(0 < deadline_s <= 300 for _, deadline_s in stage.waits)


@EVERY
def test_a_fault_says_whom_it_cannot_strike(fault: Fault) -> None:
    """A reason in words, or nothing; with Dapr every fault of ours is possible."""
    assert fault.needs(spec(needs_dapr=True)) == ""
    assert isinstance(fault.needs(spec(needs_dapr=False)), str)


@dataclass
class AskingWitness(SilentWitness):
    """A step is asked so many times, by the incarnation that lives then."""

    stage: "FakeStage | None" = None
    times: int = 9
    released: list[HeldCall] = field(default_factory=list)

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        assert self.stage is not None
        assert 0 < deadline_s <= 60
        return self.stage.caller("agents-1") if len(self.stage.kills) < self.times else ""

    async def release(self, holds: Sequence[HeldCall]) -> bool:
        self.released += holds
        return True


CALL = HeldCall(agent="a1", path="1", turn=0, point="begun")


def crashed(times: int) -> tuple[FakeStage, AskingWitness, Struck]:
    witness = AskingWitness(times=times)
    stage = FakeStage(witness=witness)
    stage.may_heal.set()
    witness.stage = stage
    fault = FAULTS["crash_step"]
    struck = asyncio.run(fault.fire(stage, replace(planned(fault), call=CALL)))
    return stage, witness, struck


def test_whoever_asks_dies_until_the_step_is_let_through() -> None:
    """The caller dies, wherever it lives, three times; each is healthy again before the next."""
    stage, witness, struck = crashed(9)

    assert stage.kills == [("agents-1", "worker")] * 3
    assert struck.victims == ("agents-1.1", "agents-1.2", "agents-1.3")
    assert [slot for slot, _ in stage.waits] == ["agents-1"] * 2
    assert witness.released == [CALL]


def test_an_engine_that_gives_up_is_struck_no_more() -> None:
    """The proof says so; a step that nobody asks strikes nobody."""
    stage, witness, struck = crashed(1)

    assert stage.kills == [("agents-1", "worker")]
    assert "not asked again in 50 s after 1 deaths" in struck.proof
    assert witness.released == [CALL]
    assert crashed(0)[2] == Struck(victims=(), proof="")


def test_answers_that_nobody_asked_for_are_no_strike() -> None:
    """A drop that met no call proves nothing, and says so by an empty proof."""

    class QuietWitness(SilentWitness):
        async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
            return ()

    fault = FAULTS["drop_answer"]
    struck = asyncio.run(fault.fire(FakeStage(witness=QuietWitness()), planned(fault)))

    assert struck == Struck(victims=(), proof="")


@dataclass
class SwapStage(FakeStage):
    """Writes down, in one order, what a swap does; a few messages are still on their way."""

    undelivered: list[int] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    proof: str = "signal SIGKILL"

    async def let_publish(self, is_open: bool) -> None:
        self.done.append("open" if is_open else "paused")

    async def kill(self, slot: str = "", part: str = "") -> Struck:  # type: ignore[override]
        if slot:
            return await super().kill(slot, part)
        self.done.append("broker killed")
        return Struck(victims=(), proof=self.proof)

    async def end(self) -> Struck:
        self.done.append("broker ended")
        return Struck(victims=(), proof="exit 0")

    def forget(self) -> None:
        self.done.append("broker emptied")

    async def restore(self) -> Healed:
        self.done.append("broker back")
        return Healed(caller="redis", parts_ns={"total": 1})

    async def point(self, to: str, *, reads_old: bool = False) -> None:
        self.done.append(f"to {to}{', old read' if reads_old else ''}")

    async def reload(self, to: str) -> Struck:
        self.done.append(f"reloaded {to}")
        return Struck(victims=(), proof="rewritten")

    async def flip(self, to: str) -> Struck:
        self.done.append(f"flipped to {to}")
        return Struck(victims=(), proof="3 connections cut")

    async def until_flipped(self, *, deadline_s: float) -> None:
        assert 0 < deadline_s <= 300
        self.done.append("connected again")

    async def spoil(self) -> Struck:
        self.done.append("spoiled")
        return Struck(victims=(), proof="no YAML")

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        raise AssertionError(f"a fault posted {kind} itself")

    async def progress(self) -> Progress:
        left = self.undelivered.pop(0) if self.undelivered else 0
        self.done.append(f"{left} left")
        return Progress(answered_steps=0, limited=0, ended_agents=0, unused={}, undelivered=left)

    async def retire(self, slot: str) -> Struck:
        self.done.append(f"{slot} ends")
        return await self.kill(slot, "retire")

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        self.done.append(f"{slot} is back")
        return await super().healed(slot, deadline_s=deadline_s)


def swapped(kind: str, *undelivered: int, **more: str) -> tuple[SwapStage, Struck]:
    stage = SwapStage(undelivered=list(undelivered), **more)
    stage.switchboard = stage
    stage.witness = stage  # type: ignore[assignment]
    stage.may_heal.set()
    fault = FAULTS[kind]

    async def act() -> Struck:
        struck = await fault.fire(stage, replace(planned(fault), to="kafka"))
        await fault.heal(stage, planned(fault), struck)
        return struck

    return stage, asyncio.run(act())


def test_a_swap_drains_before_it_switches_and_restarts_in_turn() -> None:
    """Nothing is switched while a message is on its way; a pod goes when the one before is back."""
    stage, struck = swapped("broker_swap", 7, 0, 3)

    assert stage.done[0] == "paused"
    assert stage.done[1:9] == ["7 left", "0 left", "3 left", *["0 left"] * 5]
    assert stage.done[9:] == [
        "to kafka",
        *("agents-1 ends", "agents-1 is back"),
        *("agents-2 ends", "agents-2 is back"),
    ]
    assert struck.victims == ("agents-1.1", "agents-2.1")
    assert struck.proof.startswith("drained, then switched to kafka: ")


def test_a_hard_swap_waits_for_nothing() -> None:
    """The component first, then every pod at once; what is on its way stays behind."""
    stage, struck = swapped("broker_swap_hard", 7)

    assert stage.done[:3] == ["to kafka", "agents-1 ends", "agents-2 ends"]
    assert "paused" not in stage.done
    assert struck.victims == ("agents-1.1", "agents-2.1")


def test_a_killed_broker_is_brought_back_and_no_pod_is_touched() -> None:
    """The pods have to live with it."""
    stage, struck = swapped("broker_kill")

    assert stage.done == ["broker killed", "broker back"]
    assert stage.kills == []
    assert struck.proof == "signal SIGKILL"


@pytest.mark.parametrize("kind", SWAPS)
def test_a_run_without_messages_has_nothing_to_swap(kind: str) -> None:
    """An error of the run's, not a strike."""
    with pytest.raises(HarnessError, match="no messages"):
        asyncio.run(FAULTS[kind].fire(FakeStage(), planned(FAULTS[kind])))


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_of_the_control_plane_dies_as_planned_and_no_pod_is_touched(kind: str) -> None:
    """Which one, how, and for how long is the plan's; it is healed when it takes part again."""
    plane = FakeControlPlane()
    stage = FakeStage(control_plane=plane)
    fault = FAULTS[kind]
    plan = replace(planned(fault), member="leader", grace=True, down_s=3.0)

    async def act() -> tuple[Struck, bool, Healed]:
        struck = await fault.fire(stage, plan)
        healing = asyncio.create_task(fault.heal(stage, plan, struck))
        for _ in range(5):
            await asyncio.sleep(0)
        was_early = healing.done()
        plane.may_heal.set()
        return struck, was_early, await healing

    struck, was_early, healed = asyncio.run(act())

    assert plane.asked == [(kind.removeprefix("kill_"), "leader", True), (3.0,)]
    assert stage.kills == []
    assert struck.proof == "signal SIGKILL"
    assert not was_early
    assert healed.caller == "back"


@pytest.mark.parametrize("kind", SERVERS)
def test_an_engine_without_dapr_has_no_control_plane(kind: str) -> None:
    """Said before the run; and an error, never a strike, if it were tried."""
    assert "no control plane" in FAULTS[kind].needs(spec(needs_dapr=False))
    with pytest.raises(HarnessError, match="no control plane"):
        asyncio.run(FAULTS[kind].fire(FakeStage(), planned(FAULTS[kind])))


def test_a_restarted_broker_has_the_time_to_finish() -> None:
    """By SIGTERM, and back with what it had."""
    stage, struck = swapped("broker_restart")

    assert stage.done == ["broker ended", "broker back"]
    assert struck.proof == "exit 0"


def test_a_broker_loses_what_is_on_its_way() -> None:
    """It dies as soon as it has something to lose, and is empty when it comes back."""
    stage, struck = swapped("broker_loss", 0, 0, 4)

    assert stage.done == [
        *("0 left", "0 left", "4 left"),
        *("broker killed", "broker emptied", "broker back"),
    ]
    assert struck.proof == "signal SIGKILL; all that it had written was removed"


def test_a_broker_that_is_not_ours_loses_nothing() -> None:
    """Nothing was killed, so nothing is removed, and there is no proof of a strike."""
    stage, struck = swapped("broker_loss", 4, proof="")

    assert stage.done == ["4 left", "broker killed", "broker back"]
    assert struck.proof == ""


def test_a_dual_read_switches_at_once_and_restarts_in_turn() -> None:
    """Nothing pauses and nothing is waited for; the new pods read the old broker as well."""
    stage, struck = swapped("broker_swap_dual", 7)

    assert stage.done == [
        "to kafka, old read",
        *("agents-1 ends", "agents-1 is back"),
        *("agents-2 ends", "agents-2 is back"),
    ]
    assert struck.proof.startswith("switched to kafka, the old one still read: ")


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("broker_swap_reload", ["reloaded kafka"]),
        ("broker_swap_flip", ["flipped to kafka", "connected again"]),
        ("component_spoiled", ["spoiled"]),
    ],
)
def test_a_change_under_running_sidecars_touches_no_pod(kind: str, done: list[str]) -> None:
    """They are told by the file alone, or by nothing at all."""
    stage, struck = swapped(kind)

    assert stage.done == done
    assert stage.kills == []
    assert struck.proof
