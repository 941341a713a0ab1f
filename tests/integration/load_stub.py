"""Stand-ins for pods and witness, and the driver as a process: what test_load_driver stands on."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from harness.load import config, result
from harness.load.events import Event, decode_line

ROOT = Path(__file__).parents[2]


@dataclass
class Engine:
    """What survives the pods: agents by id, and when each is done."""

    run_s: float = 0.05
    intake: dict[str, int] = field(default_factory=dict)
    """How often each agent was accepted."""
    done_at: dict[str, float] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, str]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    status: str = "completed"
    is_feed_silent: bool = False
    is_closing: bool = False

    def accept(self, agent: str) -> None:
        self.intake[agent] = self.intake.get(agent, 0) + 1
        self.done_at.setdefault(agent, time.monotonic() + self.run_s)

    def status_of(self, agent: str) -> dict[str, Any] | None:
        if agent not in self.done_at:
            return None
        if time.monotonic() < self.done_at[agent]:
            return {"status": "running", "output": None}
        return {"status": self.status, "output": f"<<{agent}.1>>"}


class Server:
    """An aiohttp application in a thread of its own; `stop` cuts its connections."""

    def __init__(self, routes: list[web.RouteDef]) -> None:
        self._loop = asyncio.new_event_loop()
        application = web.Application(client_max_size=1 << 26)
        application.add_routes(routes)
        self._runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self._do(self._start())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


Intake = Callable[[str, web.Request], Coroutine[Any, Any, web.StreamResponse | None]]


class Pod:
    """A worker of the contract; ``intake`` may answer a start in its own way."""

    def __init__(
        self, engine: Engine, *, intake: Intake | None = None, has_bulk: bool = True
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._has_bulk = has_bulk
        self.posts: Counter[str] = Counter()
        self.server = Server(
            [
                web.post("/agents", self._post),
                web.post("/agents/status", self._statuses),
                web.get("/agents/{id}", self._get),
            ]
        )

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        agent = body["agent"]
        assert body["program"]["agent"] == agent
        self.posts[agent] += 1
        if self._intake is not None:
            found = await self._intake(agent, request)
            if found is not None:
                return found
        self._engine.accept(agent)
        return web.json_response({}, status=202)

    async def _get(self, request: web.Request) -> web.Response:
        self._engine.requests["get"] += 1
        found = self._engine.status_of(request.match_info["id"])
        return web.json_response(found or {}, status=200 if found else 404)

    async def _statuses(self, request: web.Request) -> web.Response:
        self._engine.requests["bulk"] += 1
        if not self._has_bulk:
            return web.Response(status=405)
        ids = json.loads(await request.read())["ids"]
        return web.json_response({"agents": {i: self._engine.status_of(i) for i in ids}})


class Witness:
    """The admin interface, for ends and outcomes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: dict[str, int] = {}
        self.server = Server(
            [web.get("/admin/ends", self._ends), web.post("/admin/outcomes", self._outcome)]
        )

    async def _ends(self, request: web.Request) -> web.Response:
        self._engine.requests["ends"] += 1
        after = int(request.query["after"])
        until = time.monotonic() + float(request.query["wait_s"])
        while time.monotonic() < until and not self._engine.is_closing:
            now = time.monotonic()
            if not self._engine.is_feed_silent:
                for agent, at in self._engine.done_at.copy().items():
                    if at <= now and agent not in self._told:
                        self._told[agent] = len(self._told) + 1
            new = [(a, s) for a, s in list(self._told.items())[after:]]
            if new:
                rows = [{"seq": s, "agent": a, "caller": "agents-0.1"} for a, s in new]
                return web.json_response({"ends": rows})
            await asyncio.sleep(0.01)
        return web.json_response({"ends": []})

    async def _outcome(self, request: web.Request) -> web.Response:
        self._engine.outcomes.append(json.loads(await request.read()))
        return web.json_response({})


@dataclass
class Run:
    """One directory and one driver."""

    directory: Path
    engine: Engine
    witness: Witness
    settings: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def plan(self, agents: int, *, slots: int = 1, prompt: str = "x") -> Self:
        lines = [
            json.dumps(
                {
                    "agent": f"a{i:06d}",
                    "pod": f"agents-{i % slots}",
                    "at_ns": i * 1_000_000_000,
                    "program": {"schema": 1, "agent": f"a{i:06d}", "steps": [{"prompt": prompt}]},
                }
            )
            for i in range(agents)
        ]
        (self.directory / "programs.jsonl").write_text("\n".join(lines) + "\n")
        return self

    def pods(self, *entries: tuple[str, str, str]) -> None:
        """Replace pods.json; entries are caller, url, state."""
        rows = [
            {"slot": caller.rpartition(".")[0], "caller": caller, "url": url, "state": state}
            for caller, url, state in entries
        ]
        draft = self.directory / "live/pods.part"
        draft.write_text(json.dumps({"pods": rows}))
        draft.replace(self.directory / "live/pods.json")

    def start(self, **settings: Any) -> None:
        found = config.DriverConfig(
            **{
                "witness": self.witness.server.url,
                "programs": "programs.jsonl",
                "pods": "live/pods.json",
                "events": "live/driver.jsonl",
                "histograms": "live/histograms.json",
                "stop_file": "live/stop",
                "rate_per_s": 100.0,
                "deadline_s": 20.0,
                **settings,
            }
        )
        (self.directory / config.FILE).write_bytes(config.encode(found))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.load.driver", "--run", str(self.directory)], cwd=ROOT
        )

    def wait(self, seconds: float = 40) -> result.DriverResult:
        assert self.process is not None
        assert self.process.wait(seconds) == 0
        return result.decode((self.directory / result.FILE).read_bytes())

    def events(self) -> list[Event]:
        path = self.directory / "live/driver.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [decode_line(line) for line in lines]

    def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)

    def kinds_of(self, agent: str) -> list[str]:
        return [str(event.kind) for event in self.events() if event.agent == agent]
