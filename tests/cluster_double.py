"""A cluster that is a web server in the test: it keeps objects, and pods come, leave and restart.

It answers what the back end asks, in the API's forms, and does what controllers and kubelets do: a
workload gets its pods, a deleted pod is replaced, a killed container comes back in place. Each
worker's container asks the harness who it is, as the real one does. It refuses every call for
which `rights` has no right, as the chart's role would. Not a mock: nothing here knows what a test
expects.
"""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from harness.cluster.kubernetes.rights import ALL, Right
from tests.chaos_mesh_double import ChaosMesh, is_held

Manifest = dict[str, Any]
NOT_THERE = {"kind": "Status", "message": "not found"}


@dataclass(slots=True)
class Double:
    """The state of the cluster, and the knobs that break it."""

    objects: dict[str, Manifest] = field(default_factory=dict)
    """Path -> object."""
    denied: set[tuple[str, str]] = field(default_factory=set)
    """(verb, resource) that the caller may not."""
    injects: bool = True
    waits: Manifest = field(default_factory=dict)
    """The state in which every worker's container waits for ever; empty for none."""
    quota: str = ""
    """Why no pod may be created; empty when they may."""
    budget: str = ""
    """Why no pod may be evicted; empty when they may."""
    has_chaos_mesh: bool = False
    chaos_mesh: ChaosMesh = field(init=False)
    has_kinds: bool = True
    log: str = ""
    servers: list[web.AppRunner] = field(default_factory=list)
    asks: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of every request."""
    used: set[Right] = field(default_factory=set)
    """Rights that the requests needed."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _streams: list[asyncio.Queue[Manifest]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chaos_mesh = ChaosMesh(objects=self.objects, delete_pod=self.delete_pod)

    def put(self, path: str, found: Manifest, event: str = "MODIFIED") -> Manifest:
        """Keep an object and tell who watches."""
        found["metadata"]["resourceVersion"] = str(next(self._numbers))
        self.objects[path] = found
        if "/pods/" in path:
            self._tell(event, found)
        return found

    def pods(self) -> list[Manifest]:
        return [one for path, one in self.objects.items() if "/pods/" in path]

    def namespaces(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.objects if path.count("/") == 4]

    def workload(
        self, kind: str, name: str, *, version: str = "1.18.2", ready: int = 1, of: str = "dapr"
    ) -> None:
        """One of Dapr's own, or of another system's."""
        labels = {"app.kubernetes.io/part-of": of, "app.kubernetes.io/version": version}
        metadata = {"name": name, "namespace": f"{of}-system", "labels": labels}
        path = f"/apis/apps/v1/namespaces/{of}-system/{kind}/{name}"
        self.put(path, {"metadata": metadata, "status": {"readyReplicas": ready}})

    def install_dapr(self, version: str = "1.18.2") -> None:
        for name in ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector"):
            self.workload("deployments", name, version=version)
        for name in ("dapr-placement-server", "dapr-scheduler-server"):
            self.workload("statefulsets", name, version=version)

    def do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, event: str, found: Manifest) -> None:
        for stream in self._streams:
            stream.put_nowait({"type": event, "object": deepcopy(found)})

    async def _serve(self, spec: Manifest) -> str:
        """A Service: an address on which a pod with its labels answers once it is ready, late."""
        number = next(self._numbers)
        address = f"127.{1 + os.getpid() // 250 % 250}.{os.getpid() % 250}.{1 + number % 250}"

        async def answer(_request: web.Request) -> web.Response:
            await asyncio.sleep(0.03)
            wanted = spec["selector"].items()
            is_there = any(
                wanted <= pod["metadata"]["labels"].items()
                and {"type": "Ready", "status": "True"} in pod["status"]["conditions"]
                for pod in self.pods()
            )
            return web.Response(status=200 if is_there else 503)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, spec["ports"][0]["port"]).start()
        self.servers.append(runner)
        return address

    # What controllers and kubelets do.

    def spawn(self, workload: Manifest, index: int) -> None:
        """One pod of a workload."""
        namespace, app = workload["metadata"]["namespace"], workload["metadata"]["name"]
        number = next(self._numbers)
        name = f"{app}-{index}" if workload["kind"] == "StatefulSet" else f"{app}-x{number}"
        if self.quota:
            path = f"/api/v1/namespaces/{namespace}/events/e{number}"
            metadata = {"name": f"e{number}", "namespace": namespace}
            self.put(path, {"metadata": metadata, "reason": "FailedCreate", "message": self.quota})
            return
        template = deepcopy(workload["spec"]["template"])
        if self.injects and "dapr.io/enabled" in template["metadata"].get("annotations", {}):
            template["spec"]["containers"].append({"name": "daprd"})
        metadata = {
            **template["metadata"],
            **{"name": name, "namespace": namespace, "uid": f"uid-{number}"},
        }
        statuses = [
            {"name": one["name"], "restartCount": 0, "state": {"waiting": self.waits}}
            if self.waits
            else {"name": one["name"], "restartCount": 0, "state": {}}
            for one in template["spec"]["containers"]
        ]
        pod = {
            "metadata": metadata,
            "spec": template["spec"],
            "status": {"phase": "Pending", "conditions": [], "containerStatuses": statuses},
            "owner": (workload, index),
        }
        self.put(f"/api/v1/namespaces/{namespace}/pods/{name}", pod, "ADDED")
        if not self.waits:
            self.do(self._live(pod, starts=1))

    async def _live(self, pod: Manifest, *, starts: int) -> None:
        """A worker's container: asks who it is, then is ready."""
        environ = {
            one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0].get("env", ())
        }
        metadata = pod["metadata"]
        body = {"pod": metadata["name"], "uid": metadata["uid"], "starts": starts}
        async with aiohttp.ClientSession() as http:
            while "ONCEPROOF_IDENTITY_URL" in environ:
                with contextlib.suppress(aiohttp.ClientError):
                    url = environ["ONCEPROOF_IDENTITY_URL"]
                    async with http.post(url, data=json.dumps(body)) as answer:
                        if answer.status == 200:
                            pod["identity"] = await answer.json()
                            break
                await asyncio.sleep(0.02)
        self._set_ready(pod, is_so=True)

    def _set_ready(self, pod: Manifest, *, is_so: bool) -> None:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if self.objects.get(path) is not pod:
            return
        pod["status"]["conditions"] = [{"type": "Ready", "status": str(is_so)}]
        self.put(path, pod)

    def end_container(self, pod: Manifest, name: str) -> None:
        """SIGKILL, and the restart in place."""
        status = next(one for one in pod["status"]["containerStatuses"] if one["name"] == name)
        status["restartCount"] += 1
        status["lastState"] = {"terminated": {"exitCode": 137, "reason": "Error"}}
        self._set_ready(pod, is_so=False)
        if name == "worker":
            self.do(self._live(pod, starts=status["restartCount"] + 1))
        else:
            self._set_ready(pod, is_so=True)

    def delete_pod(self, path: str) -> None:
        pod = self.objects.pop(path)
        self._tell("DELETED", pod)
        workload, index = pod["owner"]
        is_wanted = len(self._of(workload)) < workload["spec"]["replicas"]
        if is_wanted and pod["metadata"]["namespace"] in self.namespaces():
            self.spawn(workload, index)

    # What the API answers.

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path, method = request.path, request.method
        self.asks.append((method, path))
        needed = rights_of(method, path, is_watch="watch" in request.query)
        self.used |= needed
        if refused := needed - set(ALL):
            return web.json_response({"message": f"forbidden: {sorted(refused)}"}, status=403)
        if path.endswith("/exec"):
            return await self._exec(request)
        if path == "/version":
            return web.json_response({"gitVersion": "v1.34.4"})
        if path == "/apis/chaos-mesh.org/v1alpha1":
            resources = [{"name": "podchaos"}] if self.has_chaos_mesh else []
            return web.json_response({"resources": resources}, status=200 if resources else 404)
        if path == "/apis/dapr.io/v1alpha1":
            kinds = ("components", "configurations") if self.has_kinds else ()
            resources = [{"name": name} for name in kinds]
            return web.json_response({"resources": resources}, status=200 if kinds else 404)
        if path.endswith("/selfsubjectaccessreviews"):
            asked = (await request.json())["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
            is_so = (asked["verb"], resource) not in self.denied
            return web.json_response({"status": {"allowed": is_so}})
        if path.endswith("/log"):
            return web.Response(text=self.log)
        if path.endswith("/serviceaccounts/default"):
            return web.json_response({"metadata": {"name": "default"}})
        return await self._of_objects(request)

    async def _of_objects(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if request.method == "POST" and path.endswith("/eviction"):
            return self._evict(path.removesuffix("/eviction"), await request.json())
        if request.method == "POST":
            return await self._create(path, await request.json())
        if request.method == "DELETE":
            return self._delete(path, await request.json())
        if request.method == "PATCH":
            path = path.removesuffix("/scale")
            found = self.objects.get(path)
            if found is None:
                return web.json_response(NOT_THERE, status=404)
            return web.json_response(_shown(self._patch(path, found, await request.json())))
        if path in self.objects:
            return web.json_response(_shown(self.objects[path]))
        if path.rpartition("/")[2] not in KINDS:
            return web.json_response(NOT_THERE, status=404)
        if "watch" in request.query:
            return await self._watch(request)
        items = [
            _shown(one)
            for place, one in self.objects.items()
            if place.startswith(path + "/") or _is_everywhere(place, path)
        ]
        wanted = request.query.get("labelSelector", "")
        if wanted:
            key, is_of, value = wanted.partition("=")
            items = [
                one
                for one in items
                if key in one["metadata"].get("labels", {})
                and (not is_of or one["metadata"]["labels"][key] == value)
            ]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def _create(self, path: str, made: Manifest) -> web.Response:
        place = f"{path}/{made['metadata']['name']}"
        if place in self.objects:
            return web.json_response({"message": f"{place} already exists"}, status=409)
        if path.endswith("/services") and "clusterIP" not in made["spec"]:
            made["spec"]["clusterIP"] = await self._serve(made["spec"])
        self.put(place, made, "ADDED")
        if made["kind"] == "PodChaos":
            self.do(self.chaos_mesh.reconcile(place))
        if made["kind"] in ("Deployment", "StatefulSet"):
            for index in range(made["spec"]["replicas"]):
                self.spawn(made, index)
        return web.json_response(_shown(made), status=201)

    def _patch(self, path: str, found: Manifest, change: Manifest) -> Manifest:
        if found.get("kind") in ("Component", "Subscription"):
            found["spec"] |= change["spec"]
            return self.put(path, found)
        for name, values in change.get("metadata", {}).items():
            found["metadata"].setdefault(name, {}).update(values)
        if "template" in change.get("spec", {}):
            self.do(self._roll_out(found))
        elif "replicas" in change.get("spec", {}):
            self._scale(found, change["spec"]["replicas"])
        return self.put(path, found)

    async def _roll_out(self, workload: Manifest) -> None:
        """One after the other, each when the one before it is ready again."""
        for pod in self._of(workload):
            self.delete_pod(path_of(pod))
            while not all(one["status"]["conditions"] for one in self._of(workload)):
                await asyncio.sleep(0.01)

    def _scale(self, workload: Manifest, count: int) -> None:
        """The pod that is cheapest to delete goes, or the last one."""
        pods = self._of(workload)
        workload["spec"]["replicas"] = count
        for pod in sorted(pods, key=_cost)[: max(0, len(pods) - count)]:
            self.delete_pod(path_of(pod))
        free = sorted(set(range(count)) - {pod["owner"][1] for pod in self._of(workload)})
        for index in free[: count - len(self._of(workload))]:
            self.spawn(workload, index)

    def _of(self, workload: Manifest) -> list[Manifest]:
        return [pod for pod in self.pods() if pod["owner"][0] is workload]

    def _evict(self, path: str, body: Manifest) -> web.Response:
        if self.budget:
            return web.json_response({"message": self.budget}, status=429)
        return self._delete(path, body["deleteOptions"])

    def _delete(self, path: str, options: Manifest) -> web.Response:
        found = self.objects.get(path)
        uid = options.get("preconditions", {}).get("uid")
        if found is None:
            return web.json_response(NOT_THERE, status=404)
        if uid and found["metadata"].get("uid") != uid:
            return web.json_response({"message": "another uid"}, status=409)
        if "/pods/" in path:
            self.delete_pod(path)
        elif is_held(found):
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            inside = f"/namespaces/{path.rpartition('/')[2]}/"
            gone = [place for place in self.objects if place == path or inside in place]
            for place in gone:
                del self.objects[place]
        return web.json_response({"kind": "Status"})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        stream: asyncio.Queue[Manifest] = asyncio.Queue()
        self._streams.append(stream)
        for one in self.pods():
            stream.put_nowait({"type": "MODIFIED", "object": one})
        try:
            while True:
                event = await stream.get()
                event["object"] = _shown(event["object"])
                await answer.write(json.dumps(event).encode() + b"\n")
        finally:
            self._streams.remove(stream)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        pod = self.objects[request.path.removesuffix("/exec")]
        *_, how, name = request.query.getall("command")
        if how == "-c":
            found = self._metadata(pod["metadata"]["namespace"])
            await socket.send_bytes(b"\x01" + json.dumps(found).encode())
            await socket.send_bytes(b'\x03{"status":"Success"}')
            await socket.close()
            return socket
        await socket.send_bytes(b"\x01SIGKILL to " + name.encode())
        await socket.send_bytes(b'\x03{"status":"Success"}')
        await socket.close()
        self.end_container(pod, name)
        return socket

    def _metadata(self, namespace: str) -> Manifest:
        """What a sidecar of that namespace says of itself, when its reloads are on."""
        components = [
            {"name": one["metadata"]["name"], "type": one["spec"]["type"]}
            for path, one in self.objects.items()
            if f"/namespaces/{namespace}/components/" in path
        ]
        return {"components": components}


KINDS = (
    *("namespaces", "pods", "services", "events", "deployments", "statefulsets"),
    *("storageclasses", "components", "configurations", "resiliencies", "subscriptions"),
)


EVERYBODYS = (
    *("/version", "/apis/dapr.io/v1alpha1", "/apis/chaos-mesh.org/v1alpha1"),
    "selfsubjectaccessreviews",
)
"""What the roles that a cluster has by itself let every account do.

Source: kubernetes.io/docs/reference/access-authn-authz/rbac, discovery roles and system:basic-user
"""
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


def rights_of(method: str, path: str, *, is_watch: bool) -> set[Right]:
    """What access control asks for before it lets a request through.

    Source: kubernetes.io/docs/reference/access-authn-authz/authorization, request verbs
    """
    if path.endswith(EVERYBODYS):
        return set()
    words = path.strip("/").split("/")
    group, words = ("", words[2:]) if words[0] == "api" else (words[1], words[3:])
    if words[0] == "namespaces" and len(words) > 2:
        words = words[2:]
    resource, named, part = [*words, "", ""][:3]
    whole = f"{resource}/{part}" if part else resource
    if part == "exec":
        return {("get", group, whole), ("create", group, whole)}
    if method == "GET" and not named:
        return {("watch" if is_watch else "list", group, whole)}
    return {(VERBS[method], group, whole)}


def path_of(pod: Manifest) -> str:
    """Where the API has a pod."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _cost(pod: Manifest) -> tuple[int, int]:
    """What goes first when a workload shrinks."""
    annotations = pod["metadata"].get("annotations", {})
    cost = int(annotations.get("controller.kubernetes.io/pod-deletion-cost", "0"))
    return (0 if pod["owner"][0]["kind"] == "StatefulSet" else cost, -pod["owner"][1])


def _shown(found: Manifest) -> Manifest:
    return {key: value for key, value in found.items() if key not in ("owner", "identity")}


def _is_everywhere(place: str, path: str) -> bool:
    """An object of any namespace, for a list that names none."""
    group, _, plural = path.rpartition("/")
    return place.startswith(f"{group}/namespaces/") and place.split("/")[-2] == plural


@contextlib.asynccontextmanager
async def cluster(folder: Path, *, name: str = "test") -> AsyncIterator[tuple[Double, Path]]:
    """A cluster, and a kubeconfig that leads to it."""
    double = Double()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    try:
        yield double, file
    finally:
        for task in list(double._tasks):
            task.cancel()
        for one in (runner, *double.servers):
            await one.cleanup()
