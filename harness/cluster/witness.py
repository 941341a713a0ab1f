"""The witness as a process of the run, and the harness's way to talk to it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from harness.clock import Clock
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes
from harness.errors import HarnessError
from harness.plan import HeldCall
from harness.protocols import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """The part of ``GET /admin/progress`` that is used here."""

    answered_turns: int
    limited: int
    ended_agents: int
    requests_per_caller_in_flight: dict[str, int]
    unused: dict[str, int]
    undelivered: int = 0


class WitnessProcess:
    """Starts ``python -m mock_llm.server`` and asks its admin side. Implements Witness."""

    def __init__(
        self,
        *,
        processes: Processes,
        ports: Ports,
        clock: Clock,
        http: httpx.AsyncClient,
        host: str = "127.0.0.1",
    ) -> None:
        """The HTTP client is the harness's own; ``host`` is where pods reach the witness."""
        self._processes = processes
        self._clock = clock
        self._http = http
        self.port = ports.take()
        self.host = host
        self.url = f"http://{host}:{self.port}"
        self.process: Process | None = None

    async def start(self, *, run: str, seed: int, ledger: Path, config: dict[str, object]) -> None:
        """Start and wait for health; ``config`` is what mock_llm.server reads from its file.

        Raises:
            MachineError: it died or was not ready in time.
        """
        ledger.mkdir(parents=True, exist_ok=True)
        path = ledger / "witness.json"
        path.write_bytes(msgspec.json.encode(config))
        command = (
            *(sys.executable, "-m", "mock_llm.server", "--port", str(self.port)),
            *("--host", self.host),
            *("--ledger", str(ledger), "--run", run, "--seed", str(seed), "--config", str(path)),
        )
        self.process = self._processes.start("witness", command)
        await until_healthy(
            self._http, f"{self.url}/admin/health", self.process, clock=self._clock, deadline_s=20
        )

    async def stop(self) -> None:
        """End it; every answer that it gave is in the ledger already."""
        if self.process is not None:
            await self._processes.stop([self.process])

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        """See Witness."""
        text = msgspec.json.encode(detail).decode()
        body = {"kind": kind, "subject": subject, "detail": text}
        answer = await self._ask("POST", "/admin/notes", body)
        return int(str(answer["seq"]))

    async def progress(self) -> Progress:
        """See Witness."""
        answer = await self._ask("GET", "/admin/progress", None)
        seen = msgspec.convert(answer, _Progress)
        callers = {*seen.requests_per_caller_in_flight, *seen.unused}
        return Progress(
            answered_steps=seen.answered_turns,
            limited=seen.limited,
            ended_agents=seen.ended_agents,
            unused={
                caller: seen.requests_per_caller_in_flight.get(caller, 0)
                + seen.unused.get(caller, 0)
                for caller in callers
            },
            undelivered=seen.undelivered,
        )

    async def tell(self, messages: Sequence[dict[str, object]]) -> None:
        """Put on file what the harness saw of messages."""
        await self._ask("POST", "/admin/messages", list(messages))

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        """See Witness."""
        await self._ask("POST", "/admin/drops", {"slot": slot, "count": count})
        asked = {"slot": slot, "wait_s": deadline_s}
        answer = await self._ask("POST", "/admin/drops", asked, wait_s=deadline_s)
        return msgspec.convert(answer["seqs"], tuple[int, ...])

    async def place(self, holds: Sequence[HeldCall]) -> None:
        """Have calls wait at their points from now on."""
        await self._of_holds("place", holds, 0.0)

    async def held(self, holds: Sequence[HeldCall], *, deadline_s: float) -> bool:
        """Wait until a call is held at every point; False when one was not in time."""
        return await self._of_holds("wait", holds, deadline_s)

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        """See Witness."""
        body = {"do": "wait", "holds": [call], "wait_s": deadline_s}
        answer = await self._ask("POST", "/admin/holds", body, wait_s=deadline_s)
        return next(iter(msgspec.convert(answer["callers"], list[str])), "")

    async def release(self, holds: Sequence[HeldCall], *, deadline_s: float = 5.0) -> bool:
        """Let the calls go; False when the answer of one had not left in time."""
        return await self._of_holds("release", holds, deadline_s)

    async def event(self, agent: str, path: str) -> str:
        """Put an event on file that is about to be sent; returns its payload."""
        answer = await self._ask("POST", "/admin/events", {"agent": agent, "path": path})
        return str(answer["payload"])

    async def outcome(self, agent: str, status: str, text: str) -> None:
        """Post the outcome mark: an agent's end was read."""
        await self._ask("POST", "/admin/outcomes", {"agent": agent, "status": status, "text": text})

    async def _of_holds(self, do: str, holds: Sequence[HeldCall], wait_s: float) -> bool:
        body = {"do": do, "holds": list(holds), "wait_s": wait_s}
        answer = await self._ask("POST", "/admin/holds", body, wait_s=wait_s)
        return bool(answer["is_done"])

    async def configure(self, config: dict[str, object]) -> None:
        """Change limits or latency of the running witness."""
        await self._ask("POST", "/admin/config", config)

    async def _ask(
        self, method: str, path: str, body: object, *, wait_s: float = 0.0
    ) -> dict[str, object]:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._http.request(
                method, self.url + path, content=content, timeout=httpx.Timeout(10.0 + wait_s)
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise HarnessError(f"the witness does not answer {method} {path}: {error!r}") from error
        return dict(msgspec.json.decode(answer.content))
