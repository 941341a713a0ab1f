"""Every platform keeps one contract: pods come, are struck with proof, heal as the next life.

The local one with real processes of a small worker; that of Kubernetes against a cluster in the
test. The same on a real cluster is `onceproof run baseline --platform kubernetes`.
"""

import asyncio
import contextlib
import json
import math
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from harness.clock import SystemClock
from harness.cluster.kubernetes.back_end import KubernetesBackEnd
from harness.cluster.local import LocalBackEnd
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.protocols import Platform
from tests.cluster_double import cluster

SLOTS = ("agents-1", "agents-2", "agents-3")
SERVE = """
import http.server, os
hoard = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/leak": hoard.append(b"x" * (200 << 20))
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["ONCEPROOF_PORT"])), Handler).serve_forever()
"""
Scene = Callable[[Platform, Path], Awaitable[None]]


@contextlib.asynccontextmanager
async def standing(
    kind: str, folder: Path, patch: pytest.MonkeyPatch, memory_mb: float = math.inf
) -> AsyncIterator[Platform]:
    """A platform of three pods, started; stopped at the end, whatever happened."""
    clock = SystemClock()
    processes = Processes(run=folder, logs=folder / "logs", clock=clock)
    (folder / "components").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        back_end: LocalBackEnd | KubernetesBackEnd = LocalBackEnd()
        if kind != "local":
            _, file = await stack.enter_async_context(cluster(folder))
            patch.setenv("KUBECONFIG", str(file))
            back_end = KubernetesBackEnd(context="", image="worker:1", host="127.0.0.1")
        platform = back_end.platform(
            PodTemplate(
                worker=(sys.executable, "-c", SERVE),
                environ={},
                witness="http://127.0.0.1:1",
                state=folder / "slots",
                sidecar=None,
                components=folder / "components",
                is_assisted=kind == "stateful",
                memory_mb=memory_mb,
            ),
            SLOTS,
            Means(processes=processes, ports=Ports(os.getpid()), clock=clock, http=http),
            address_book=folder / "pods.json",
            restart_delays_s=(0.0,),
        )
        try:
            await platform.start()
            running = asyncio.create_task(platform.run())
            yield platform
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        finally:
            await platform.stop()


@pytest.fixture(params=["local", "kubernetes", "stateful"])
def play(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Scene], None]:
    """Run a scene on a platform of each kind."""

    def played(scene: Scene) -> None:
        async def whole() -> None:
            async with (
                asyncio.timeout(20),
                standing(request.param, tmp_path, monkeypatch) as platform,
            ):
                await scene(platform, tmp_path)

        asyncio.run(whole())

    return played


def book_of(folder: Path) -> dict[str, tuple[str, str]]:
    entries = json.loads((folder / "pods.json").read_text())["pods"]
    return {one["slot"]: (one["caller"], one["state"]) for one in entries}


def test_started_pods_are_ready_and_in_the_book(play: Callable[[Scene], None]) -> None:
    """Each slot has its first incarnation, a URL of its own, and no trouble."""

    async def scene(platform: Platform, folder: Path) -> None:
        assert tuple(platform.by_slot) == SLOTS
        assert book_of(folder) == {slot: (f"{slot}.1", "ready") for slot in SLOTS}
        assert len({pod.url for pod in platform.by_slot.values()}) == len(SLOTS)
        assert platform.troubles == []

    play(scene)


@pytest.mark.parametrize("part", ["pod", "worker"])
def test_what_was_killed_comes_back_as_the_next_incarnation(
    play: Callable[[Scene], None], part: str
) -> None:
    """Struck with proof, healed with times, told as restarted; no trouble, nobody else moved."""

    async def scene(platform: Platform, folder: Path) -> None:
        struck = await platform.kill("agents-2", part)
        assert struck.victims == ("agents-2.1",)
        assert struck.proof
        healed = await platform.healed("agents-2", deadline_s=10)
        assert healed.caller == "agents-2.2"
        assert healed.parts_ns["total"] > 0
        assert (await platform.restarted.get()).caller == "agents-2.2"
        assert book_of(folder) == {
            "agents-1": ("agents-1.1", "ready"),
            "agents-2": ("agents-2.2", "ready"),
            "agents-3": ("agents-3.1", "ready"),
        }
        assert platform.troubles == []

    play(scene)


def test_a_retired_pod_is_replaced(play: Callable[[Scene], None]) -> None:
    """The end with a grace is a strike as well."""

    async def scene(platform: Platform, folder: Path) -> None:
        struck = await platform.retire("agents-1")
        assert struck.victims == ("agents-1.1",)
        assert (await platform.healed("agents-1", deadline_s=10)).caller == "agents-1.2"

    play(scene)


def test_all_pods_killed_at_once_come_back(play: Callable[[Scene], None]) -> None:
    """Every slot has its next incarnation, whichever came first."""

    async def scene(platform: Platform, folder: Path) -> None:
        strikes = await asyncio.gather(*(platform.kill(slot, "pod") for slot in SLOTS))
        healed = await asyncio.gather(
            *(
                platform.healed(slot, deadline_s=10)
                for slot, struck in zip(SLOTS, strikes, strict=True)
            )
        )
        assert [one.caller for one in healed] == [f"{slot}.2" for slot in SLOTS]

    play(scene)


def test_a_local_worker_that_leaks_is_killed_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above its memory it is struck as by a kubelet, named for it, and the others go on."""

    async def scene() -> None:
        async with asyncio.timeout(20), standing("local", tmp_path, monkeypatch, 120.0) as platform:
            async with httpx.AsyncClient(trust_env=False) as http:
                with contextlib.suppress(httpx.TransportError):  # It may be killed meanwhile.
                    await http.get(f"{platform.by_slot['agents-2'].url}/leak")
            assert (await platform.restarted.get()).caller == "agents-2.2"

            (told,) = platform.troubles
            assert re.match(
                r"worker-agents-2.1 took \d+ MB of memory, expected at most 120 MB", told
            )
            assert book_of(tmp_path) == {
                "agents-1": ("agents-1.1", "ready"),
                "agents-2": ("agents-2.2", "ready"),
                "agents-3": ("agents-3.1", "ready"),
            }

    asyncio.run(scene())
