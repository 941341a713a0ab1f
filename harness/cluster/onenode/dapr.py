"""What a one-node cluster gets by charts, Dapr and Chaos Mesh, and workers to try it with."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from harness.cluster.onenode.init import VOLUMES
from harness.cluster.onenode.place import GATEWAY, Place, Tools
from harness.cluster.onenode.starter import Report, environ_of, kubectl
from harness.errors import MachineError

NAMESPACE, CHAOS_NAMESPACE = "dapr-system", "chaos-mesh"
SIDECAR = "daprd"
ROLLOUTS = (
    "deployment/dapr-operator",
    "deployment/dapr-sentry",
    "deployment/dapr-sidecar-injector",
    "statefulset/dapr-placement-server",
    "statefulset/dapr-scheduler-server",
)
READY_S, CALL_S = 180, 240.0


def install_dapr(place: Place, tools: Tools, report: Report) -> None:
    """Apply the chart and wait until every part of the control plane is ready.

    The definitions of Dapr's kinds go first: sentry and the operator do not start without the
    Configuration that is among the objects.

    Raises:
        MachineError: something was refused, or is not ready in time; the message is kubectl's.
    """
    make_volumes(place, tools)
    values = _filled(tools, "dapr.yaml", dapr=tools.dapr)
    apply_chart(place, tools.chart, "dapr", NAMESPACE, values)
    report("Dapr's chart is applied")
    for name in ROLLOUTS:
        ask(place, "-n", NAMESPACE, "rollout", "status", name, f"--timeout={READY_S}s")
    report("Dapr's control plane is ready")


def install_chaos_mesh(place: Place, tools: Tools, report: Report) -> None:
    """Apply Chaos Mesh's chart and wait for its controller, the one part that kills pods.

    Raises:
        MachineError: something was refused, or is not ready in time; the message is kubectl's.
    """
    values = _filled(tools, "chaos-mesh.yaml", version=tools.chaos_mesh)
    apply_chart(place, tools.chaos_chart, "chaos-mesh", CHAOS_NAMESPACE, values)
    rollout = ("rollout", "status", "deployment/chaos-controller-manager")
    ask(place, "-n", CHAOS_NAMESPACE, *rollout, f"--timeout={READY_S}s")
    report("Chaos Mesh's controller is ready")


def apply_chart(
    place: Place, chart: Path | None, release: str, namespace: str, values: str
) -> None:
    """Render a chart as helm does, and apply its definitions, and then its objects.

    Raises:
        MachineError: something was refused; the message is kubectl's.
    """
    folder = place.configs / release
    folder.mkdir(exist_ok=True)
    given = folder / "values.yaml"
    given.write_text(values, encoding="utf-8")
    kube = str(place.read_tools().kube)
    _call((kube, "chart", str(chart), release, namespace, str(given), str(folder)), place)
    definitions = str(folder / "crds.yaml")
    ask(place, "create", "namespace", namespace)
    ask(place, "apply", "--server-side", "-f", definitions)
    ask(place, "wait", "--for=condition=Established", "-f", definitions, f"--timeout={READY_S}s")
    ask(place, "apply", "--server-side", "-f", str(folder / "objects.yaml"))


def make_volumes(place: Place, tools: Tools) -> None:
    """Offer the node's folders as volumes, of a class that claims get when they name none.

    Raises:
        MachineError: the API refused them.
    """
    documents = [_filled(tools, "storage.yaml")]
    documents += [
        _filled(tools, "volumes.yaml", index=str(index), state=str(place.state))
        for index in range(VOLUMES)
    ]
    manifest = place.configs / "volumes.yaml"
    manifest.write_text("---\n".join(documents), encoding="utf-8")
    ask(place, "apply", "--server-side", "-f", str(manifest))


def try_workers(place: Place, tools: Tools, report: Report) -> None:
    """Deploy three workers and wait until they and their sidecars are ready.

    Raises:
        MachineError: they are not in time, or a pod has no sidecar.
    """
    manifest = place.configs / "workers.yaml"
    manifest.write_text(_filled(tools, "workers.yaml", worker=tools.worker, gateway=GATEWAY))
    ask(place, "apply", "-f", str(manifest))
    ask(place, "rollout", "status", "deployment/workers", f"--timeout={READY_S}s")
    pods = json.loads(ask(place, "get", "pods", "-l", "app=workers", "-o", "json"))
    bare = without_sidecar(pods)
    if bare:
        raise MachineError(f"pods without a sidecar: {', '.join(bare)}; is Dapr's injector up?")
    report(f"{len(pods['items'])} workers with sidecars are ready")


def without_sidecar(pods: Any) -> list[str]:
    """Names of pods, of a list as the API gives it, in which there is no daprd."""
    return [
        pod["metadata"]["name"]
        for pod in pods["items"]
        if SIDECAR
        not in {
            container["name"]
            for kind in ("initContainers", "containers")
            for container in pod["spec"].get(kind, ())
        }
    ]


def ask(place: Place, *arguments: str) -> str:
    """What our kubectl says.

    Raises:
        MachineError: it failed; the message is its own.
    """
    return _call(kubectl(place, *arguments), place)


def _call(argv: Sequence[str], place: Place) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
            env=environ_of(place),
        )
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"no answer within {CALL_S:g} s: {' '.join(argv)}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise MachineError(f"{' '.join(argv[-6:])}: {said}; logs: {place.logs}")
    return done.stdout


def _filled(tools: Tools, name: str, **values: str) -> str:
    return Template((tools.templates / name).read_text(encoding="utf-8")).substitute(values)
