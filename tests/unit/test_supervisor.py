"""The supervisor: what died comes back, and is re-submitted where the engine does not resume it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.clock import NS_PER_S, ManualClock
from harness.cluster.local import RESTART_DELAYS_S, LocalPlatform
from harness.cluster.pods import Pod, Pods
from harness.cluster.processes import Exit, Process, Processes
from harness.errors import HarnessError, MachineError
from harness.ids import Slot
from harness.protocols import EngineSpec, Healed, Progress
from harness.runner.roster import Roster
from harness.runner.supervisor import Supervisor

PIDS = count(2_000_000)
"""Above the largest process id of any Linux."""


class FakePods(Pods):
    """Pods whose processes are records only; becoming ready is what the test says it is."""

    def __init__(self, clock: ManualClock, *, has_sidecar: bool = True) -> None:
        self.clock = clock
        self.has_sidecar = has_sidecar
        self.by_slot = {slot: Pod(Slot(slot)) for slot in ("agents-1", "agents-2")}
        self.acts: list[tuple[str, str, float]] = []
        """(act, caller, second)"""
        self.on_ready: list[Callable[[Pod], Awaitable[None]]] = []
        """What happens while a pod becomes ready, the next first."""
        for pod in self.by_slot.values():
            self.launch(pod)
            pod.is_ready = True
        self.acts.clear()

    def launch(self, pod: Pod) -> None:
        pod.is_ready = pod.is_deleted = False
        pod.incarnation += 1
        pod.worker = process(f"worker-{pod.caller}")
        pod.sidecar = process(f"sidecar-{pod.caller}") if self.has_sidecar else None
        self._note("launch", pod)

    def relaunch(self, pod: Pod, part: str) -> None:
        pod.is_ready = False
        if part == "worker":
            pod.incarnation += 1
            pod.worker = process(f"worker-{pod.caller}")
        else:
            pod.sidecar = process(f"sidecar-{pod.caller}")
        self._note(f"relaunch {part}", pod)

    async def until_ready(self, pod: Pod) -> None:
        await asyncio.sleep(0)
        if self.on_ready:
            await self.on_ready.pop(0)(pod)
        pod.is_ready = True
        self._note("ready", pod)

    def publish(self) -> None:
        return

    def _note(self, act: str, pod: Pod) -> None:
        self.acts.append((act, pod.caller, self.clock.now_ns / NS_PER_S))


class FakeWitness:
    """Keeps the marks of the re-submissions."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, dict[str, object]]] = []

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        self.notes.append((kind, subject, detail))
        return len(self.notes)

    async def progress(self) -> Progress:
        raise NotImplementedError

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        return ()


class Bench:
    """A supervisor over two fake pods, and the hand that kills."""

    def __init__(
        self,
        folder: Path,
        *,
        recovery: str = "native",
        has_sidecar: bool = True,
        memory_mb: float = math.inf,
        memory_mb_of: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        self.clock = ManualClock()
        self.processes = Processes(run=folder, logs=folder, clock=self.clock)
        self.pods = FakePods(self.clock, has_sidecar=has_sidecar)
        self.witness = FakeWitness()
        self.posts: list[tuple[str, str]] = []
        """(worker's name now, agent) of each re-submission."""
        self.on_post: list[Callable[[], Awaitable[None]]] = []
        self.roster = Roster(
            events=folder / "driver.jsonl",
            slots={"a1": "agents-1", "a2": "agents-1", "a3": "agents-2"},
            programs={"a1": b"{}", "a2": b"{}", "a3": b"{}"},
        )
        self.platform = LocalPlatform(
            pods=self.pods,
            processes=self.processes,
            clock=self.clock,
            http=httpx.AsyncClient(trust_env=False),
            memory_mb=memory_mb,
            memory_mb_of=memory_mb_of,
        )
        self.supervisor = Supervisor(
            platform=self.platform,
            spec=spec(recovery),
            roster=self.roster,
            http=httpx.AsyncClient(transport=httpx.MockTransport(self._answer)),
            witness=self.witness,
        )

    @property
    def acts(self) -> list[tuple[str, str]]:
        return [(act, caller) for act, caller, _ in self.pods.acts]

    def delays_s(self) -> list[float]:
        """Seconds before each restart in place, counted from the previous readiness."""
        ready, delays = 0.0, []
        for act, _, second in self.pods.acts:
            if act.startswith("relaunch"):
                delays.append(second - ready)
            elif act == "ready":
                ready = second
        return delays

    def die(self, *victims: Process | None) -> None:
        """What the kernel would report."""
        for victim in victims:
            assert victim is not None
            victim.exit = Exit(status="signal SIGKILL", cpu_s=0.0, at_ns=self.clock.now_ns)
            victim.exited.set()
            for queue in self.processes.on_exit:
                queue.put_nowait(victim)

    def delete(self, pod: Pod) -> None:
        """A pod's deletion: both parts die."""
        pod.is_ready, pod.is_deleted = False, True
        self.platform.struck |= {process.pid for process in pod.processes}
        self.die(*pod.processes)

    async def healed(self) -> Healed:
        return await self.platform.healed("agents-1", deadline_s=2.0)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        agent = msgspec.json.decode(request.content)["agent"]
        self.posts.append((self.pods.by_slot["agents-1"].caller, agent))
        if self.on_post:
            await self.on_post.pop(0)()
        return httpx.Response(202)


def process(name: str) -> Process:
    pid = next(PIDS)
    return Process(name, pid, pid, Path("/nonexistent"), 0)


def spec(recovery: str) -> EngineSpec:
    return EngineSpec(
        engine="fake",
        variant="default",
        summary="",
        recovery=recovery,
        intake="durable",
        any_pod_answers=True,
        kinds=("say",),
        worker=("true",),
    )


def play(bench: Bench, story: Callable[[Bench], Awaitable[None]]) -> None:
    """Run the supervisor until the story is told."""

    async def both() -> None:
        running = asyncio.create_task(bench.supervisor.run())
        try:
            async with asyncio.timeout(5):
                await story(bench)
                for _ in range(20):
                    await asyncio.sleep(0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(both())


def test_a_deleted_pod_is_replaced_at_once(tmp_path: Path) -> None:
    """Same slot, next incarnation, both parts new, without any delay."""

    async def story(bench: Bench) -> None:
        bench.delete(bench.pods.by_slot["agents-1"])
        healed = await bench.healed()
        assert healed.caller == "agents-1.2"
        assert healed.parts_ns["restart_delay"] == 0

    bench = Bench(tmp_path)
    play(bench, story)

    assert bench.acts == [("launch", "agents-1.2"), ("ready", "agents-1.2")]
    assert bench.platform.troubles == []


@pytest.mark.parametrize("part", ["worker", "sidecar"])
def test_a_dead_container_comes_back_in_place_after_a_growing_delay(
    tmp_path: Path, part: str
) -> None:
    """The n-th restart of a container waits 0, 1, 2, 4, 8, 8 ... seconds; the other part stays."""
    times = len(RESTART_DELAYS_S) + 1

    async def story(bench: Bench) -> None:
        pod = bench.pods.by_slot["agents-1"]
        for _ in range(times):
            bench.platform.forget("agents-1")
            bench.die(getattr(pod, part))
            await bench.healed()

    bench = Bench(tmp_path)
    other = bench.pods.by_slot["agents-1"].sidecar if part == "worker" else None
    play(bench, story)

    assert bench.delays_s() == [*RESTART_DELAYS_S, RESTART_DELAYS_S[-1]]
    assert {act for act, _ in bench.acts} == {f"relaunch {part}", "ready"}
    assert other is None or bench.pods.by_slot["agents-1"].sidecar is other


def test_delays_of_one_part_do_not_slow_the_other(tmp_path: Path) -> None:
    """Each container has a back-off of its own, as with a kubelet."""

    async def story(bench: Bench) -> None:
        pod = bench.pods.by_slot["agents-1"]
        for victim in ("worker", "worker", "sidecar"):
            bench.platform.forget("agents-1")
            bench.die(getattr(pod, victim))
            await bench.healed()

    bench = Bench(tmp_path)
    play(bench, story)

    assert bench.delays_s() == [0.0, 1.0, 0.0]


def test_a_part_that_dies_again_while_it_comes_back_is_brought_back_too(tmp_path: Path) -> None:
    """A start that fails is a restart more, and a doubt on the page."""

    async def dies_at_its_start(pod: Pod) -> None:
        bench.die(pod.worker)
        raise MachineError("worker ended at its start (exit 1); its log ends with:\n...")

    async def story(bench: Bench) -> None:
        bench.die(bench.pods.by_slot["agents-1"].worker)
        healed = await bench.healed()
        assert healed.caller == "agents-1.3"
        assert healed.parts_ns["restart_delay"] == 1 * NS_PER_S

    bench = Bench(tmp_path)
    bench.pods.on_ready.append(dies_at_its_start)
    play(bench, story)

    assert bench.acts == [
        ("relaunch worker", "agents-1.2"),
        ("relaunch worker", "agents-1.3"),
        ("ready", "agents-1.3"),
    ]
    assert any("ended at its start" in text for text in bench.platform.troubles)


def test_a_container_over_its_memory_is_killed_and_comes_back(tmp_path: Path) -> None:
    """As a kubelet does it: that container alone, and the page says why; once a slot."""
    fat: dict[int, float] = {}
    bench = Bench(tmp_path, memory_mb=300.0, memory_mb_of=lambda pid: fat.get(pid, 299.0))
    pod = bench.pods.by_slot["agents-1"]

    async def kill(pod: Pod, part: str) -> list[Process]:
        assert part == "worker"
        bench.die(pod.worker)
        return []

    async def story(bench: Bench) -> None:
        for size_mb in (301.0, 305.0):
            assert pod.worker is not None
            bench.platform.forget("agents-1")
            fat[pod.worker.pid] = size_mb
            await bench.healed()

    bench.pods.kill = kill  # type: ignore[method-assign]
    play(bench, story)

    (told,) = bench.platform.troubles
    assert told.startswith("worker-agents-1.1 took 301 MB of memory, expected at most 300 MB")
    assert {slot: one.incarnation for slot, one in bench.pods.by_slot.items()} == {
        "agents-1": 3,
        "agents-2": 1,
    }


def test_the_other_part_dying_as_the_pod_becomes_ready_is_not_lost(tmp_path: Path) -> None:
    """Nobody else would notice: the exit comes while the pod is still being cared for."""

    async def sidecar_dies(pod: Pod) -> None:
        bench.die(pod.sidecar)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def story(bench: Bench) -> None:
        bench.die(bench.pods.by_slot["agents-1"].worker)
        await bench.healed()

    bench = Bench(tmp_path)
    bench.pods.on_ready.append(sidecar_dies)
    play(bench, story)

    assert [act for act, _ in bench.acts] == [
        "relaunch worker",
        "ready",
        "relaunch sidecar",
        "ready",
    ]
    assert bench.pods.by_slot["agents-1"].is_ready


def test_a_pod_that_died_by_itself_is_not_ready_while_it_waits(tmp_path: Path) -> None:
    """A fault must not strike what is down already; the driver must not be sent there."""
    seen = []

    async def look(pod: Pod) -> None:
        seen.append(pod.is_ready)

    async def story(bench: Bench) -> None:
        bench.die(bench.pods.by_slot["agents-1"].worker)
        await bench.healed()

    bench = Bench(tmp_path)
    bench.pods.on_ready.append(look)
    play(bench, story)

    assert seen == [False]
    assert bench.platform.troubles == ["worker-agents-1.1 ended by itself (signal SIGKILL)"]


def test_unfinished_agents_go_to_the_new_incarnation_only(tmp_path: Path) -> None:
    """Assisted: the slot's begun and not ended agents, and nobody else's, once each."""
    events = tmp_path / "driver.jsonl"
    events.write_text(
        '{"kind":"ok","agent":"a1"}\n{"kind":"info","agent":"a2"}\n{"kind":"ok","agent":"a3"}\n'
    )

    async def story(bench: Bench) -> None:
        bench.delete(bench.pods.by_slot["agents-1"])
        await bench.healed()

    bench = Bench(tmp_path, recovery="assisted")
    play(bench, story)

    assert sorted(bench.posts) == [("agents-1.2", "a1"), ("agents-1.2", "a2")]
    assert sorted(bench.witness.notes, key=str) == [
        ("resubmit", "a1", {"caller": "agents-1.2"}),
        ("resubmit", "a2", {"caller": "agents-1.2"}),
    ]
    assert bench.supervisor.resubmitted_count == 2


def test_ended_agents_are_not_resubmitted(tmp_path: Path) -> None:
    """A re-submission of an ended agent would be a second run of it."""
    (tmp_path / "driver.jsonl").write_text(
        '{"kind":"ok","agent":"a1"}\n{"kind":"ended","agent":"a1"}\n'
    )

    async def story(bench: Bench) -> None:
        bench.delete(bench.pods.by_slot["agents-1"])
        await bench.healed()

    bench = Bench(tmp_path, recovery="assisted")
    play(bench, story)

    assert bench.posts == []


@pytest.mark.parametrize("recovery", ["native", "none"])
def test_an_engine_that_resumes_by_itself_gets_no_help(tmp_path: Path, recovery: str) -> None:
    """Only assisted recovery re-submits."""
    (tmp_path / "driver.jsonl").write_text('{"kind":"ok","agent":"a1"}\n')

    async def story(bench: Bench) -> None:
        bench.delete(bench.pods.by_slot["agents-1"])
        await bench.healed()

    bench = Bench(tmp_path, recovery=recovery)
    play(bench, story)

    assert bench.posts == []


def test_a_pod_killed_during_its_resubmissions_comes_back_again(tmp_path: Path) -> None:
    """A strike in the middle of the supervisor's own work is no excuse to lose the pod."""
    (tmp_path / "driver.jsonl").write_text('{"kind":"ok","agent":"a1"}\n')

    async def story(bench: Bench) -> None:
        pod = bench.pods.by_slot["agents-1"]
        resumed, hold = asyncio.Event(), asyncio.Event()

        async def strike_again() -> None:
            bench.platform.forget("agents-1")
            bench.delete(pod)
            resumed.set()
            await hold.wait()

        bench.on_post.append(strike_again)
        bench.delete(pod)
        await resumed.wait()
        healed = await bench.healed()
        hold.set()
        assert healed.caller == "agents-1.3"

    bench = Bench(tmp_path, recovery="assisted", has_sidecar=False)
    play(bench, story)

    assert [act for act, _ in bench.acts] == ["launch", "ready", "launch", "ready"]
    assert ("agents-1.3", "a1") in bench.posts


def test_a_heal_that_never_comes_has_a_deadline(tmp_path: Path) -> None:
    """Waiting ends with a message that says what was waited for."""

    async def story(bench: Bench) -> None:
        with pytest.raises(HarnessError, match="agents-1 was not healthy again within"):
            await bench.platform.healed("agents-1", deadline_s=0.01)

    play(Bench(tmp_path), story)


def test_a_restart_before_the_strike_is_no_heal_of_it(tmp_path: Path) -> None:
    """`forget` is called right before a strike."""

    async def story(bench: Bench) -> None:
        pod = bench.pods.by_slot["agents-1"]
        bench.die(pod.worker)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (pod.incarnation, pod.is_ready) == (2, True)
        bench.platform.forget("agents-1")
        bench.delete(pod)
        assert (await bench.healed()).caller == "agents-1.3"

    play(Bench(tmp_path), story)
