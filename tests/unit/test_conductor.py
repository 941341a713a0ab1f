"""The conductor: a fault strikes when its moment has come, and leaves marks in one order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from harness.clock import NS_PER_S, ManualClock
from harness.errors import HarnessError
from harness.plan import Cell, HeldCall, Plan, PlannedFault, draw_plan
from harness.protocols import Healed, Progress, Struck, Switchboard, Witness
from harness.runner.conductor import Conductor, stop
from harness.runner.costs import Costs
from harness.runner.display import PlainDisplay
from harness.runner.sender import Sender
from harness.runner.watch import ARRIVAL_S, FINAL_HEAL_S, Watch
from harness.scenario import LoadSpec, Scenario

DUE = Progress(answered_steps=1000, limited=0, ended_agents=0, unused={"agents-1.1": 9})


@dataclass
class FakeWitness:
    """Says what the test says, and keeps what it is told."""

    seen: Progress = DUE
    notes: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    holds: list[HeldCall] = field(default_factory=list)
    caller: str = "agents-1.1"

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        self.notes.append((kind, subject, dict(detail)))
        return len(self.notes)

    async def progress(self) -> Progress:
        return self.seen

    async def place(self, holds: Sequence[HeldCall]) -> None:
        self.holds += holds

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        await asyncio.sleep(0)  # The real one takes its time; a loop around it must let others run.
        return self.caller if call in self.holds else ""

    async def release(self, holds: Sequence[HeldCall]) -> bool:
        self.holds = [hold for hold in self.holds if hold not in holds]
        return True

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        return ()


@dataclass
class FakeStage:
    """Kills nobody; a slot's incarnation counts its kills."""

    fake: FakeWitness = field(default_factory=FakeWitness)
    ready: bool = True
    proof: str = "signal SIGKILL"
    heals: bool = True
    hangs: bool = False
    kills: list[tuple[str, str]] = field(default_factory=list)
    switchboard: Switchboard | None = None

    @property
    def witness(self) -> Witness:
        return self.fake

    @witness.setter
    def witness(self, value: Witness) -> None:
        raise AttributeError(value)

    def slots(self) -> tuple[str, ...]:
        return ("agents-1",)

    def caller(self, slot: str) -> str:
        return f"{slot}.{1 + len(self.kills)}"

    def is_ready(self, slot: str) -> bool:
        return self.ready

    async def kill(self, slot: str, part: str) -> Struck:
        victim = self.caller(slot)
        self.kills.append((slot, part))
        return Struck(victims=(victim,), proof=self.proof)

    async def retire(self, slot: str) -> Struck:
        return await self.kill(slot, "retire")

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        if self.hangs:
            await asyncio.Event().wait()
        if not self.heals:
            raise HarnessError(f"{slot} was not healthy again within {deadline_s:g} s")
        return Healed(caller=self.caller(slot), parts_ns={"ready": 5, "total": 7})


def fault(name: str = "kill_pod-1", kind: str = "kill_pod") -> PlannedFault:
    return PlannedFault(name=name, kind=kind, slot="agents-1", at_ratio=0.5, in_flight_min=3)


def plan_with(*faults: PlannedFault) -> Plan:
    scenario = Scenario(name="small", summary="", load=LoadSpec(agents=2))
    plan, _, _ = draw_plan(scenario, Cell(engine="reference"), 1)
    return replace(plan, faults=faults, answers_count=100)


def perform(stage: FakeStage, plan: Plan) -> tuple[Conductor, list[str]]:
    """Play until all is done, or a moment that is long for a manual clock."""
    told: list[str] = []
    clock = ManualClock(now_ns=1)
    conductor = Conductor(plan=plan, stage=stage, clock=clock, tell=told.append)

    async def run() -> None:
        task = asyncio.create_task(conductor.run())
        for _ in range(200):
            await asyncio.sleep(0)
        await stop(task)

    asyncio.run(run())
    return conductor, told


def test_a_due_fault_leaves_its_marks_in_order() -> None:
    """arming, firing, fired, healed: the window is from firing to healed."""
    stage = FakeStage()
    conductor, told = perform(stage, plan_with(fault()))

    assert [kind for kind, _, _ in stage.fake.notes] == ["arming", "firing", "fired", "healed"]
    assert {subject for _, subject, _ in stage.fake.notes} == {"kill_pod-1"}
    assert (conductor.is_done, conductor.struck_count, conductor.troubles) == (True, 1, [])
    assert conductor.last_heal_ns > 0
    assert len(told) == 2


def test_the_marks_say_who_was_struck_and_by_what_proof() -> None:
    """Firing names the intended victim, fired what the system says, healed the replacement."""
    stage = FakeStage()
    perform(stage, plan_with(fault()))
    details = {kind: detail for kind, _, detail in stage.fake.notes}

    assert details["firing"]["victims"] == ["agents-1.1"]
    assert "proof" not in details["firing"]
    assert details["fired"]["proof"] == "signal SIGKILL"
    assert "agents-1.2" in str(details["healed"]["proof"])
    assert details["healed"]["parts_ns"] == {"ready": 5, "total": 7}
    assert {detail["is_shared"] for detail in details.values()} == {False}


@pytest.mark.parametrize(("caller", "is_due"), [("agents-1.1", True), ("", False)])
def test_a_fault_of_a_call_waits_for_it(caller: str, is_due: bool) -> None:
    """Its hold is placed before the load; progress has no part in it."""
    stage = FakeStage(fake=FakeWitness(caller=caller, seen=replace(DUE, answered_steps=0)))
    call = HeldCall(agent="a1", path="1", turn=0, point="begun")
    conductor, _ = perform(stage, plan_with(replace(fault(), call=call)))

    assert call in stage.fake.holds
    assert bool(stage.kills) is is_due
    assert conductor.is_done is is_due


@pytest.mark.parametrize(("after_s", "is_due"), [(19.0, True), (21.0, False)])
def test_a_fault_does_not_strike_before_its_time(after_s: float, is_due: bool) -> None:
    """Agents that wait make no progress: time alone says when they are struck."""
    stage = FakeStage()
    conductor, _ = perform(stage, plan_with(replace(fault(), after_s=after_s)))

    assert conductor.is_done is is_due


@pytest.mark.parametrize(
    ("progress", "ready"),
    [
        (replace(DUE, answered_steps=49), True),
        (replace(DUE, unused={"agents-1.1": 2}), True),
        (replace(DUE, unused={"agents-2.1": 9}), True),
        (replace(DUE, unused={}), True),
        (DUE, False),
    ],
    ids=["too early", "too few in flight", "on another pod", "none in flight", "not healthy"],
)
def test_a_fault_waits_for_progress_and_steps_in_flight_and_health(
    progress: Progress, ready: bool
) -> None:
    """If one of the three is missing nothing strikes, and the fault stays unfired."""
    stage = FakeStage(fake=FakeWitness(seen=progress), ready=ready)
    conductor, _ = perform(stage, plan_with(fault()))

    assert stage.kills == []
    assert stage.fake.notes == []
    assert (conductor.is_done, conductor.struck_count, conductor.last_heal_ns) == (False, 0, 0)


def test_the_bounds_of_a_moment_are_enough() -> None:
    """Exactly the planned share and exactly the planned minimum are due."""
    exact = replace(DUE, answered_steps=50, unused={"agents-1.1": 3})
    stage = FakeStage(fake=FakeWitness(seen=exact))
    perform(stage, plan_with(fault()))

    assert stage.kills == [("agents-1", "pod")]


def test_faults_are_played_one_after_the_other() -> None:
    """The second strikes the incarnation that the first left."""
    both = {"agents-1.1": 9, "agents-1.2": 9}
    stage = FakeStage(fake=FakeWitness(seen=replace(DUE, unused=both)))
    conductor, _ = perform(stage, plan_with(fault(), fault("kill_worker-2", "kill_worker")))

    assert stage.kills == [("agents-1", "pod"), ("agents-1", "worker")]
    assert [subject for kind, subject, _ in stage.fake.notes if kind == "healed"] == [
        "kill_pod-1",
        "kill_worker-2",
    ]
    assert conductor.struck_count == 2


def test_a_heal_that_never_comes_is_a_trouble_and_the_next_fault_goes_on() -> None:
    """Its window stays open: there is no healed mark."""
    stage = FakeStage(heals=False)
    conductor, _ = perform(stage, plan_with(fault()))

    assert [kind for kind, _, _ in stage.fake.notes] == ["arming", "firing", "fired"]
    assert conductor.troubles == ["agents-1 was not healthy again within 120 s"]
    assert conductor.is_done


def test_a_strike_without_proof_does_not_count() -> None:
    """Nothing that did not happen counts as a strike."""
    stage = FakeStage(proof="")
    conductor, told = perform(stage, plan_with(fault()))

    assert conductor.struck_count == 0
    assert "no proof" in told[0]


def test_a_plan_without_faults_is_done_before_it_starts() -> None:
    """The watch of the load waits for no fault then."""
    conductor, told = perform(FakeStage(), plan_with())

    assert conductor.is_done
    assert told == []


@pytest.mark.parametrize(
    ("stage", "is_healing"),
    [(FakeStage(), False), (FakeStage(heals=False), False), (FakeStage(hangs=True), True)],
    ids=["healed", "given up", "under way"],
)
def test_a_victim_is_healing_until_it_is_healthy_or_given_up(
    stage: FakeStage, is_healing: bool
) -> None:
    """The end of a run waits for it: agents may all have ended before."""
    conductor, _ = perform(stage, plan_with(fault()))

    assert conductor.is_healing is is_healing


def watch_by(clock: ManualClock) -> Watch:
    return Watch(
        plan=plan_with(),
        clock=clock,
        display=PlainDisplay(Console(quiet=True), clock),
        interrupted=asyncio.Event(),
        costs=Costs(),
    )


@pytest.mark.parametrize(
    ("event_ns", "quiet_ns"), [(None, 70), (20, 70), (60, 40), (150, -50)], ids=str
)
def test_the_patience_begins_with_the_last_of_arrivals_heals_and_events(
    event_ns: int | None, quiet_ns: int
) -> None:
    """An agent that waits for a word of ours is not late before it has it."""
    clock = ManualClock(now_ns=1)
    watch = watch_by(clock)
    if event_ns is not None:
        watch.sender = cast(Sender, SimpleNamespace(last_due_ns=event_ns))

    assert watch.quiet_ns(100, 10, 30) == quiet_ns


@pytest.mark.parametrize(
    ("stirred_s", "healed_s", "undelivered", "until_s"),
    [
        (100, 0, 3, 100 + ARRIVAL_S),
        (70, 95, 3, 95 + ARRIVAL_S),
        (70, 60, 3, 100),
        (100, 0, 0, 100),
        (None, 60, 3, 100 + ARRIVAL_S),
    ],
)
def test_messages_have_their_time_from_the_last_stir_or_heal(
    stirred_s: int | None, healed_s: int, undelivered: int, until_s: int
) -> None:
    """What has not come since then will not; None: something happened that nobody looked at."""
    clock = ManualClock(now_ns=100 * NS_PER_S)
    watch = watch_by(clock)
    witness = FakeWitness(seen=replace(DUE, undelivered=undelivered))
    if stirred_s is not None:
        watch.look(stirred_s * NS_PER_S, witness.seen)
        watch.look(99 * NS_PER_S, witness.seen)

    asyncio.run(watch.until_arrived(witness, healed_ns=healed_s * NS_PER_S))

    assert clock.monotonic_ns() / NS_PER_S == pytest.approx(until_s, abs=0.5)


@pytest.mark.parametrize(("ticks", "waited_s"), [(3, 1.0), (10_000, FINAL_HEAL_S + 1.0)])
def test_the_end_waits_for_a_heal_but_not_for_ever(ticks: int, waited_s: float) -> None:
    """Without the heal on file L would be unknown, though every agent ended."""
    clock = ManualClock(now_ns=1)
    conductor = Conductor(
        plan=plan_with(fault()), stage=FakeStage(), clock=clock, tell=lambda _: None
    )
    conductor.is_healing = True

    class Healing(Watch):
        async def tick(self) -> None:
            await super().tick()
            nonlocal ticks
            ticks -= 1
            conductor.is_healing = ticks > 0

    watch = Healing(
        plan=plan_with(),
        clock=clock,
        display=PlainDisplay(Console(quiet=True), clock),
        interrupted=asyncio.Event(),
        costs=Costs(),
    )

    asyncio.run(watch.until_settled(conductor))

    assert clock.monotonic_ns() / 1e9 <= waited_s
    assert conductor.is_healing == (ticks > 0)
