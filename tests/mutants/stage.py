"""The reference engine, the witness and the judge in one process, on a clock that jumps.

Real policies, real interpreter and journal, the witness's own code behind a function call instead
of a socket; only processes, sockets and waiting are left out. A kill cancels an incarnation's
agents where they wait, and the next one goes on from the journal. Same arguments, same ledger.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from yarl import URL

from harness.backlog import Backlog
from harness.engines.llm import Limited, Llm, LlmError
from harness.engines.reference.interpreter import Interpreter
from harness.engines.reference.memory import RUNNING, Memory
from harness.engines.reference.planting import planted_in
from harness.engines.reference.policy import Policy
from harness.engines.reference.variants import make_policy
from harness.evidence import DriverEvent, evidence_of
from harness.history import Declared, Evidence
from harness.plan import PlannedAgent, draw_agents
from harness.scenario import LoadSpec, Program, Scenario, Step
from mock_llm.app import App
from mock_llm.config import Config
from mock_llm.ledger import iter_records, next_segment
from mock_llm.receipts import render
from mock_llm.witness import Witness
from tests.mutants.broker import HANDLING_S, NAME, Mail, Mailing, StageBroker, results_of, start_of

S = 1_000_000_000
SLOTS = 2
WIRE_S = 0.002
RESTART_S = 0.7
LIVENESS_S = 8.0
POLL_S = 0.1
MIX = {"chain": 2.0, "tools": 1.0, "parallel": 1.0}


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose waits take no time: its clock moves to the next timer at once."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout:
            self._loop.now_s += timeout
        return super().select(0)


class LoopClock:
    """The loop's time as the witness's clock."""

    def monotonic_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * S)

    def wall_ns(self) -> int:
        return 1_700_000_000 * S + self.monotonic_ns()


class DirectLlm(Llm):
    """The engine's own client, with the witness's application behind a function call."""

    def __init__(self, witness: Witness, caller: str) -> None:
        self._chat_url = URL(f"/pods/{caller}/v1/chat/completions")
        self._effects_url = URL(f"/pods/{caller}/effects")
        self._app = App(witness, stop=_refuse)

    async def _post(self, url: URL, body: object) -> bytes:
        await asyncio.sleep(WIRE_S)
        status, headers, answered = await self._exchange(url.path, msgspec.json.encode(body))
        await asyncio.sleep(WIRE_S)
        if status == 200:
            return answered
        text = answered.decode()
        if status != 429:
            raise LlmError(status, text)
        told = headers.get("retry-after-ms")
        raise Limited(float(told or 1000) / 1000, is_retryable=told is not None, text=text)

    async def _exchange(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        gone = asyncio.Event()
        asked: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if asked:
                return asked.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            sent.append(event)

        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        serving = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            gone.set()
            raise
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, sent[1]["body"]


def _refuse(reason: str) -> None:
    raise AssertionError(reason)


@dataclass
class Pod:
    """One slot: an incarnation at a time, one journal for all of them."""

    slot: str
    folder: Path
    variant: str
    witness: Witness
    incarnation: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    memory: Memory | None = None
    policy: Policy | None = None

    @property
    def caller(self) -> str:
        return f"{self.slot}.{self.incarnation}"

    async def open(self) -> None:
        self.incarnation += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        self.memory = await Memory.open(self.folder / "journal.jsonl")
        llm = DirectLlm(self.witness, self.caller)
        self.policy = make_policy(self.variant, self.memory, llm, self.folder)
        self.policy.clock = LoopClock()
        for program in self.policy.resumed():
            self.spawn(program)

    def spawn(self, program: Program) -> None:
        assert self.policy is not None
        self.tasks.add(asyncio.ensure_future(Interpreter(self.policy, self.spawn).run(program)))

    async def start(self, program: Program) -> None:
        assert self.policy is not None
        if await self.policy.admit(program):
            self.spawn(program)

    async def start_beside(self, program: Program) -> None:
        """A second run of an agent that knows nothing of the first."""
        folder = self.folder / "beside"
        folder.mkdir(exist_ok=True)
        memory = await Memory.open(folder / f"{program.agent}.jsonl")
        policy = make_policy("default", memory, DirectLlm(self.witness, self.caller), folder)
        policy.clock = LoopClock()
        memory.accept(program)
        beside = Interpreter(policy, self.spawn)
        self.tasks.add(asyncio.ensure_future(beside.run(program)))

    async def kill(self) -> None:
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        self.tasks.clear()
        assert self.memory is not None
        self.memory.close()
        self.policy = None


@dataclass
class Stage:
    """One run."""

    folder: Path
    seed: int
    agents: list[PlannedAgent]
    rate_per_s: float
    witness: Witness
    pods: dict[str, Pod]
    events: list[DriverEvent] = field(default_factory=list)
    open: dict[str, PlannedAgent] = field(default_factory=dict)
    arrived: int = 0
    senders: list[asyncio.Task[None]] = field(default_factory=list)
    healed_s: float = 0.0
    mailing: Mailing | None = None
    broker: StageBroker | None = None
    liveness_s: float = LIVENESS_S

    async def play(self, kills: int) -> None:
        """Load, kills, drain."""
        if self.mailing is not None:
            self.broker = StageBroker(self.witness, self.mailing, self.handle, self.who_handles)
            self.broker.open()
        self.witness.note("phase", "load", "{}")
        arriving = asyncio.ensure_future(self.arrive())
        killing = asyncio.ensure_future(self.strike(kills))
        loop = asyncio.get_running_loop()
        last_s, backlog = loop.time(), Backlog()
        while not (arriving.done() and killing.done()) or self.open or self.is_posting:
            await asyncio.sleep(POLL_S)
            self.read_ends()
            running = (task for pod in self.pods.values() for task in pod.tasks)
            for task in (arriving, killing, *self.senders, *running):
                if task.done() and not task.cancelled():
                    task.result()
            backlog.look(int(loop.time() * S), self.witness.progress.answered_turns)
            if not all(task.done() for task in (arriving, killing, *self.senders)):
                last_s = loop.time()
            elif loop.time() > max(last_s, backlog.worked_ns / S) + self.liveness_s + 2:
                break
        if self.broker is not None:
            self.broker.close()
        self.witness.note("phase", "end", "{}")
        for pod in self.pods.values():
            await pod.kill()

    async def arrive(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for planned in self.agents:
            due_s = began_s + planned.at_ns / S / self.rate_per_s
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            pod = self.pods[planned.pod]
            while pod.policy is None:
                await asyncio.sleep(POLL_S)
            self.event("invoke", planned.agent, pod)
            if self.broker is None:
                await pod.start(planned.program)
            else:
                await self.broker.publish("-", start_of(planned.agent))
            self.event("ok", planned.agent, pod, "202")
            self.open[planned.agent] = planned
            self.arrived += 1
            self.senders += [
                asyncio.ensure_future(self.send(planned, step))
                for step in planned.program.steps
                if step.kind == "receive"
            ]

    @property
    def is_posting(self) -> bool:
        """A publisher or the broker has something to do yet."""
        is_busy = self.broker is not None and self.broker.is_busy
        return is_busy or not all(task.done() for task in self.senders)

    def pod_of(self, mail: Mail) -> Pod:
        """A start goes where the agent's state is, a result to the first pod that lives."""
        planned = next(one for one in self.agents if one.agent == mail.key)
        living = [pod for pod in self.pods.values() if pod.policy is not None]
        return living[0] if living and mail.topic != "starts" else self.pods[planned.pod]

    def who_handles(self, mail: Mail) -> str:
        """See StageBroker."""
        pod = self.pod_of(mail)
        return pod.caller if pod.policy is not None else ""

    async def handle(self, mail: Mail) -> bool:
        """A handler that starts agents, and only reads results; whether it lived to its end."""
        assert self.broker is not None
        pod = self.pod_of(mail)
        caller = pod.caller
        planned = next(one for one in self.agents if one.agent == mail.key)
        if mail.topic == "starts" and not self.broker.is_spoiled("deafen", mail):
            await pod.start(planned.program)
        for switch in ("deafen", "twice"):
            if self.broker.is_spoiled(switch, mail):
                self.broker.plant(switch, mail)
        if self.broker.is_spoiled("twice", mail):
            await pod.start_beside(planned.program)
        await asyncio.sleep(HANDLING_S)
        return pod.policy is not None and pod.caller == caller

    async def publish_results(self, planned: PlannedAgent) -> None:
        """What an agent publishes when it has ended."""
        assert self.broker is not None and self.mailing is not None
        for mail in results_of(planned.agent, self.mailing):
            await self.broker.publish(self.pods[planned.pod].caller, mail)

    async def send(self, planned: PlannedAgent, step: Step) -> None:
        """One event, until the agent's slot has taken it."""
        await asyncio.sleep(step.wait_s)
        payload = render(*self.witness.send_event(planned.agent, step.path))
        pod = self.pods[planned.pod]
        while pod.policy is None or not pod.policy.take_event(planned.agent, step.path, payload):
            await asyncio.sleep(POLL_S)

    async def strike(self, kills: int) -> None:
        chance = Random(self.seed)
        for number in range(kills):
            wanted = len(self.agents) * (number + chance.uniform(0.2, 0.9)) / kills
            while self.arrived < wanted and self.arrived < len(self.agents):
                await asyncio.sleep(POLL_S)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            pod = self.pods[chance.choice(sorted(self.pods))]
            detail = {"kind": "kill_pod", "victims": [pod.caller], "proof": "signal SIGKILL"}
            name = f"kill_pod-{number + 1}"
            self.witness.note("firing", name, json.dumps(detail))
            await pod.kill()
            self.witness.note("fired", name, json.dumps(detail))
            await asyncio.sleep(RESTART_S)
            await pod.open()
            self.witness.note("healed", name, json.dumps(detail))

    def read_ends(self) -> None:
        for agent, planned in list(self.open.items()):
            pod = self.pods[planned.pod]
            view = pod.memory.view(agent) if pod.memory is not None else None
            if view is not None and view != RUNNING:
                del self.open[agent]
                self.witness.outcome(agent, view.status, view.output)
                self.event("ended", agent, pod, view.status)
                if self.broker is not None:
                    self.senders.append(asyncio.ensure_future(self.publish_results(planned)))

    def event(self, kind: str, agent: str, pod: Pod, status: str = "") -> None:
        now_ns = LoopClock().monotonic_ns()
        self.events.append(
            DriverEvent(
                t_ns=now_ns,
                kind=kind,
                agent=agent,
                intended_ns=now_ns,
                caller=pod.caller,
                status=status,
            )
        )


@dataclass(frozen=True)
class Played:
    """What a run left."""

    evidence: Evidence
    planted: frozenset[str]
    spoiled: frozenset[tuple[str, str, str]] = frozenset()
    """(anomaly, agent, path) of the messages that the broker spoiled."""


def play(
    folder: Path,
    variant: str,
    *,
    agents: int = 24,
    kills: int = 0,
    seed: int = 1,
    latency_ms: float = 300.0,
    rate_per_s: float = 20.0,
    requests_per_min: int | None = None,
    mix: dict[str, float] | None = None,
    liveness_s: float = LIVENESS_S,
    mailing: Mailing | None = None,
    declared: Declared | None = None,
) -> Played:
    """Run a variant of the reference engine and gather the evidence."""
    scenario = Scenario(
        name="stage",
        summary="",
        mix=mix or MIX,
        load=LoadSpec(agents=agents),
        pods=SLOTS,
    )
    planned = draw_agents(scenario, seed)
    config = Config(
        latency_ms_median=latency_ms,
        latency_sigma=0.3,
        requests_per_minute=requests_per_min,
        burst=1 / 60,
    )

    async def scene() -> Stage:
        writer = next_segment(folder / "live", run="stage", seed=seed, clock=LoopClock())
        witness = Witness(writer, config=config, seed=seed, clock=LoopClock())
        pods = {
            slot: Pod(slot, folder / slot, variant, witness)
            for slot in (f"agents-{number}" for number in range(1, SLOTS + 1))
        }
        for pod in pods.values():
            await pod.open()
        stage = Stage(folder, seed, planned, rate_per_s, witness, pods, liveness_s=liveness_s)
        stage.mailing = mailing
        try:
            await stage.play(kills)
        finally:
            writer.close()
        return stage

    stage = _run(scene())
    reader = iter_records(folder / "live")
    records = list(reader)
    evidence = evidence_of(
        seed=seed,
        programs=[one.program for one in planned],
        records=records,
        driver_events=stage.events,
        faults_planned=kills,
        liveness_ns=int(liveness_s * S),
        exposures_min=0,
        problems=tuple(reader.problems),
        declared={NAME: declared} if declared is not None else {},
    )
    return Played(
        evidence,
        frozenset().union(*(planted_in(pod.folder) for pod in stage.pods.values())),
        frozenset(stage.broker.planted if stage.broker is not None else ()),
    )


def _run(scene: Coroutine[Any, Any, Stage]) -> Stage:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(scene)
