"""Our chart: what it says twice agrees with the code, and what helm makes of it can be run."""

import json
import re
import subprocess
from typing import Any

import jsonschema
import pytest
import yaml

from harness.cli.arguments import parser
from harness.cluster.kubernetes import job
from harness.cluster.kubernetes.manifests import LABEL, PORT
from harness.cluster.ports import FIRST, LAST
from harness.provide.cache import cache_folder
from harness.provide.data import module_sources
from harness.provide.onenode.archives import NOBODY
from harness.provide.onenode.programs import KUBERNETES, builds_of

CHART = module_sources("kubernetes") / "chart"
IMAGES = {"image": "h:1", "workerImage": "w:1"}


def defaults() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def problems(values: dict[str, Any]) -> set[str]:
    """Where these values are wrong, by the chart's schema."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = jsonschema.Draft7Validator(schema).iter_errors(values)
    return {"/".join(map(str, one.absolute_path)) for one in found}


def test_the_defaults_lack_the_two_images_alone() -> None:
    """Every other value may be left alone, and every value is in the schema."""
    assert problems(defaults()) == {"image", "workerImage"}
    assert problems({**defaults(), **IMAGES}) == set()


def test_a_wrong_value_is_refused_by_its_name() -> None:
    """One that is misspelt, too, which would else be ignored."""
    values = {**defaults(), **IMAGES, "run": {"seed": "x", "scenarios": "y"}, "imagePulPolicy": ""}

    assert problems(values) == {"", "run", "run/seed"}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Kind -> object, as helm's engine makes them."""
    binary = builds_of(KUBERNETES, cache_folder()).binary
    if not binary.exists():
        pytest.skip("no build of onceproof-kube in the cache; `make cluster` makes one")
    folder = tmp_path_factory.mktemp("chart")
    run = {"set": {"load.agents": 3_000_000, "load.rate_per_s": 2.5}, "args": ["--keep-state"]}
    run |= {"engine": "control:guarded", "store": "none", "repeats": 2}
    values = {**IMAGES, "run": run, "results": {"claim": {"enabled": True}}}
    (folder / "values.yaml").write_text(json.dumps(values))
    words = (str(CHART), "crash", "load-tests", str(folder / "values.yaml"), str(folder))
    subprocess.run((str(binary), "chart", *words), check=True, timeout=60)
    objects = yaml.safe_load_all((folder / "objects.yaml").read_text())
    return {one["kind"]: one for one in objects if one}


def pod_of(rendered: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = rendered["Job"]["spec"]["template"]["spec"]
    return spec


def test_the_jobs_words_are_a_run_of_ours(rendered: dict[str, dict[str, Any]]) -> None:
    """The Job's module takes them, and then the command line; numbers are as they were written."""
    words = pod_of(rendered)["containers"][0]["args"]
    assert words[:3] == ["-m", job.__name__, "run"]
    asked = parser().parse_args(["run", *words[words.index("--") + 1 :]])

    assert (asked.platform, asked.worker_image, asked.reach) == ("kubernetes", "w:1", "$(POD_IP)")
    assert (asked.engine, asked.store, asked.repeats) == ("control:guarded", "none", 2)
    assert sorted(asked.overrides) == ["load.agents=3000000", "load.rate_per_s=2.5"]
    assert asked.keep_state
    assert asked.out == job.RUNS


def test_the_pod_has_few_rights_and_two_folders(rendered: dict[str, dict[str, Any]]) -> None:
    """As the images have no other user, and nothing else may be written."""
    pod = pod_of(rendered)
    container = pod["containers"][0]
    dockerfile = (module_sources("kubernetes") / "images" / "Dockerfile").read_text()

    assert pod["securityContext"]["runAsUser"] == NOBODY
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {one["mountPath"] for one in container["volumeMounts"]} == {str(job.RUNS), "/tmp"}
    stages = re.split(r"^FROM .*$", dockerfile, flags=re.MULTILINE)[1:]
    assert [re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] for text in stages] == [
        f"{NOBODY}:{NOBODY}"
    ] * 2
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "crash-runs"


def test_the_network_policy_lets_the_pods_of_runs_in_and_no_others(
    rendered: dict[str, dict[str, Any]],
) -> None:
    """On the ports that the harness takes, by the label that it puts on its namespaces."""
    policy = rendered["NetworkPolicy"]["spec"]
    (ingress,) = policy["ingress"]

    assert ingress["ports"] == [{"protocol": "TCP", "port": FIRST, "endPort": LAST}]
    runs = [{"namespaceSelector": {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}}]
    assert ingress["from"] == runs
    assert {"to": runs, "ports": [{"protocol": "TCP", "port": PORT}]} in policy["egress"]
    labels = rendered["Job"]["spec"]["template"]["metadata"]["labels"].items()
    assert policy["podSelector"]["matchLabels"].items() <= labels


def test_role_binding_and_guard_are_about_the_jobs_account(
    rendered: dict[str, dict[str, Any]],
) -> None:
    """One name differs, and the Job has no rights, or nobody guards them."""
    account = pod_of(rendered)["serviceAccountName"]
    (subject,) = rendered["ClusterRoleBinding"]["subjects"]
    (condition,) = rendered["ValidatingAdmissionPolicy"]["spec"]["matchConditions"]
    rules = yaml.safe_load((CHART / "files" / "rights.yaml").read_text())

    assert rendered["ServiceAccount"]["metadata"]["name"] == subject["name"] == account
    assert f'"system:serviceaccount:load-tests:{account}"' in condition["expression"]
    assert rendered["ClusterRole"]["rules"] == rules
    names = {rendered[kind]["metadata"]["name"] for kind in ("ClusterRole", "ClusterRoleBinding")}
    assert names == {rendered["ClusterRoleBinding"]["roleRef"]["name"]}


def test_the_images_take_pinned_packages_alone() -> None:
    """By hash; and no registry but the one that a name without a host has."""
    text = (module_sources("kubernetes") / "images" / "Dockerfile").read_text()
    froms = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

    assert re.findall(r"^ARG (\S+)", text, re.MULTILINE) == ["PYTHON=python:3.12-slim-bookworm"]
    assert froms == ["${PYTHON}", "worker"]
    installs = re.findall(r"^RUN pip install (.*)$", text, re.MULTILINE)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    assert len(installs) == 2
