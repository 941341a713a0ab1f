"""Every right that a run uses of a cluster, as its access control has it; pure.

`preflight` asks for them before a run; the chart's role has these and no more. The cluster of the
tests refuses every call that is none of them.
"""

from collections.abc import Iterable

Right = tuple[str, str, str]
"""Verb, API group (empty for the core), resource with its part."""


def _on(group: str, resource: str, *verbs: str) -> tuple[Right, ...]:
    return tuple((verb, group, resource) for verb in verbs)


BASE = (
    *_on("", "namespaces", "create", "delete", "get", "list"),
    *_on("", "serviceaccounts", "get"),
    *_on("", "services", "create"),
    *_on("", "events", "list"),
    *_on("", "pods", "delete", "get", "list", "patch", "watch"),
    *_on("", "pods/log", "get"),
    # Over a websocket, exec is a GET: "get" up to Kubernetes 1.34, "create" as well from 1.35 on.
    *_on("", "pods/exec", "create", "get"),
    *_on("apps", "deployments", "create"),
    *_on("apps", "statefulsets", "create"),
)
"""Of any run."""
DAPR = (
    *_on("apps", "deployments", "list"),
    *_on("apps", "statefulsets", "list"),
    *_on("dapr.io", "components", "create"),
    *_on("dapr.io", "configurations", "create"),
)
"""Where pods get a sidecar."""
MESSAGES = (
    *_on("dapr.io", "components", "delete", "patch"),
    *_on("dapr.io", "resiliencies", "create"),
    *_on("dapr.io", "subscriptions", "create", "delete", "patch"),
)
"""Where agents get messages: a swap of the broker changes what is deployed."""
VOLUMES = _on("storage.k8s.io", "storageclasses", "list")
"""Where slots keep a state of their own."""
FAULTS = {
    "chaos_pod_kill": (
        *_on("apps", "deployments", "list"),
        *_on("chaos-mesh.org", "podchaos", "create", "delete", "get"),
    ),
    "evict_pod": _on("", "pods/eviction", "create"),
    "rollout_restart": (
        *_on("apps", "deployments", "patch"),
        *_on("apps", "statefulsets", "patch"),
    ),
    "scale_down": (
        *_on("apps", "deployments/scale", "patch"),
        *_on("apps", "statefulsets/scale", "patch"),
    ),
}
"""Fault -> what it takes beyond that."""
ALL = (
    *BASE,
    *DAPR,
    *MESSAGES,
    *VOLUMES,
    *(right for rights in FAULTS.values() for right in rights),
)


def rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """As the rules of a role, one for each resource, in order."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for verb, group, resource in rights:
        verbs.setdefault((group, resource), set()).add(verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs[group, resource])}
        for group, resource in sorted(verbs)
    ]
