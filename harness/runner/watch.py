"""Watches a load until it is over and says how it ended; shows progress, samples costs meanwhile.

Called by `walk`. It decides only when to stop waiting: nothing is started, killed or judged here.
"""

import asyncio
from dataclasses import dataclass

from harness.backlog import Backlog
from harness.clock import NS_PER_S, Clock
from harness.cluster.processes import Processes
from harness.errors import HarnessError
from harness.plan import Plan
from harness.protocols import Platform, Progress, Witness
from harness.runner.conductor import Conductor
from harness.runner.costs import Costs
from harness.runner.display import Display, Snapshot
from harness.runner.driving import Driver, DriverProgress
from harness.runner.idle import LOOK_S, Idle
from harness.runner.sender import Sender
from harness.thresholds import broken_live, parse_threshold

TICK_S = 0.25
FINAL_HEAL_S = 60
ARRIVAL_S = 20
"""Of messages, after the last thing that happened: 21 tries take ten seconds, and what a dead pod
held is handed out again within as long, see resiliency.yaml and pubsub-*.yaml."""
LIVENESS_SLACK_S = 5
"""Beyond the promised time, so that the last end is still seen by the driver."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Of one run."""

    plan: Plan
    clock: Clock
    display: Display
    interrupted: asyncio.Event
    costs: Costs
    idle: Idle | None = None
    """Set when agents are parked: it looks at them once all have arrived."""
    sender: Sender | None = None
    """Of the planned events; liveness is counted from the last of them at the earliest."""
    lag_ns_max: int = 0
    """Longest delay of this loop so far: the harness's own starvation."""
    _seen: tuple[int, int] = (0, 0)
    """Answered steps and undelivered messages, as they were last."""
    _stirred_ns: int = 0
    """When one of them was last seen to change."""

    async def until_over(
        self,
        driver: Driver,
        *,
        witness: Witness,
        pods: Platform,
        conductor: Conductor,
        processes: Processes,
        tasks: tuple[asyncio.Task[None], ...],
    ) -> str:
        """Until every agent ended, or the liveness clock or the run's bound or a person says stop.

        ``witness`` counts from the begin of the load. A task of ``tasks`` that broke raises here.
        """
        scenario = self.plan.scenario
        thresholds = tuple(parse_threshold(text) for text in scenario.thresholds)
        began_ns = self.clock.monotonic_ns()
        arrivals_ns, accepted = 0, 0
        backlog = Backlog()
        last_steps, last_ns, speed = 0, began_ns, 0.0
        assert driver.process is not None
        while driver.process.exit is None:
            await self.tick()
            for task in tasks:
                if task.done():
                    task.result()
            now_ns = self.clock.monotonic_ns()
            seen = driver.progress()
            progress = await witness.progress()
            backlog.look(now_ns, progress.answered_steps)
            self.look(now_ns, progress)
            if now_ns - last_ns >= NS_PER_S:
                speed = (progress.answered_steps - last_steps) * NS_PER_S / (now_ns - last_ns)
                last_steps, last_ns = progress.answered_steps, now_ns
                self.costs.look(processes, t_ns=now_ns, started=seen.started, ended=seen.ended)
            self.display.show(self._snapshot(seen, progress, speed, pods, conductor))
            if self.interrupted.is_set():
                return "interrupted"
            broken = broken_live(thresholds, live_figures(seen, progress, now_ns - began_ns))
            if broken:
                return f"aborted: {broken}"
            if seen.started >= seen.planned > 0 and not arrivals_ns:
                arrivals_ns = now_ns
                await witness.note("phase", "drain", {})
            if arrivals_ns and seen.accepted > accepted:
                arrivals_ns, accepted = now_ns, seen.accepted
            if self.idle and arrivals_ns and now_ns - arrivals_ns > LOOK_S * NS_PER_S:
                # A pod that is down at this moment would make the others' growth look small.
                if all(pod.is_ready for pod in pods.by_slot.values()):
                    await self.idle.look("parked")
                self.idle = None
            heal_ns, worked_ns = conductor.last_heal_ns, backlog.worked_ns
            quiet_ns = self.quiet_ns(now_ns, arrivals_ns, heal_ns, worked_ns)
            patience_ns = (scenario.liveness_s + LIVENESS_SLACK_S) * NS_PER_S
            if arrivals_ns and conductor.is_done and quiet_ns > patience_ns:
                return "finished"
            if now_ns - began_ns > scenario.run_s * NS_PER_S:
                return "out of time"
        return "finished"

    def quiet_ns(self, now_ns: int, *last_ns: int) -> int:
        """Time since the last of these and of the events; negative while an event is to come."""
        event_ns = self.sender.last_due_ns if self.sender else 0
        return now_ns - max(event_ns, *last_ns)

    async def until_settled(self, conductor: Conductor) -> None:
        """Let a fault that struck be healed on file, though all agents have ended meanwhile.

        Without its heal nobody can say from when on the agents had their time: L stays unknown.
        """
        until = self.clock.monotonic_ns() + FINAL_HEAL_S * NS_PER_S
        while conductor.is_healing and not self.interrupted.is_set():
            if self.clock.monotonic_ns() > until:
                return
            await self.tick()

    def look(self, now_ns: int, progress: Progress) -> None:
        """Notice when anything happens; moments come in order."""
        seen = (progress.answered_steps, progress.undelivered)
        if seen != self._seen:
            self._seen, self._stirred_ns = seen, now_ns

    async def until_arrived(self, witness: Witness, *, healed_ns: int) -> None:
        """Let what is on its way arrive; poison has to be tried often enough to be a dead letter.

        What has not arrived then is looked for in the brokers. Time in which nothing happened
        since the last heal has been waited already.
        """
        self.look(self.clock.monotonic_ns(), await witness.progress())
        until = max(self._stirred_ns, healed_ns) + ARRIVAL_S * NS_PER_S
        while (await witness.progress()).undelivered and not self.interrupted.is_set():
            if self.clock.monotonic_ns() > until:
                return
            await self.tick()

    async def until_healed(self, pods: Platform) -> bool:
        """Give the platform time to bring everything back; False when it did not."""
        until = self.clock.monotonic_ns() + FINAL_HEAL_S * NS_PER_S
        while not all(pod.is_ready for pod in pods.by_slot.values()):
            if self.clock.monotonic_ns() > until:
                return False
            await self.tick()
        return True

    async def until_ended(self, driver: Driver) -> None:
        """Wait for a driver's end, a little longer than its own deadline.

        Raises:
            HarnessError: it did not end.
        """
        assert driver.process is not None
        try:
            async with asyncio.timeout(self.plan.scenario.run_s + 30):
                while driver.process.exit is None:
                    await self.tick()
                    if self.interrupted.is_set():
                        driver.ask_to_stop()
        except TimeoutError:
            raise HarnessError("the driver did not end; see logs/driver.log") from None

    async def answers_until_ended(self, driver: Driver, witness: Witness) -> list[tuple[int, int]]:
        """As `until_ended`; returns (nanoseconds, LLM answers so far), a few times a second."""
        seen: list[tuple[int, int]] = []
        ending = asyncio.create_task(self.until_ended(driver))
        while not ending.done():
            progress = await witness.progress()
            seen.append((self.clock.monotonic_ns(), progress.answered_steps))
            await asyncio.wait((ending,), timeout=TICK_S)
        ending.result()
        return seen

    async def tick(self) -> None:
        """Wait a moment; what it took too long is the harness's own lag."""
        before = self.clock.monotonic_ns()
        await self.clock.sleep_s(TICK_S)
        late = self.clock.monotonic_ns() - before - int(TICK_S * NS_PER_S)
        self.lag_ns_max = max(self.lag_ns_max, late)

    def _snapshot(
        self,
        seen: DriverProgress,
        progress: Progress,
        speed: float,
        pods: Platform,
        conductor: Conductor,
    ) -> Snapshot:
        return Snapshot(
            phase="drain" if seen.started >= seen.planned > 0 else "load",
            planned=self.plan.scenario.load.agents,
            started=seen.started,
            ended=seen.ended,
            answered_steps=progress.answered_steps,
            steps_per_s=speed,
            limited=progress.limited,
            faults_struck=conductor.struck_count,
            faults_planned=len(self.plan.faults),
            pods_ready=sum(pod.is_ready for pod in pods.by_slot.values()),
            pods=len(pods.by_slot),
        )


def live_figures(seen: DriverProgress, progress: Progress, elapsed_ns: int) -> dict[str, float]:
    """What thresholds that abort may speak of, by `harness.thresholds.NAMES`."""
    return {
        "started": seen.started,
        "ended": seen.ended,
        "failed": seen.failed,
        "limited": progress.limited,
        "elapsed": elapsed_ns / NS_PER_S,
    }
