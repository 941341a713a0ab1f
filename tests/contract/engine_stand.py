"""One engine on its feet as a run would set it up: a pod, with sidecar, store and control plane
where it has them, and the witness's ledger to read.
"""

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import msgspec
import pytest

from harness.clock import SystemClock
from harness.cluster.components import components_beside, write_component
from harness.cluster.dapr import DaprCommands
from harness.cluster.pods import Pod
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.witness import WitnessProcess
from harness.engines.external.adapter import Said, spec_of_said
from harness.engines.registry import ENGINES
from harness.errors import MachineError
from harness.patterns import PATTERN_STEPS
from harness.plan import Cell, Plan, draw_plan
from harness.protocols import Component, EngineSpec, Platform
from harness.provide.redis import find_redis
from harness.provide.runtime import find_runtime
from harness.runner.folder import RunFolder
from harness.runner.set_up import Provided, SetUp
from harness.scenario import LlmSpec, LoadSpec, Program, Scenario
from mock_llm import receipts
from mock_llm.ledger import iter_records
from mock_llm.records import Begin
from tests.contract.service_stand import POSTGRES

ROOT = Path(__file__).parents[2]
SEED, STEPS, DEADLINE_S = 7, 4, 120.0
EXAMPLES = {
    "plain-python": ("/usr/bin/python3", str(ROOT / "examples/python/worker.py")),
    "plain-node": ("node", str(ROOT / "examples/node/worker.mjs")),
}
NAMES = (*ENGINES, "langgraph:postgres-sync", "dbos:postgres", *EXAMPLES)
"""Of an engine's variants the first, and those whose store is PostgreSQL."""
NO_POSTGRES = "no PostgreSQL here: `python -m harness.provide postgres`"
NOT_ALONE = {"event", "parked", "poison"}
"""Patterns that need a word from outside to end, or that cannot end well."""


def spec_of(name: str) -> EngineSpec:
    """The first variant of an engine, <engine>:<variant>, or an example's own word."""
    engine, _, variant = name.partition(":")
    if engine in ENGINES:
        return ENGINES[engine].spec(variant or ENGINES[engine].variants[0])
    said = Said(engine=name, recovery="native", intake="durable")
    return spec_of_said(said, EXAMPLES[name], has_sidecar=False)


def lacking_parts(spec: EngineSpec, store: str = "") -> str:
    """What this machine has not; empty when the engine can stand, on its first store or this."""
    store = store or spec.stores[0]
    if shutil.which(spec.worker[0]) is None:
        return f"no {spec.worker[0]} here; install it"
    try:
        if spec.needs_dapr:
            find_runtime(None, lambda _: None)
        if store == "redis":
            find_redis(None, lambda _: None)
    except MachineError as error:
        return str(error)
    return NO_POSTGRES if store == "postgres" and POSTGRES is None else ""


def provided_for(spec: EngineSpec, store: str) -> Provided:
    """Parts that `lacking_parts` has found."""
    dapr, redis = None, find_redis(None, lambda _: None) if store == "redis" else None
    if spec.needs_dapr:
        runtime = find_runtime(None, lambda _: None)
        dapr = DaprCommands(
            daprd=runtime.daprd, placement=runtime.placement, scheduler=runtime.scheduler
        )
    return Provided(
        dapr=dapr,
        redis=(redis.argv or ()) if redis else (),
        redis_address=(redis.address or "") if redis else "",
        components=ROOT / "components",
        facts={},
        postgres=POSTGRES if store == "postgres" else None,
    )


@dataclass
class Stand:
    """One engine on its feet."""

    spec: EngineSpec
    runner: asyncio.Runner
    pods: Platform
    pod: Pod
    ledger: Path
    http: httpx.Client
    about: dict[str, str]

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        return self.http.request(method, f"{self.pod.url}{path}", content=content)

    def post(self, program: Program) -> int:
        return self.ask("POST", "/agents", {"agent": program.agent, "program": program}).status_code

    def view(self, agent: str) -> dict[str, str]:
        answer = self.ask("GET", f"/agents/{agent}")
        found: dict[str, str] = answer.json() if answer.is_success else {"status": "absent"}
        return found

    def begins(self, kind: str) -> list[Begin]:
        """Requests of a kind, in the ledger's order."""
        return [
            one for one in iter_records(self.ledger) if isinstance(one, Begin) and one.kind == kind
        ]

    def attempts(self, agent: str) -> Counter[tuple[str, int]]:
        return Counter((one.path, one.turn) for one in self.begins("step") if one.agent == agent)

    def until(self, is_so: Any, what: str) -> None:
        """Poll, with the loop of the processes alive meanwhile."""

        async def poll() -> None:
            async with asyncio.timeout(DEADLINE_S):
                while not is_so():
                    await asyncio.sleep(0.05)

        try:
            self.runner.run(poll())
        except TimeoutError:
            log = self.pod.worker.last_lines(20) if self.pod.worker else ""
            pytest.fail(f"{self.spec.engine}: waited {DEADLINE_S:g} s for: {what}\n{log}")

    def outcomes(self, programs: list[Program]) -> dict[str, int]:
        """Receipts of the outcomes, once all are completed."""

        def have_ended() -> bool:
            return all(
                self.view(one.agent)["status"] in ("completed", "failed") for one in programs
            )

        self.until(have_ended, f"the end of {len(programs)} agents")
        views = {one.agent: self.view(one.agent) for one in programs}
        assert {view["status"] for view in views.values()} == {"completed"}, views
        return {agent: receipts.find(view["output"])[-1].value for agent, view in views.items()}

    def become(self, variant: str) -> None:
        """Another variant of the engine in the next incarnation, which is cheaper than a stand."""
        spec = spec_of(f"{self.spec.engine}:{variant}")
        template = self.pods._pods._template  # type: ignore[attr-defined]
        for one in components_beside(Component(file="state-none", metadata={}), spec.components):
            if (ROOT / "components" / one.file).exists():
                write_component(one, source=ROOT / "components", target=template.components)
        template.environ["ONCEPROOF_VARIANT"] = variant
        self.kill_and_replace()

    def kill_and_replace(self) -> None:
        """SIGKILL the whole pod, as a run does, and wait for the next incarnation."""

        async def replace() -> None:
            bringing_back = asyncio.create_task(self.pods.run())
            await self.pods.kill(self.pod.slot, "pod")
            await self.pods.healed(self.pod.slot, deadline_s=DEADLINE_S)
            bringing_back.cancel()
            await asyncio.gather(bringing_back, return_exceptions=True)

        self.runner.run(replace())


@contextlib.contextmanager
def standing(name: str, folder: Path, store: str = "") -> Iterator[Stand]:
    """Set an engine up as a run does, with a pod for each of its apps, and take it down."""
    spec, clock = spec_of(name), SystemClock()
    store = store or spec.stores[0]
    llm = LlmSpec(latency_ms=150.0, latency_sigma=0.1, tool_latency_ms=150.0)
    scenario = Scenario(
        name="contract",
        summary="",
        pods=max(1, len(spec.app_ids)),
        llm=llm,
        load=LoadSpec(agents=1),
    )
    cell = Cell(engine=spec.engine, variant=spec.variant, store=store)
    plan: Plan = draw_plan(scenario, cell, SEED)[0]
    run = RunFolder(folder)
    for path in (run.live, run.logs, run.components):
        path.mkdir(parents=True)
    processes = Processes(run=run.root, logs=run.logs, clock=clock)
    ports = Ports(os.getpid() + 11 * crc32(name.encode()) % 1000)
    with asyncio.Runner() as runner:
        undo, http = contextlib.AsyncExitStack(), httpx.AsyncClient(trust_env=False)
        witness = WitnessProcess(processes=processes, ports=ports, clock=clock, http=http)
        set_up = SetUp(
            plan=plan,
            spec=spec,
            provided=provided_for(spec, store),
            folder=run,
            clock=clock,
            processes=processes,
            ports=ports,
            http=http,
        )

        async def take_down() -> None:
            await undo.aclose()
            await http.aclose()

        try:
            kept, control_plane = set_up.store(), set_up.control_plane()
            pods = runner.run(set_up.start(witness, kept, None, control_plane, undo))
            about = runner.run(set_up.about(pods))
            pod = next(iter(pods.by_slot.values()))
            with httpx.Client(trust_env=False, timeout=30) as client:
                yield Stand(spec, runner, pods, pod, run.live, client, about)
        finally:
            runner.run(take_down())


def program_of(agent: str, pattern: str) -> Program:
    """A program as the plan draws it."""
    return Program(agent=agent, steps=PATTERN_STEPS[pattern](agent, "Ada, engineer", STEPS))
