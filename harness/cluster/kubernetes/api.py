"""The cluster's API in few words: objects as they stand in manifests, errors that say what to do.

Credentials, certificates and exec plug-ins are the official client's part; see docs/adr/0004.
Called by everything in this package; nothing here knows what is deployed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio import config as configs
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.config_exception import ConfigException

from harness.errors import MachineError, UsageError

Manifest = dict[str, Any]
"""One object, as it would stand in a YAML file."""
CALL_S = 20.0
MERGE = "application/merge-patch+json"
GROUPS = {
    "Namespace": ("/api/v1", "namespaces"),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "Event": ("/api/v1", "events"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Node": ("/api/v1", "nodes"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "StorageClass": ("/apis/storage.k8s.io/v1", "storageclasses"),
    "PodChaos": ("/apis/chaos-mesh.org/v1alpha1", "podchaos"),
    "Component": ("/apis/dapr.io/v1alpha1", "components"),
    "Configuration": ("/apis/dapr.io/v1alpha1", "configurations"),
    "Resiliency": ("/apis/dapr.io/v1alpha1", "resiliencies"),
    "Subscription": ("/apis/dapr.io/v2alpha1", "subscriptions"),
}
"""Kind -> where the API has it."""


class ApiError(MachineError):
    """The cluster refused a call, or gave no answer (status 0)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One entry of a kubeconfig."""

    name: str
    cluster: str
    server: str


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """Where objects of a kind are, or one of them."""
    group, plural = GROUPS[kind]
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{place}/{plural}" + (f"/{name}" if name else "")


class Api:
    """A connection to one cluster; `connect` makes it, ``async with`` closes it."""

    def __init__(self, client: ApiClient, context: Context) -> None:
        self._client = client
        self.context = context

    @classmethod
    async def connect(cls, context: str = "") -> Self:
        """Read the kubeconfig, or the service account of the pod that this runs in.

        Raises:
            UsageError: there is neither, or no such context in it.
        """
        settings = Configuration()
        try:
            loader = await configs.load_kube_config(
                config_file=os.environ.get("KUBECONFIG") or None,
                context=context or None,
                client_configuration=settings,
                persist_config=False,
            )
            entry = loader.current_context
            found = Context(
                name=entry["name"], cluster=entry["context"]["cluster"], server=settings.host
            )
        except (ConfigException, KeyError, TypeError) as error:
            if context:
                raise UsageError(
                    f"no context {context!r} in the kubeconfig ({error}); see `kubectl config "
                    "get-contexts`"
                ) from error
            try:
                configs.load_incluster_config(client_configuration=settings)
            except ConfigException:
                raise UsageError(
                    f"no cluster: no usable kubeconfig ({error}) and not inside a pod; set "
                    "KUBECONFIG, name --context, or make a cluster: `make cluster`"
                ) from error
            found = Context(name="in-cluster", cluster="in-cluster", server=settings.host)
        return cls(ApiClient(settings), found)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def get(self, path: str, **query: str) -> Manifest:
        """One object, or a list of them.

        Raises:
            ApiError: the cluster says no, or nothing.
        """
        return await self._call("GET", path, query=query)

    async def items(self, kind: str, namespace: str = "", **query: str) -> list[Manifest]:
        """All objects of a kind; ``labelSelector`` and the like narrow them. Raises as `get`."""
        listed = await self.get(path_of(kind, namespace), **query)
        return [{"kind": kind, **one} for one in listed.get("items") or ()]

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object in the namespace of its metadata. Raises as `get`."""
        path = path_of(manifest["kind"], manifest["metadata"].get("namespace", ""))
        return await self._call("POST", path, body=manifest)

    async def post(self, path: str, body: Manifest) -> Manifest:
        """Ask for what is no object of a kind above, such as a review. Raises as `get`."""
        return await self._call("POST", path, body=body)

    async def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> Manifest:
        """Merge ``change`` into an object. Raises as `get`."""
        return await self._call(
            "PATCH", path_of(kind, namespace, name), body=change, content_type=MERGE
        )

    async def delete(
        self, kind: str, namespace: str, name: str, *, grace_s: int | None = None, uid: str = ""
    ) -> bool:
        """Have an object deleted, if it is still that of ``uid``; False when it was gone already.

        Raises:
            ApiError: any other refusal.
        """
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", path_of(kind, namespace, name), body=options)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    async def watch(
        self, kind: str, namespace: str, **query: str
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """List, then follow: (ADDED | MODIFIED | DELETED | LISTED, object), without an end.

        After each list comes ``("LISTED", list)``: what stands in none of its items is gone. A
        connection that breaks is made again. Raises as `get` when no list can be had.
        """
        path = path_of(kind, namespace)
        while True:
            listed = await self.get(path, **query)
            yield "LISTED", listed
            version = listed["metadata"]["resourceVersion"]
            asked = {**query, "watch": "true", "resourceVersion": version}
            try:
                answer = await self._raw("GET", path, query=asked, limit_s=None)
            except (aiohttp.ClientError, TimeoutError):
                continue
            try:
                while answer.status == 200 and (line := await answer.content.readline()):
                    event = msgspec.json.decode(line)
                    if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                        break
                    yield event["type"], event["object"]
            except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
                continue
            finally:
                answer.close()

    async def execute(self, namespace: str, pod: str, container: str, *words: str) -> str:
        """Run a command in a container; what it wrote.

        Raises:
            ApiError: it could not be run, or did not end with 0; with what it wrote.
        """
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in words]
        path = path_of("Pod", namespace, pod) + "/exec"
        headers: dict[str, str] = {}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"])
        session: aiohttp.ClientSession = self._client.rest_client.pool_manager
        text, status = b"", b""
        try:
            async with (
                asyncio.timeout(CALL_S),
                session.ws_connect(
                    f"{self._client.configuration.host}{path}?{urlencode(query)}",
                    protocols=("v4.channel.k8s.io",),
                    headers=headers,
                ) as socket,
            ):
                async for message in socket:
                    channel, rest = message.data[:1], message.data[1:]
                    if channel == b"\x03":
                        status += rest
                    else:
                        text += rest
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(
                f"exec in {pod}/{container} was not possible: {error!r}", status=0
            ) from error
        written = text.decode(errors="replace")
        if b'"Success"' not in status:
            raise ApiError(
                f"exec {' '.join(words)} in {pod}/{container} failed: "
                f"{status.decode(errors='replace')[:300]} {written[-500:]}",
                status=0,
            )
        return written

    async def log(
        self, namespace: str, pod: str, container: str, *, lines: int, is_previous: bool = False
    ) -> str:
        """The end of a container's log, or of the one before it. Raises as `get`."""
        query = {"container": container, "tailLines": str(lines)}
        if is_previous:
            query["previous"] = "true"
        path = path_of("Pod", namespace, pod) + "/log"
        return str((await self._call("GET", path, query=query, is_text=True))["text"])

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
        is_text: bool = False,
    ) -> Manifest:
        try:
            answer = await self._raw(
                method, path, query=query, body=body, content_type=content_type, limit_s=CALL_S
            )
            content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(
                f"no answer from the cluster at {self.context.server} (context "
                f"{self.context.name}): {error!r}; is it up, and reachable from here?",
                status=0,
            ) from error
        if is_text and answer.status < 300:
            return {"text": content.decode(errors="replace")}
        try:
            found = msgspec.json.decode(content)
        except msgspec.MsgspecError:
            found = {"message": content[:300].decode(errors="replace")}
        if not isinstance(found, dict):
            found = {"message": str(found)[:300]}
        if answer.status >= 300:
            raise ApiError(
                f"the cluster answers {answer.status} to {method} {path}: "
                f"{found.get('message', answer.reason)}",
                status=answer.status,
            )
        return found

    async def _raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
        limit_s: float | None,
    ) -> aiohttp.ClientResponse:
        answer: aiohttp.ClientResponse = await self._client.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=limit_s,
        )
        return answer
