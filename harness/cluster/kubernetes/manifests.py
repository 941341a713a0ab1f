"""What a run deploys, as manifests; pure. `run --platform kubernetes --dry-run` prints it.

Everything is in a namespace of the run's own, so that deleting that removes it all.
"""

from dataclasses import dataclass
from typing import Any

from harness.cluster.kubernetes.states import WORKER

Manifest = dict[str, Any]
LABEL = "onceproof.dev/run"
SLOT_LABEL = "onceproof.dev/slot"
OWNER_LABEL = "onceproof.dev/owner"
KEEPER = "onceproof.dev/keeper"
"""Annotation of a run's namespace: host and process that remove it, as `left` reads it."""
PORT = 8080
STATE = "/onceproof/state"
SELF = "/onceproof/self"
"""A folder that outlives the containers of a pod, not the pod."""
CONFIGURATION = "onceproof"
GRACE_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What the manifests depend on."""

    namespace: str
    owner: str
    """Who removes the namespace; the same for all runs of one command."""
    keeper: str
    """Where that one lives; see `KEEPER`."""
    image: str
    """Of the worker: its entry point is a Python 3 that has this package and the worker's own."""
    command: tuple[str, ...]
    environ: dict[str, str]
    identity_url: str
    """Where a container asks which slot and incarnation it is."""
    slots: dict[str, str]
    """Slot -> app id."""
    needs_dapr: bool
    is_stateful: bool
    """Slots keep a folder of their own: a StatefulSet with a volume each."""
    components: tuple[Manifest, ...] = ()
    """Of the run's folder, as Dapr reads them there."""
    takes_messages: bool = False
    """Sidecars deliver messages to the workers."""
    reloads: bool = False
    """Sidecars take in components that change while they run."""


def manifests_of(deployed: Deployed) -> list[Manifest]:
    """Everything, in the order in which it is created."""
    objects: list[Manifest] = [_namespace(deployed)]
    if deployed.needs_dapr:
        objects += [placed(one, deployed) for one in deployed.components]
        objects.append(_configuration(deployed))
    objects += [_service(slot, deployed) for slot in deployed.slots]
    apps: dict[str, int] = {}
    for app in deployed.slots.values():
        apps[app] = apps.get(app, 0) + 1
    if deployed.is_stateful:
        objects += [_headless(app, deployed) for app in apps]
    objects += [_workload(app, count, deployed) for app, count in apps.items()]
    return objects


def _namespace(deployed: Deployed) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": deployed.namespace,
            "labels": {LABEL: deployed.namespace, OWNER_LABEL: deployed.owner},
            "annotations": {KEEPER: deployed.keeper},
        },
    }


def _metadata(name: str, deployed: Deployed, **labels: str) -> Manifest:
    return {
        "name": name,
        "namespace": deployed.namespace,
        "labels": {LABEL: deployed.namespace, **labels},
    }


def placed(component: Manifest, deployed: Deployed) -> Manifest:
    """A resource of Dapr's in the run's namespace."""
    metadata = {**component["metadata"], "namespace": deployed.namespace}
    return {**component, "metadata": metadata}


def _configuration(deployed: Deployed) -> Manifest:
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Configuration",
        "metadata": _metadata(CONFIGURATION, deployed),
        "spec": {
            "tracing": {"samplingRate": "0"},
            # A swap changes the component first; pods that run keep theirs until they end.
            "features": [{"name": "HotReload", "enabled": deployed.reloads}],
        },
    }


def _service(slot: str, deployed: Deployed) -> Manifest:
    """The way to whichever pod has the slot now; it gets the label when it says who it is."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(slot, deployed),
        "spec": {"selector": {SLOT_LABEL: slot}, "ports": [{"port": PORT, "targetPort": PORT}]},
    }


def _headless(app: str, deployed: Deployed) -> Manifest:
    """What a StatefulSet must name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(app, deployed),
        "spec": {"clusterIP": "None", "selector": {"app": app}, "ports": [{"port": PORT}]},
    }


def _workload(app: str, count: int, deployed: Deployed) -> Manifest:
    """All pods of an app: a Deployment, or a StatefulSet where slots have a state of their own."""
    spec: Manifest = {
        "replicas": count,
        "selector": {"matchLabels": {"app": app}},
        "template": {
            "metadata": {
                "labels": {"app": app, LABEL: deployed.namespace},
                "annotations": _annotations(app, deployed) if deployed.needs_dapr else {},
            },
            "spec": _pod(deployed),
        },
    }
    if not deployed.is_stateful:
        # No more pods than slots: the one that leaves makes room for the one that comes.
        spec["strategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
        }
        kind = "Deployment"
    else:
        spec |= {
            "serviceName": app,
            "podManagementPolicy": "Parallel",
            "volumeClaimTemplates": [_claim()],
        }
        kind = "StatefulSet"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": _metadata(app, deployed),
        "spec": spec,
    }


def _annotations(app: str, deployed: Deployed) -> dict[str, str]:
    """On the pod template, where the injector looks.

    Source: docs.dapr.io/reference/arguments-annotations-overview
    """
    return {
        "dapr.io/enabled": "true",
        "dapr.io/app-id": app,
        "dapr.io/config": CONFIGURATION,
        "dapr.io/log-level": "info",
        **({"dapr.io/app-port": str(PORT)} if deployed.takes_messages else {}),
    }


def _pod(deployed: Deployed) -> Manifest:
    volumes: list[Manifest] = [{"name": "self", "emptyDir": {}}]
    if not deployed.is_stateful:
        volumes.append({"name": "state", "emptyDir": {}})
    return {
        "terminationGracePeriodSeconds": GRACE_S,
        # A fault kills one container's process, and a first process takes no SIGKILL from inside.
        "shareProcessNamespace": True,
        "containers": [
            {
                "name": WORKER,
                "image": deployed.image,
                "imagePullPolicy": "IfNotPresent",
                # To the image's entry point, which is a Python 3.
                "args": ["-m", "harness.cluster.kubernetes.container", *deployed.command],
                "env": _environ(deployed),
                "ports": [{"containerPort": PORT}],
                "readinessProbe": {
                    "httpGet": {"path": "/healthz", "port": PORT},
                    "periodSeconds": 1,
                    "timeoutSeconds": 2,
                },
                "volumeMounts": [
                    {"name": "self", "mountPath": SELF},
                    {"name": "state", "mountPath": STATE},
                ],
            }
        ],
        "volumes": volumes,
    }


def _environ(deployed: Deployed) -> list[Manifest]:
    """The worker contract's environment; what depends on the incarnation is asked for at start."""
    fields = {
        # A sidecar delivers messages to its pod's loopback, and all others come to its own address.
        **({} if deployed.takes_messages else {"ONCEPROOF_HOST": "status.podIP"}),
        "POD_NAME": "metadata.name",
        "POD_UID": "metadata.uid",
    }
    values = {
        **deployed.environ,
        "ONCEPROOF_PORT": str(PORT),
        "ONCEPROOF_STATE_DIR": STATE,
        "ONCEPROOF_IDENTITY_URL": deployed.identity_url,
        "OPENAI_API_KEY": "sk-fake-onceproof",
        **({"ONCEPROOF_HOST": "0.0.0.0"} if deployed.takes_messages else {}),
    }
    if deployed.needs_dapr:
        values |= {"DAPR_HTTP_PORT": "3500", "DAPR_GRPC_PORT": "50001"}
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *(
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for name, path in fields.items()
        ),
    ]


def _claim() -> Manifest:
    return {
        "metadata": {"name": "state"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def collector_of(deployed: Deployed, *, app: str, host: str, port: int) -> list[Manifest]:
    """A sidecar of an app with no worker beside it: what a broker still has for it goes to us.

    ``host`` and ``port``: where it delivers, which is where the app would be.
    """
    annotations = {
        **_annotations(app, deployed),
        "dapr.io/app-port": str(port),
        "dapr.io/app-channel-address": host,
    }
    waiting = {
        "name": WORKER,
        "image": deployed.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", "import signal; signal.pause()"],
    }
    template = {
        "metadata": {
            "labels": {"app": app, LABEL: deployed.namespace},
            "annotations": annotations,
        },
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [waiting]},
    }
    return [
        _namespace(deployed),
        *(placed(one, deployed) for one in deployed.components),
        _configuration(deployed),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _metadata(app, deployed),
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": app}},
                "template": template,
            },
        },
    ]
