"""The chart on a real cluster: a Job inside it loads and strikes agents, and is judged there.

Opt-in, as a cluster takes a minute: `onceproof cluster up --harness --name NAME`, and then this
with ONCEPROOF_CLUSTER=NAME.
"""

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator

import pytest

from harness.cluster.onenode.dapr import ask
from harness.cluster.onenode.place import Place
from harness.cluster.onenode.starter import environ_of, folder_of, kubectl
from harness.errors import MachineError
from harness.provide.cache import cache_folder
from harness.provide.data import module_sources

pytestmark = pytest.mark.integration
RELEASE, NAMESPACE = "crash", "load-tests"
JOB, ACCOUNT = f"{RELEASE}-1", f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
RUN_S = 240
SMALL = {
    "load.agents": 30,
    "load.rate_per_s": 3,
    "load.warm_up_agents": 0,
    "faults.0.count": 2,
    "faults.0.in_flight_min": 1,
    "exposures_min": 1,
}


@pytest.fixture(scope="module")
def place() -> Place:
    name = os.environ.get("ONCEPROOF_CLUSTER", "")
    if not name:
        pytest.skip("ONCEPROOF_CLUSTER names no cluster; see `onceproof cluster up --harness`")
    found = folder_of(cache_folder(), name)
    record = found.read_record()
    if record is None or "onceproof-harness" not in str(record.tools["worker"]):
        pytest.skip(f"cluster {name} is not up, or without --harness")
    return found


@pytest.fixture(scope="module")
def installed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The chart, rendered by helm's engine and applied as `helm install` would."""
    folder = tmp_path_factory.mktemp("chart")
    record = place.read_record()
    assert record is not None
    image = record.tools["worker"]
    values = {"image": image, "workerImage": image, "run": {"set": SMALL}}
    values |= {"results": {"holdSeconds": 120}, "networkPolicy": {"apiServer": {"ports": [16443]}}}
    (folder / "values.yaml").write_text(json.dumps(values))
    chart = str(module_sources("kubernetes") / "chart")
    words = ("chart", chart, RELEASE, NAMESPACE, str(folder / "values.yaml"), str(folder))
    subprocess.run((str(record.tools["kube"]), *words), check=True, timeout=60)
    ask(place, "create", "namespace", NAMESPACE)
    ask(place, "apply", "-f", str(folder / "objects.yaml"))
    yield place
    ask(place, "delete", "-f", str(folder / "objects.yaml"), "--ignore-not-found")
    ask(place, "delete", "namespace", NAMESPACE)


def taken(place: Place) -> dict[str, bytes]:
    """The results, by their names, once the Job says that they wait."""
    until = time.monotonic() + RUN_S
    log = ""
    while "the results wait" not in log:
        assert time.monotonic() < until, log
        time.sleep(1)
        try:
            log = ask(place, "-n", NAMESPACE, "logs", f"job/{JOB}", "--tail=-1")
        except MachineError as error:
            log = str(error)
    take = ("python3", "-m", "harness.cluster.kubernetes.job", "take")
    done = subprocess.run(
        kubectl(place, "-n", NAMESPACE, "exec", f"job/{JOB}", "--", *take),
        capture_output=True,
        check=True,
        timeout=60,
        env=environ_of(place),
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        files = [one for one in tar.getmembers() if one.isfile()]
        return {one.name: tar.extractfile(one).read() for one in files}  # type: ignore[union-attr]


def test_a_job_in_the_cluster_strikes_judges_and_hands_out_its_page(installed: Place) -> None:
    """With the chart's rights alone: a verdict, a page, an exit code, and nothing left behind."""
    files = taken(installed)
    (matrix,) = (json.loads(text) for name, text in files.items() if name.endswith("/matrix.json"))
    (run,) = matrix["runs"]

    assert run["state"] == "judged", run["state_reason"]
    assert run["environment"]["pods"].endswith("context in-cluster")
    assert (run["agents_accepted"], len(run["faults"])) == (SMALL["load.agents"], 2)
    assert any(name.endswith(".html") for name in files)
    assert ask(installed, "get", "namespaces", "-l", "onceproof.dev/run", "-o", "name") == ""
    assert exit_code_of_the_pod(installed) == matrix["exit_code"]


def exit_code_of_the_pod(place: Place) -> int:
    path = "jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}"
    until = time.monotonic() + 30
    while not (
        said := ask(place, "-n", NAMESPACE, "get", "pods", "-l", f"job-name={JOB}", "-o", path)
    ):
        assert time.monotonic() < until
        time.sleep(0.5)
    return int(said)


def test_its_rights_end_where_its_namespaces_do(installed: Place) -> None:
    """The role would let it delete any pod; the guard does not, and says where to look."""
    dapr = ("-n", "dapr-system", f"--as={ACCOUNT}")
    pod = "pod/dapr-placement-server-0"
    with pytest.raises(MachineError, match=r"onceproof may act in namespaces called onceproof-\*"):
        ask(installed, *dapr, "delete", pod, "--dry-run=server")
    with pytest.raises(MachineError, match=r"onceproof may act in namespaces called onceproof-\*"):
        ask(installed, *dapr, "exec", pod, "--", "true")
    with pytest.raises(MachineError, match="forbidden"):
        ask(installed, *dapr, "get", "secrets")
    with pytest.raises(MachineError, match="onceproof may act"):
        ask(installed, f"--as={ACCOUNT}", "delete", "namespace", NAMESPACE, "--dry-run=server")
    made = ask(installed, f"--as={ACCOUNT}", "create", "ns", "onceproof-x", "--dry-run=server")
    assert "created" in made
