"""The worker's side of the worker contract, version 1: an HTTP server on loopback.

Every Python worker of this repository hands itself to `serve`. Nothing here knows an engine; what
an engine does with a program is behind `Worker`.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import uvloop
from aiohttp import web

from harness.commits import Commit, Commits, earliest
from harness.engines.walk import problems_of
from harness.errors import EngineError, MachineError, OnceproofError, UsageError
from harness.protocols import EngineSpec
from harness.scenario import Program

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Largest request body; a program of 1,000 steps has about 300 kB."""

STOP_S = 0.9
"""From SIGTERM on the process has this long; then the kernel ends it, stuck threads or not."""

VIEW_WAIT_S_MAX = 60
"""Longest that a GET of an agent may be held, seconds."""

_HAND_S, _CLOSE_S = 0.2, 0.6
"""Of these seconds, for requests in hand and for `Worker.close`. aiohttp waits for a request twice
(3.14), and then cuts its connection: the driver asks what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the harness tells a worker through its environment."""

    port: int
    """ONCEPROOF_PORT: where to listen."""
    pod: str
    """ONCEPROOF_POD: the slot, such as ``agents-1``."""
    incarnation: int
    """ONCEPROOF_INCARNATION: counts the slot's processes from 1."""
    state_dir: Path
    """ONCEPROOF_STATE_DIR: a folder that outlives the slot's incarnations."""
    effects_url: str
    """ONCEPROOF_EFFECTS_URL: where tool effects are posted."""
    llm_base_url: str
    """OPENAI_BASE_URL: ends in ``/v1``."""
    llm_api_key: str
    """OPENAI_API_KEY: a made-up key; the mock takes any."""
    variant: str
    """ONCEPROOF_VARIANT: which variant of the engine to be; may be empty."""
    state_url: str = ""
    """ONCEPROOF_STATE_URL: where the run's store is, such as postgresql://...; may be empty."""
    host: str = "127.0.0.1"
    """ONCEPROOF_HOST: the address to listen on, where that is not loopback: a pod's own."""

    @staticmethod
    def from_environ(environ: Mapping[str, str]) -> "Surroundings":
        """Read the environment.

        Raises:
            UsageError: one message with everything that is missing or no number.
        """
        names = dict(zip(Surroundings.__dataclass_fields__, _NAMES, strict=True))
        wrong = [
            f"{name} is not set"
            for name in _NAMES
            if not environ.get(name) and name not in _MAY_BE_EMPTY
        ]
        wrong += [
            f"{names[field]} is {environ[names[field]]!r}, expected a number"
            for field in ("port", "incarnation")
            if environ.get(names[field]) and not environ[names[field]].isdecimal()
        ]
        if wrong:
            raise UsageError(f"{'; '.join(wrong)}; a worker is started by the harness")
        values = {field: environ.get(name, "") for field, name in names.items()}
        values["host"] = values["host"] or "127.0.0.1"
        return msgspec.convert(
            values, Surroundings, strict=False, dec_hook=lambda kind, value: kind(value)
        )


_NAMES = (
    "ONCEPROOF_PORT",
    "ONCEPROOF_POD",
    "ONCEPROOF_INCARNATION",
    "ONCEPROOF_STATE_DIR",
    "ONCEPROOF_EFFECTS_URL",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "ONCEPROOF_VARIANT",
    "ONCEPROOF_STATE_URL",
    "ONCEPROOF_HOST",
)
_MAY_BE_EMPTY = ("ONCEPROOF_VARIANT", "ONCEPROOF_STATE_URL", "ONCEPROOF_HOST")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What ``GET /about`` answers: what this worker is and promises."""

    engine: str
    variant: str
    versions: dict[str, str]
    """Name of a part -> its version, as the part itself says."""
    recovery: str
    """native | assisted | none: who resumes the agents of a killed incarnation."""
    intake: str
    """durable: a 202 survives SIGKILL of this pod; volatile: it does not."""
    any_pod_answers: bool
    """GET works on every pod; else only on the agent's slot."""
    kinds: tuple[str, ...]
    """Step kinds that are interpreted."""


def about_of(spec: EngineSpec, *packages: str, **others: str) -> About:
    """What the worker of ``spec`` says of itself, with versions of ``packages`` and ``others``."""
    return About(
        engine=spec.engine,
        variant=spec.variant,
        versions={name: importlib.metadata.version(name) for name in packages} | others,
        recovery=spec.recovery,
        intake=spec.intake,
        any_pod_answers=spec.any_pod_answers,
        kinds=spec.kinds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """How far an agent is, as its engine says."""

    status: str
    """running | completed | failed."""
    output: str
    """The outcome when completed, the reason when failed, else empty."""


class Worker(Protocol):
    """An engine's interpreter of programs.

    `serve` calls all of it in one event loop, open and close in the same task, so that a task group
    may live from one to the other.
    """

    about: About

    async def open(self) -> None:
        """Get ready: when it returns, agents can be started, and resumed ones run.

        Raises:
            Exception: any ends the process with a status other than 0 and the message on stderr.
        """

    async def start(self, agent: str, program: Program) -> None:
        """Start or resume an agent; on return it is as durable as ``about.intake`` says.

        An agent that exists already is left as it is, and that is no error.

        Raises:
            EngineError: the engine did not take it; 503 when that is definite, else 500.
        """

    async def view(self, agent: str) -> AgentView | None:
        """Tell how far an agent is; None when it is not known here. Raises as ``start`` does."""

    async def close(self) -> None:
        """Let go of everything, within half a second. It may come before ``open`` has returned."""


@runtime_checkable
class Receiver(Protocol):
    """A worker whose agents can wait for events."""

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Take an event, as durably as ``about.intake`` says; False for an unknown agent.

        The sender repeats an event until it is told that it was taken; a repetition is no error and
        changes nothing. An event may come before the agent waits for it.

        Raises:
            EngineError: as `Worker.start` does.
        """


@runtime_checkable
class Waiter(Protocol):
    """A worker whose engine can tell an end when it comes, instead of being asked again."""

    async def view_at_end(self, agent: str, wait_s: float) -> AgentView | None:
        """As `Worker.view`, held back until the agent has ended, at most ``wait_s``."""


@runtime_checkable
class Historian(Protocol):
    """A worker whose engine keeps a history with dates; see `harness.commits`."""

    async def history(self, agent: str) -> list[Commit] | None:
        """Every result of the agent that the engine says it has kept; None for an unknown agent.

        Asked after the load, of agents that a fault had hit or that repeated something. Raises as
        `Worker.start` does.
        """


@runtime_checkable
class Handling(Protocol):
    """A worker that also takes in what its sidecar delivers."""

    def routes(self) -> list[web.RouteDef]:
        """Served beside those of the contract, also before ``open`` has returned."""


class Background:
    """The tasks that a worker runs from ``open`` to ``close``: one for an agent, as a rule.

    One that raises is a broken engine: the process ends, with the traceback on stderr.
    """

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to take tasks; call it in `Worker.open`."""
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside everything else."""
        assert self._group is not None, "spawn before open"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what still runs and wait for it; call it in `Worker.close`."""
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Body of ``POST /agents``."""

    agent: str
    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """Body of ``POST /agents/{id}/events``."""

    name: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """Body of ``POST /agents/status``."""

    ids: list[str]


def serve(worker: Worker, surroundings: Surroundings) -> None:
    """Answer for ``worker`` until SIGTERM; the process is expected to end when this returns.

    Listens before ``open`` is called, so that ``/healthz`` can say 503 meanwhile. At the end new
    connections are refused and requests in hand finish, before ``close`` is called.

    Raises:
        SystemExit: the worker or this machine failed; the message stands on stderr.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    with _said_on_stderr():
        uvloop.run(_serve(worker, surroundings))


def main(make: Callable[[Surroundings], Worker]) -> None:
    """Be the worker process: read the environment, make the worker, serve. Raises as `serve`."""
    with _said_on_stderr():
        surroundings = Surroundings.from_environ(os.environ)
        worker = make(surroundings)
    serve(worker, surroundings)


@contextlib.contextmanager
def _said_on_stderr() -> Iterator[None]:
    """Turn an error of ours into its message and exit code; any other keeps its traceback."""
    try:
        yield
    except OnceproofError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(error.exit_code) from error


async def _serve(worker: Worker, surroundings: Surroundings) -> None:
    desk = _Desk(worker)
    is_stopping = _cancel_on_sigterm()
    runner = web.AppRunner(desk.application(), access_log=None, shutdown_timeout=_HAND_S / 2)
    try:
        await _listen(runner, surroundings.host, surroundings.port)
        await worker.open()
        desk.is_ready = True
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not is_stopping():
            raise
    finally:
        desk.is_ready = False
        try:
            # First: what is in hand, such as a start, needs all that `close` lets go of.
            await runner.cleanup()
        finally:
            async with asyncio.timeout(_CLOSE_S):
                await worker.close()


def _cancel_on_sigterm() -> Callable[[], bool]:
    """Make SIGTERM cancel the calling task, with a deadline that the kernel keeps."""
    task = asyncio.current_task()
    assert task is not None
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            signal.setitimer(signal.ITIMER_REAL, STOP_S)
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    return lambda: stopping


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024, reuse_address=True).start()
    except OSError as error:
        raise MachineError(f"cannot listen on {host}:{port}: {error.strerror}") from error


class _Desk:
    """The handlers: text to records at this edge, and records back to text."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.is_ready = False
        self._start = msgspec.json.Decoder(_Start)
        self._ids = msgspec.json.Decoder(_Ids)
        self._event = msgspec.json.Decoder(_Event)

    def application(self) -> web.Application:
        """The routes of the contract."""
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        if isinstance(self.worker, Handling):
            application.add_routes(self.worker.routes())
        application.add_routes(
            [
                web.post("/agents", self.start),
                web.post("/agents/status", self.status),
                web.get("/agents/{agent}", self.view),
                web.get("/agents/{agent}/history", self.history),
                web.post("/agents/{agent}/events", self.event),
                web.get("/healthz", self.health),
                web.get("/about", self.about),
            ]
        )
        return application

    async def start(self, request: web.Request) -> web.Response:
        """202 when the engine has the agent, whether it is new or not; 400 for a bad program."""
        try:
            body = self._start.decode(await request.read())
        except msgspec.MsgspecError as error:
            return _refusal(400, f"no agent and program in the body: {error}")
        problems = problems_of(body.program, self.worker.about.kinds)
        if body.program.agent != body.agent:
            problems.append(f"the program is of {body.program.agent!r}, not of {body.agent!r}")
        if problems:
            return _refusal(400, f"agent {body.agent!r}: {'; '.join(problems)}")
        if not self.is_ready:
            return _refusal(503, "not ready yet; ask /healthz")
        try:
            await self.worker.start(body.agent, body.program)
        except EngineError as error:
            return _refusal(503 if error.is_definite else 500, str(error))
        return _json(202, {"agent": body.agent})

    async def view(self, request: web.Request) -> web.Response:
        """200 with status and output, or 404; ``?wait_s=`` may hold it until the agent ends."""
        agent = request.match_info["agent"]
        if not self.is_ready:
            return _refusal(503, "not ready yet; ask /healthz")
        wait_s = request.query.get("wait_s", "0")
        if not wait_s.isdecimal() or int(wait_s) > VIEW_WAIT_S_MAX:
            return _refusal(400, f"wait_s is {wait_s!r}, expected 0 to {VIEW_WAIT_S_MAX}")
        try:
            if int(wait_s) and isinstance(self.worker, Waiter):
                view = await self.worker.view_at_end(agent, int(wait_s))
            else:
                view = await self.worker.view(agent)
        except EngineError as error:
            return _refusal(503, str(error))
        return _json(200, view) if view else _refusal(404, f"no agent {agent!r} here")

    async def status(self, request: web.Request) -> web.Response:
        """200 with the views of those of the given agents that are known here."""
        try:
            ids = self._ids.decode(await request.read()).ids
        except msgspec.MsgspecError as error:
            return _refusal(400, f"no ids in the body: {error}")
        if not self.is_ready:
            return _refusal(503, "not ready yet; ask /healthz")
        try:
            views = {agent: await self.worker.view(agent) for agent in ids}
        except EngineError as error:
            return _refusal(503, str(error))
        return _json(200, {"agents": {agent: view for agent, view in views.items() if view}})

    async def history(self, request: web.Request) -> web.Response:
        """200 with the engine's own commits; 404 for an agent that is not known; 501 without."""
        agent = request.match_info["agent"]
        if not isinstance(self.worker, Historian):
            return _refusal(501, f"the engine's own history is not implemented; agent {agent!r}")
        if not self.is_ready:
            return _refusal(503, "not ready yet; ask /healthz")
        try:
            commits = await self.worker.history(agent)
        except EngineError as error:
            return _refusal(503, str(error))
        if commits is None:
            return _refusal(404, f"no history of {agent!r} here")
        return _json(200, Commits(commits=earliest(commits)))

    async def event(self, request: web.Request) -> web.Response:
        """202 when the engine has the event, for good; 404 for an agent that is not known here."""
        agent = request.match_info["agent"]
        if not isinstance(self.worker, Receiver):
            return _refusal(501, f"events are not implemented; agent {agent!r}")
        try:
            event = self._event.decode(await request.read())
        except msgspec.MsgspecError as error:
            return _refusal(400, f"no name and payload in the body: {error}")
        if not self.is_ready:
            return _refusal(503, "not ready yet; ask /healthz")
        try:
            is_taken = await self.worker.receive(agent, event.name, event.payload)
        except EngineError as error:
            return _refusal(503 if error.is_definite else 500, str(error))
        if not is_taken:
            return _refusal(404, f"no agent {agent!r} here")
        return _json(202, {"agent": agent})

    async def health(self, request: web.Request) -> web.Response:
        """200 from the moment `Worker.open` has returned; 503 before."""
        return _json(200, {"ready": True}) if self.is_ready else _refusal(503, "not ready yet")

    async def about(self, request: web.Request) -> web.Response:
        """200 with `About`."""
        return _json(200, self.worker.about)


def _json(status: int, value: object) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json"
    )


def _refusal(status: int, reason: str) -> web.Response:
    return _json(status, {"reason": reason})
