"""A one-node cluster leaves nothing behind, whoever dies first; real Kubernetes, root needed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster.onenode import cgroups
from harness.cluster.onenode.dapr import ask
from harness.cluster.onenode.place import Place, Tools
from harness.cluster.onenode.starter import brought_up, take_down, why_not
from harness.provide.cache import cache_folder
from harness.provide.onenode.programs import KUBERNETES, builds_of
from harness.provide.onenode.tools import PAUSE, find_tools

ROOT = Path(__file__).resolve().parents[2]
GONE_S = 20.0
pytestmark = pytest.mark.integration

STARTER = """
import sys, pathlib, time
from harness.cluster.onenode.place import Place
from harness.cluster.onenode.starter import brought_up
place = Place(pathlib.Path(sys.argv[1]))
tools = Place(pathlib.Path(sys.argv[2])).read_tools()
with brought_up(place, tools, print):
    print("up", flush=True)
    time.sleep(300)
"""


@pytest.fixture(scope="module")
def tools() -> Tools:
    if reason := why_not():
        pytest.skip(f"no cluster here: {reason}")
    if not builds_of(KUBERNETES, cache_folder()).binary.exists():
        pytest.skip("Kubernetes is not built yet: make cluster")
    return find_tools(print, has_dapr=False, engines=None)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path / "cluster")
    yield one
    take_down(one)


def machine() -> list[str]:
    """What a cluster could change of this machine: kernel settings, mounts, network devices."""
    names = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")
    settings = [Path("/proc/sys", name).read_text() for name in names]
    devices = sorted(path.name for path in Path("/sys/class/net").iterdir())
    return [*settings, Path("/proc/self/mountinfo").read_text(), *devices]


def network_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""


def processes_in(network: str) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if network_of(pid) == network]


def await_nothing(place: Place, network: str) -> None:
    """Processes, control groups, mounts and state of the cluster are gone within the limit."""
    deadline = time.monotonic() + GONE_S
    while time.monotonic() < deadline:
        if not (processes_in(network) or cgroups.left(place.cgroup) or place.state.exists()):
            break
        time.sleep(0.1)
    assert processes_in(network) == []
    assert cgroups.left(place.cgroup) == []
    assert not place.state.exists()
    assert not place.kubeconfig.exists()
    assert str(place.root) not in Path("/proc/self/mountinfo").read_text()


def test_a_pod_runs_and_nothing_is_left(tools: Tools, place: Place) -> None:
    """A pod becomes ready; after the block the machine is as it was before."""
    before = machine()

    with brought_up(place, tools, print):
        record = place.read_record()
        assert record is not None
        network = network_of(record.init)
        ask(place, "run", "one", f"--image={PAUSE}", "--image-pull-policy=Never")
        ask(place, "wait", "--for=condition=Ready", "pod/one", "--timeout=30s")
        assert len(processes_in(network)) >= 8
        assert cgroups.left(place.cgroup)

    await_nothing(place, network)
    assert machine() == before


@pytest.mark.parametrize("who", ["starter", "keeper"])
def test_nothing_is_left_when_one_is_killed(tools: Tools, place: Place, who: str) -> None:
    """SIGKILL of the starter, or of the keeper, takes the whole cluster along."""
    given = Place(place.root.parent / "given")
    given.root.mkdir()
    given.write_tools(tools)
    starter = subprocess.Popen(
        (sys.executable, "-c", STARTER, str(place.root), str(given.root)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert starter.stdout is not None
        assert "up\n" in iter(starter.stdout.readline, "")
        record = place.read_record()
        assert record is not None
        network = network_of(record.init)
        keeper = int(record.keeper.partition(".")[0])

        os.kill(starter.pid if who == "starter" else keeper, signal.SIGKILL)

        await_nothing(place, network)
    finally:
        starter.kill()
        starter.wait()
        if starter.stdout is not None:
            starter.stdout.close()
