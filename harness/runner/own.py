"""A worker of the user's own: asked once before the run, and remembered in the run's folder.

Whatever is wrong with it is one message with the value and the next move, before a load exists.
"""

import asyncio
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from harness.clock import Clock
from harness.cluster.health import until_healthy
from harness.cluster.listening import ports_of_group
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes
from harness.drafts import plain_file_problem, write_whole
from harness.engines.external.adapter import ENGINE, Said, said_of
from harness.errors import MachineError, OnceproofError, UsageError
from harness.expectations import Expectation
from harness.protocols import EngineSpec
from harness.scenario import SCHEMA

READY_S = 60.0
"""As long as a pod of a run is waited for."""
ANSWER_S = 5.0
FILE = "engine.json"
BY_HAND = "to see it by hand: ONCEPROOF_PORT=20000 ONCEPROOF_STATE_DIR=/tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEngine:
    """An engine that is in no registry; engine.json of its runs."""

    schema: int = SCHEMA
    spec: EngineSpec
    expectations: dict[str, Expectation] = field(default_factory=dict)
    """Promise -> its own word, fixed before the run; what is not here is unstated."""


def read_own(root: Path) -> OwnEngine:
    """What a run's folder says of its engine, which no registry knows.

    Raises:
        UsageError: the file is not there, or cannot be read.
    """
    path = root / FILE
    problem = plain_file_problem(path)
    if problem:
        raise UsageError(f"{path} {problem}; expected the engine of the run")
    try:
        return msgspec.json.decode(path.read_bytes(), type=OwnEngine)
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"{path}: {error}; expected the engine of the run") from error


def own_of_run(root: Path, engine: str) -> OwnEngine | None:
    """For judging: None for an engine of a registry, and where nothing readable is there.

    Without it nothing is promised, so that a file that is gone never makes a run valid.
    """
    if engine != ENGINE:
        return None
    try:
        return read_own(root)
    except UsageError:
        return None


def write_own(root: Path, own: OwnEngine) -> None:
    """Write engine.json."""
    write_whole(root / FILE, msgspec.json.format(msgspec.json.encode(own), indent=1))


def ask(
    command: tuple[str, ...], *, variant: str, clock: Clock, ports: Ports, ready_s: float = READY_S
) -> Said:
    """Start the worker once, without a witness, and return what its ``GET /about`` says.

    Nothing of it is left when this returns.

    Raises:
        UsageError: it cannot be started, ends, is never ready, or answers something else.
    """
    with tempfile.TemporaryDirectory(prefix="onceproof-") as folder:
        return asyncio.run(
            _ask(command, variant, Path(folder), clock=clock, ports=ports, ready_s=ready_s)
        )


async def _ask(
    command: tuple[str, ...],
    variant: str,
    folder: Path,
    *,
    clock: Clock,
    ports: Ports,
    ready_s: float,
) -> Said:
    port, nobody = ports.take(), ports.take()
    processes = Processes(run=folder, logs=folder, clock=clock)
    (folder / "state").mkdir()
    environ = {
        "ONCEPROOF_VARIANT": variant,
        "ONCEPROOF_PORT": str(port),
        "ONCEPROOF_POD": "asked-1",
        "ONCEPROOF_INCARNATION": "1",
        "ONCEPROOF_STATE_DIR": str(folder / "state"),
        "ONCEPROOF_EFFECTS_URL": f"http://127.0.0.1:{nobody}/pods/asked-1.1/effects",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{nobody}/pods/asked-1.1/v1",
        "OPENAI_API_KEY": "sk-fake-onceproof",
    }
    try:
        worker = processes.start("the worker", command, environ=environ)
    except MachineError as error:
        raise UsageError(f"--worker: {error}") from error
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"http://127.0.0.1:{port}"
            await until_healthy(http, f"{url}/healthz", worker, clock=clock, deadline_s=ready_s)
            return said_of(await about_of(http, url))
    except OnceproofError as error:
        raise UsageError(
            f"--worker {shlex.join(command)}: {error}{_elsewhere(worker, port)}\n"
            f"  {BY_HAND} {shlex.join(command)}; see docs/bring-your-own.md"
        ) from error
    finally:
        await processes.kill([worker])


async def about_of(http: httpx.AsyncClient, url: str) -> bytes:
    """The body of ``GET /about``.

    Raises:
        UsageError: no answer in 5 s, or another status than 200.
    """
    try:
        answer = await http.get(f"{url}/about", timeout=ANSWER_S)
    except httpx.HTTPError as error:
        raise UsageError(
            f"GET /about had no answer ({type(error).__name__}), expected one within {ANSWER_S:g} s"
        ) from error
    if answer.status_code != 200:
        raise UsageError(f"GET /about answered HTTP {answer.status_code}, expected 200")
    return answer.content


def _elsewhere(worker: Process, port: int) -> str:
    """A hint for a worker that listens, but not where it was told to."""
    if worker.exit is not None:
        return ""
    found = [other for other in ports_of_group(worker.group) if other != port]
    if not found or port in ports_of_group(worker.group):
        return ""
    listed = ", ".join(map(str, found))
    return f"\n  it listens on port {listed}, expected {port}: take the port from ONCEPROOF_PORT"
