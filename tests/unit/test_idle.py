"""What parked agents cost, and how fast they wake."""

import asyncio
import itertools
from pathlib import Path

import httpx
import pytest

from harness.clock import ManualClock
from harness.cluster.dapr import SidecarPorts
from harness.cluster.means import Means
from harness.cluster.pods import Pods, PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.history import Evidence
from harness.measures.latency import latencies_of, timer_latency_ns, wake_latency_ns
from harness.plan import draw_agents
from harness.runner.idle import Idle, told
from harness.scenario import LoadSpec, Scenario
from tests.mutants.stage import play

FIGURES = {
    "rss_mb.sidecar.before": 100.0,
    "rss_mb.sidecar.parked": 150.0,
    "rss_mb.sidecar.ended": 140.0,
    "rss_mb.redis.before": 10.0,
    "rss_mb.redis.parked": 9.0,
    "active_actors.before": 0.0,
    "active_actors.parked": 2000.0,
    "active_actors.ended": 3.0,
}


def test_growth_is_told_per_agent_and_kind() -> None:
    """From before the first agent to all parked; shrinking is told as such."""
    assert told(FIGURES, 2000) == (
        "2000 agents; resident memory grew per agent by: redis -0.5 kB, sidecar 25.6 kB; "
        "active workflow actors: 0 before, 2000 parked, 3 ended"
    )


def test_without_sidecars_no_actors_are_told() -> None:
    """Nothing is made up."""
    figures = {name: size for name, size in FIGURES.items() if name.startswith("rss")}

    assert "actors" not in told(figures, 2000)


METADATA = (
    b'{"id":"x","actorRuntime":{"activeActors":[{"type":"dapr.internal.default.app.workflow",'
    b'"count":7},{"type":"dapr.internal.default.app.activity","count":2}]}}'
)


@pytest.mark.parametrize(
    ("answer", "active"), [(METADATA, 14.0), (b"{}", 0.0), (b"<html>", None), (None, None)]
)
def test_active_actors_come_from_the_sidecars_metadata(
    tmp_path: Path, answer: bytes | None, active: float | None
) -> None:
    """The sum over all sidecars; a sidecar that does not answer makes it unknown."""

    def serve(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1.0/metadata"
        if answer is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=answer)

    async def scene() -> dict[str, float]:
        clock = ManualClock(now_ns=1)
        processes = Processes(run=tmp_path, logs=tmp_path, clock=clock)
        async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as http:
            template = PodTemplate(
                worker=("true",), environ={}, witness="", state=tmp_path, sidecar=None
            )
            pods = Pods(
                template,
                ("agents-1", "agents-2"),
                Means(processes=processes, ports=Ports(1), clock=clock, http=http),
                address_book=tmp_path / "pods.json",
            )
            for number, pod in enumerate(pods.by_slot.values()):
                pod.sidecar_ports = SidecarPorts(http=number, grpc=0, internal=0, metrics=0)
            idle = Idle(processes=processes, pods=pods, http=http)
            await idle.look("parked")
            return idle.figures

    figures = asyncio.run(scene())

    assert figures.get("active_actors.parked") == active


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    """Small runs of the reference in process, by pattern."""
    found = {}
    for pattern in ("event", "timer", "chain"):
        folder = tmp_path_factory.mktemp(pattern)
        found[pattern] = play(folder, "default", agents=6, mix={pattern: 1.0}).evidence
    return found


def test_a_wake_is_from_the_event_to_the_next_request(runs: dict[str, Evidence]) -> None:
    """Agents that were waiting wake as fast as the reference is; early events wake nobody."""
    woken = wake_latency_ns(runs["event"])

    assert 0 < len(woken) < 6
    assert (woken >= 0).all()
    assert (woken < 500_000_000).all()


def test_a_timer_is_late_from_its_due_time(runs: dict[str, Evidence]) -> None:
    """The due time follows from the answer before the wait; the reference is a little late."""
    late = timer_latency_ns(runs["timer"])

    assert len(late) == 6
    assert (late >= 0).all()
    assert (late < 500_000_000).all()


def test_waits_are_shown_where_there_are_any(runs: dict[str, Evidence]) -> None:
    """A page without waits has no empty lines for them."""
    names = {pattern: [one.name for one in latencies_of(run)] for pattern, run in runs.items()}

    assert "wake" in names["event"]
    assert "timer" in names["timer"]
    assert {"wake", "timer"}.isdisjoint(names["chain"])


def test_a_parked_agent_is_woken_when_the_scenario_says() -> None:
    """The time is the scenario's; the programs of a warm-up never wait for an event."""
    scenario = Scenario(
        name="idle",
        summary="",
        mix={"parked": 1.0},
        park_s=7.0,
        load=LoadSpec(agents=3, warm_up_agents=2),
    )
    agents = draw_agents(scenario, 1)
    warm_up = draw_agents(scenario, 1, is_warm_up=True)
    steps = itertools.chain.from_iterable(one.program.steps for one in agents)

    assert [step.wait_s for step in steps if step.kind == "receive"] == [7.0] * 3
    assert all(step.kind == "say" for one in warm_up for step in one.program.steps)
