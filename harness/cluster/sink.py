"""The sink of spans as a process of the run, and what others must be told to export to it."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import httpx
import msgspec

from harness.clock import NS_PER_S, Clock
from harness.cluster.health import until_healthy
from harness.cluster.ports import Ports
from harness.cluster.processes import Process, Processes
from harness.spans import Totals

QUIET_S = 6.0
"""Longer than the 5 s after which exporters send what they have, by OpenTelemetry's default."""
QUIET_S_MAX = 30.0
POLL_S = 0.25


class SinkProcess:
    """Starts ``python -m harness.otlp.server``."""

    def __init__(
        self, *, processes: Processes, ports: Ports, clock: Clock, http: httpx.AsyncClient
    ) -> None:
        """The HTTP client is the harness's own."""
        self._processes = processes
        self._clock = clock
        self._http = http
        port = ports.take()
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """The base of OTLP/HTTP; exporters add /v1/traces."""
        return f"http://{self.address}"

    async def start(self, *, run: str, file: Path) -> None:
        """Start and wait for health.

        Raises:
            MachineError: it died or was not ready in time.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        command = (
            *(sys.executable, "-m", "harness.otlp.server", "--port", str(self._port)),
            *("--file", str(file), "--run", run),
        )
        self.process = self._processes.start("sink", command)
        await until_healthy(
            self._http, f"{self.url}/health", self.process, clock=self._clock, deadline_s=20
        )

    async def until_quiet(self) -> tuple[str, ...]:
        """Wait until no span came for longer than exporters hold them; says what went wrong."""
        until_ns = self._clock.monotonic_ns() + int(QUIET_S_MAX * NS_PER_S)
        seen, since_ns = None, self._clock.monotonic_ns()
        while self._clock.monotonic_ns() < until_ns:
            try:
                answer = await self._http.get(f"{self.url}/health", timeout=5.0)
                totals = msgspec.json.decode(answer.content, type=Totals)
            except (httpx.HTTPError, msgspec.MsgspecError) as error:
                return (f"the sink of spans does not answer: {error!r}",)
            if totals != seen:
                seen, since_ns = totals, self._clock.monotonic_ns()
            elif self._clock.monotonic_ns() - since_ns > QUIET_S * NS_PER_S:
                return ()
            await asyncio.sleep(POLL_S)
        return (f"spans still came {QUIET_S_MAX:g} s after the end; the last may lack",)

    async def stop(self) -> None:
        """End it; it writes its last line."""
        if self.process is not None:
            await self._processes.stop([self.process])


def lacking() -> str:
    """Why no sink can be started here; empty when one can."""
    try:
        is_there = importlib.util.find_spec("opentelemetry.proto") is not None
    except ModuleNotFoundError:
        is_there = False
    return "" if is_there else "tracing needs opentelemetry-proto: pip install onceproof[tracing]"


def told_to_export(url: str, service: str) -> dict[str, str]:
    """OpenTelemetry's standard environment, for a worker of any language.

    Source: opentelemetry.io/docs/specs/otel/protocol/exporter
    """
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": service,
    }
