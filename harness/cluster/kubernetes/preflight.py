"""Everything that can be known to be wrong with a cluster before anything is deployed on it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.cluster.kubernetes.api import Api, ApiError, Manifest
from harness.cluster.kubernetes.rights import BASE, DAPR, FAULTS, MESSAGES, VOLUMES
from harness.errors import UsageError

DAPR_MINOR = "1.18"
"""Of the SDKs that workers are built with."""
PARTS = ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector")
SERVERS = ("dapr-placement-server", "dapr-scheduler-server")
PART_OF = "app.kubernetes.io/part-of"
CHAOS_CONTROLLER = "chaos-controller-manager"
CHAOS = FAULTS["chaos_pod_kill"]
PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|prd|live)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a cluster is, for environment.json."""

    context: str
    version: str
    dapr: str
    """Its version; empty when it was not asked for."""
    dapr_namespace: str


async def look(
    api: Api,
    *,
    needs_dapr: bool,
    needs_volumes: bool,
    is_sure: bool,
    needs_messages: bool = False,
    faults: frozenset[str] = frozenset(),
) -> Found:
    """Look at a cluster; nothing is changed.

    Raises:
        UsageError: one message with everything that is wrong.
        MachineError: it does not answer.
    """
    version = str((await api.get("/version")).get("gitVersion", "unknown"))
    problems = [] if is_sure else _looks_precious(api)
    rights = BASE + (DAPR if needs_dapr else ()) + (VOLUMES if needs_volumes else ())
    rights += MESSAGES if needs_messages else ()
    rights += tuple(right for kind in sorted(faults) for right in FAULTS.get(kind, ()))
    missing = [right for right in dict.fromkeys(rights) if not await _may(api, right)]
    if missing:
        problems.append(
            f"context {api.context.name} has no right to {', '.join(map(_told, missing))}; ask for "
            "them, or name another --context"
        )
    dapr = namespace = ""
    if needs_dapr and not any(right in DAPR for right in missing):
        dapr, namespace, wrong = await _dapr(api)
        problems += wrong
    if "chaos_pod_kill" in faults and not any(right in CHAOS for right in missing):
        problems += await _chaos_mesh(api)
    may_see = not any(right in VOLUMES for right in missing)
    if needs_volumes and may_see and not await _has_default_class(api):
        problems.append(
            "the engine keeps a state for each slot, and the cluster has no default StorageClass "
            "for their volumes; make one, or take an engine that keeps its state in a store"
        )
    if problems:
        raise UsageError("\n  ".join([f"cannot run on {api.context.server}:", *problems]))
    return Found(context=api.context.name, version=version, dapr=dapr, dapr_namespace=namespace)


def _looks_precious(api: Api) -> list[str]:
    context = api.context
    names = (context.name, context.cluster, context.server)
    found = [name for name in names if PRODUCTION.search(name)]
    if not found:
        return []
    return [
        f"{found[0]} looks like production, and pods are killed there; say --yes-this-cluster if "
        "you mean it, or name another --context"
    ]


async def _may(api: Api, right: tuple[str, str, str]) -> bool:
    verb, group, resource = right
    plain, _, sub = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": plain, "subresource": sub}
    review: Manifest = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await api.post(path, review)
    return bool(answer.get("status", {}).get("allowed"))


def _told(right: tuple[str, str, str]) -> str:
    verb, group, resource = right
    return f"{verb} {resource}{'.' + group if group else ''}"


async def _dapr(api: Api) -> tuple[str, str, list[str]]:
    """Version and namespace of Dapr, and what is wrong with it."""
    try:
        kinds = (await api.get("/apis/dapr.io/v1alpha1")).get("resources") or []
    except ApiError as error:
        if error.status != 404:
            raise
        kinds = []
    lacking = {"components", "configurations"} - {one.get("name") for one in kinds}
    if lacking:
        return (
            "",
            "",
            [
                f"Dapr's definitions are missing: {', '.join(sorted(lacking))}.dapr.io; install "
                f"Dapr {DAPR_MINOR} by its chart (docs/kubernetes.md, 'Which way is yours')"
            ],
        )
    workloads = [*await _of_dapr(api, "Deployment"), *await _of_dapr(api, "StatefulSet")]
    by_name = {one["metadata"]["name"]: one for one in workloads}
    problems = [
        f"{name} of Dapr is {_state(by_name.get(name))}; see `kubectl get pods -A -l app={name}`"
        for name in (*PARTS, *SERVERS)
        if not _ready(by_name.get(name))
    ]
    version, namespace = _version(by_name.values())
    if by_name and not version.startswith(DAPR_MINOR + "."):
        problems.append(
            f"the cluster has Dapr {version or 'of an unknown version'}, expected {DAPR_MINOR}.x, "
            "which the workers' SDK is of"
        )
    return version, namespace, problems


async def _of_dapr(api: Api, kind: str) -> list[Manifest]:
    return await api.items(kind, labelSelector=f"{PART_OF}=dapr")


def _ready(workload: Manifest | None) -> bool:
    return workload is not None and bool(workload.get("status", {}).get("readyReplicas"))


def _state(workload: Manifest | None) -> str:
    return "absent" if workload is None else "there, with no replica ready"


def _version(workloads: Iterable[Manifest]) -> tuple[str, str]:
    for one in workloads:
        labels = one["metadata"].get("labels", {})
        return labels.get("app.kubernetes.io/version", ""), one["metadata"].get("namespace", "")
    return "", ""


async def _chaos_mesh(api: Api) -> list[str]:
    """What is wrong with Chaos Mesh; its objects do nothing when its controller is down."""
    try:
        kinds = (await api.get("/apis/chaos-mesh.org/v1alpha1")).get("resources") or []
    except ApiError as error:
        if error.status != 404:
            raise
        kinds = []
    if not any(one.get("name") == "podchaos" for one in kinds):
        return [
            "fault chaos_pod_kill: skipped: the cluster does not have Chaos Mesh's definitions; "
            "install it by its chart, or take kill_pod"
        ]
    workloads = await api.items("Deployment", labelSelector=f"{PART_OF}=chaos-mesh")
    by_name = {one["metadata"]["name"]: one for one in workloads}
    if _ready(found := by_name.get(CHAOS_CONTROLLER)):
        return []
    return [
        f"fault chaos_pod_kill: {CHAOS_CONTROLLER} of Chaos Mesh is {_state(found)}; see "
        f"`kubectl get pods -A -l {PART_OF}=chaos-mesh`, or take kill_pod"
    ]


async def _has_default_class(api: Api) -> bool:
    annotation = "storageclass.kubernetes.io/is-default-class"
    return any(
        one["metadata"].get("annotations", {}).get(annotation) == "true"
        for one in await api.items("StorageClass")
    )
