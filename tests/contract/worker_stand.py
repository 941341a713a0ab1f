"""Workers that need nothing but the witness, as processes: a slot for each, and a real witness."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness.cluster.ports import Ports
from harness.engines.control.adapter import Control
from harness.engines.crewai.adapter import CrewAI
from harness.engines.dbos.adapter import Dbos
from harness.engines.langgraph.adapter import LangGraph
from harness.engines.reference.adapter import Reference
from harness.engines.registry import ENGINES as REGISTRY
from harness.patterns import PATTERN_STEPS
from harness.protocols import Engine
from harness.scenario import Program, Step
from mock_llm.ledger import iter_records
from mock_llm.marker import Directive, Marker, prompt_with
from mock_llm.records import Begin, End, Opened

ROOT = Path(__file__).parents[2]
SEED = 7
DEADLINE_S = 90.0
"""Of a wait that goes wrong; a framework's import has taken 30 s on a crowded machine."""
STEPS = 6

ENGINES: dict[str, tuple[Engine, str]] = {
    "reference": (Reference(), "default"),
    "control:naive": (Control(), "naive"),
    "control:guarded": (Control(), "guarded"),
    "langgraph": (LangGraph(), "sqlite-sync"),
    "dbos": (Dbos(), "sqlite"),
    "crewai:crew": (CrewAI(), "crew"),
    "crewai:flow-checkpoint": (CrewAI(), "flow-checkpoint"),
}
"""Workers that need nothing but the witness."""

PORTS = Ports(os.getpid())


def adapter_of(name: str) -> tuple[Engine, str]:
    """An engine of the table above, or any <engine>:<variant>."""
    if name in ENGINES:
        return ENGINES[name]
    engine, _, variant = name.partition(":")
    return REGISTRY[engine], variant


@dataclass
class Witness:
    """A running witness and its ledger."""

    url: str
    ledger: Path

    def progress(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/admin/progress").json()
        return answer

    def begins(self) -> list[Begin]:
        return [one for one in iter_records(self.ledger) if isinstance(one, Begin)]

    def attempts(self) -> Counter[tuple[str, str, int]]:
        """How often each turn of each step was asked."""
        return Counter((b.agent, b.path, b.turn) for b in self.begins() if b.kind == "step")

    def given(self, agent: str, *, whole_steps: bool = False) -> dict[int, int]:
        """Attempt mark of each answer and tool result -> wall clock when it was given, ns.

        Of ``whole_steps`` alone: the answer that ends each step.
        """
        records = list(iter_records(self.ledger))
        (opened,) = (one for one in records if isinstance(one, Opened))
        begins = [one for one in records if isinstance(one, Begin) and one.agent == agent]
        last = {one.path: one.seq for one in begins if one.kind == "step"}
        own = set(last.values()) if whole_steps else {one.seq for one in begins}
        return {
            one.mark: one.t_ns + opened.wall_ns - opened.mono_ns
            for one in records
            if isinstance(one, End) and one.begin in own
        }

    def applied(self) -> Counter[tuple[str, str]]:
        """How often each effect was applied."""
        ends = {one.begin: one for one in iter_records(self.ledger) if isinstance(one, End)}
        return Counter(
            (begin.agent, begin.path)
            for begin in self.begins()
            if begin.kind == "effect" and begin.seq in ends and ends[begin.seq].is_applied
        )


@dataclass
class Slot:
    """A pod's place: one process at a time, one state folder for all of them."""

    engine: str
    witness: Witness
    folder: Path
    name: str = "agents-1"
    incarnation: int = 0
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(default_factory=httpx.Client)

    def spawn(self, **changes: str) -> None:
        """Start the next incarnation, without waiting for it."""
        engine, variant = adapter_of(self.engine)
        self.incarnation += 1
        self.port = PORTS.take()
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        at_witness = f"{self.witness.url}/pods/{self.name}.{self.incarnation}"
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ONCEPROOF_PORT": str(self.port),
            "ONCEPROOF_POD": self.name,
            "ONCEPROOF_INCARNATION": str(self.incarnation),
            "ONCEPROOF_STATE_DIR": str(self.folder / "state"),
            "ONCEPROOF_EFFECTS_URL": f"{at_witness}/effects",
            "ONCEPROOF_VARIANT": variant,
            "OPENAI_BASE_URL": f"{at_witness}/v1",
            "OPENAI_API_KEY": "sk-not-a-key",
        } | changes
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                engine.spec(variant).worker, env=environ, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> Path:
        return self.folder / f"{self.incarnation}.log"

    def start(self) -> None:
        self.spawn()
        until(lambda: self.status("GET", "/healthz") == 200, f"{self.engine} healthy", self.log)

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        return self.http.request(method, f"http://127.0.0.1:{self.port}{path}", content=content)

    def status(self, method: str, path: str, body: object = None) -> int:
        try:
            return self.ask(method, path, body).status_code
        except httpx.TransportError:
            return 0

    def post(self, program: Program) -> int:
        return self.status("POST", "/agents", {"agent": program.agent, "program": program})

    def send(self, agent: str, name: str) -> None:
        """Raise an event, as the harness does: on file at the witness, then sent until taken."""
        asked = {"agent": agent, "path": name}
        payload = httpx.post(f"{self.witness.url}/admin/events", json=asked).json()["payload"]
        event = {"name": name, "payload": payload}
        path = f"/agents/{agent}/events"
        until(lambda: self.status("POST", path, event) == 202, f"{path} taken", self.log)

    def views(self, programs: list[Program]) -> dict[str, dict[str, str]]:
        asked = {"ids": [program.agent for program in programs]}
        views: dict[str, dict[str, str]] = self.ask("POST", "/agents/status", asked).json()[
            "agents"
        ]
        return views

    def until_ended(self, programs: list[Program]) -> dict[str, dict[str, str]]:
        def has_ended() -> bool:
            views = self.views(programs)
            return len(views) == len(programs) and all(
                view["status"] != "running" for view in views.values()
            )

        until(has_ended, f"{len(programs)} agents of {self.engine} ended", self.log)
        return self.views(programs)


def until(is_so: Callable[[], bool], what: str, log: Path | None = None) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {DEADLINE_S} s for: {what}\n{log.read_text() if log else ''}")
        time.sleep(0.02)


def program_of(agent: str, pattern: str, steps: int = STEPS) -> Program:
    """A program as the plan draws it."""
    return Program(agent=agent, steps=PATTERN_STEPS[pattern](agent, "Ada, engineer", steps))


def refused(agent: str) -> Program:
    """An agent whose only step is answered with 429, however often it is asked."""
    directive = Directive(kind="fail", count=429, is_last=True)
    marker = Marker(agent=agent, path="1", predecessors=(), directive=directive)
    return Program(
        agent=agent, steps=(Step(path="1", kind="say", prompt=prompt_with(marker, "Say it.")),)
    )


@contextmanager
def running_witness(folder: Path, *, latency_ms: float) -> Iterator[Witness]:
    ledger = folder / "ledger"
    ledger.mkdir(parents=True)
    config = folder / "witness.json"
    config.write_bytes(msgspec.json.encode({"latency_ms_median": latency_ms, "latency_sigma": 0.3}))
    port = PORTS.take()
    command = (
        *(sys.executable, "-m", "mock_llm.server", "--port", str(port), "--ledger", str(ledger)),
        *("--run", "contract", "--seed", str(SEED), "--config", str(config)),
    )
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        witness = Witness(f"http://127.0.0.1:{port}", ledger)
        try:
            until(lambda: is_healthy(witness), "witness healthy")
            yield witness
        finally:
            process.kill()


def is_healthy(witness: Witness) -> bool:
    try:
        return httpx.get(f"{witness.url}/admin/health").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def closing(slot: Slot) -> Iterator[Slot]:
    try:
        yield slot
    finally:
        slot.http.close()
        if slot.process is not None and slot.process.poll() is None:
            slot.stop(signal.SIGKILL)


@contextmanager
def struck(
    engine: str, folder: Path, number: signal.Signals
) -> Iterator[tuple[Slot, list[Program]]]:
    """A pod with agents in the middle of their programs, ended by a signal; state is kept."""
    programs = [program_of(f"c{n}", "chain") for n in range(6)]
    programs += [program_of(f"t{n}", "tools") for n in range(6)]
    with (
        running_witness(folder, latency_ms=100) as witness,
        closing(Slot(engine, witness, folder)) as slot,
    ):
        slot.start()
        assert {slot.post(program) for program in programs} == {202}
        until(lambda: witness.progress()["answered_turns"] >= 30, "a mid-run", slot.log)
        slot.stop(number)
        yield slot, programs
