"""A run's pods on a cluster: deployed, followed, struck and removed through the API.

The cluster brings back what dies, as a ReplicaSet, a StatefulSet and a kubelet do it; here that is
only seen. `slots` says which pod is which; `waiting` why one does not come.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from harness.clock import Clock
from harness.cluster.address_book import write_book
from harness.cluster.kubernetes.api import Api, ApiError, path_of
from harness.cluster.kubernetes.control_plane import ClusterControlPlane
from harness.cluster.kubernetes.costs import PodCosts
from harness.cluster.kubernetes.identity import Asked, IdentityServer
from harness.cluster.kubernetes.manifests import (
    GRACE_S,
    LABEL,
    PORT,
    SLOT_LABEL,
    Deployed,
    manifests_of,
)
from harness.cluster.kubernetes.namespaces import GONE_S, remove, until_account
from harness.cluster.kubernetes.resources import Resources, resources_in
from harness.cluster.kubernetes.slots import PARTS, Change, KubernetesPod, Slots
from harness.cluster.kubernetes.states import PodState, state_of
from harness.cluster.kubernetes.waiting import why_not_ready
from harness.cluster.kubernetes.workload import ClusterWorkload
from harness.errors import HarnessError, MachineError
from harness.protocols import Healed, Pod, Struck
from harness.results import ProcessRow

LOOK_S = 1.0
"""Between two looks for reasons while pods do not come."""
CONFIRM_S, CONFIRM_PAUSE_S = 2.0, 0.02
LOG_LINES_MAX = 100_000
ASK = (
    "import urllib.request as u; "
    "print(u.urlopen('http://127.0.0.1:3500/v1.0/metadata', timeout=5).read().decode())"
)
FAILURES_MAX = 30
"""Lists of pods that may fail one after another, a second apart, before the run is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strike:
    """How a slot was before it was struck."""

    uid: str
    restarts: dict[str, int]
    at_ns: int


@dataclass(slots=True, kw_only=True)
class KubernetesPlatform:
    """Implements Platform."""

    context: str
    host: str
    identity_port: int
    deployed: Deployed
    """Without the identity's address and the components, which are known at the start."""
    components: Path
    clock: Clock
    http: httpx.AsyncClient
    address_book: Path
    logs: Path
    """Folder that gets the pods' logs at the end."""
    witness: str
    ready_s: float
    python: str
    """In the workers' image, for what a fault runs there."""
    slots: Slots
    control_plane: ClusterControlPlane | None = None
    troubles: list[str] = field(default_factory=list)
    restarted: asyncio.Queue[Pod] = field(default_factory=asyncio.Queue)
    _api: Api | None = None
    _identity: IdentityServer | None = None
    _resources: Resources | None = None
    _follower: asyncio.Task[None] | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _strikes: dict[str, _Strike] = field(default_factory=dict)
    _struck_uids: set[str] = field(default_factory=set)
    _excused: dict[tuple[str, str], int] = field(default_factory=dict)
    """(uid, part) -> container ends that faults of ours caused and that were not seen yet."""
    _confirming: set[asyncio.Task[None]] = field(default_factory=set)
    _bare: set[str] = field(default_factory=set)
    """Uids of pods that lack their sidecar, and were told of."""
    _costs: PodCosts = field(init=False)
    _sampler: asyncio.Task[None] | None = None
    _is_running: bool = False

    def __post_init__(self) -> None:
        plane = (self.control_plane.namespace,) if self.control_plane is not None else ()
        self._costs = PodCosts(namespaces=(self.namespace, *plane))

    @property
    def workload(self) -> ClusterWorkload:
        """See Platform."""
        return ClusterWorkload(platform=self, clock=self.clock)

    @property
    def by_slot(self) -> dict[str, KubernetesPod]:
        """See Platform."""
        return self.slots.by_slot

    @property
    def namespace(self) -> str:
        """The run's own."""
        return self.deployed.namespace

    async def start(self) -> None:
        """See Platform."""
        self._api = await Api.connect(self.context)
        if self.control_plane is not None:
            self.control_plane.api = self._api
        self._identity = IdentityServer(
            host=self.host, port=self.identity_port, answer=self._identify
        )
        await self._identity.start()
        await self._deploy()
        self._follower = asyncio.create_task(self._follow())
        until_ns = self.clock.monotonic_ns() + int(self.ready_s * 1e9)
        while not await self._all_ready(LOOK_S):
            reason, is_hopeless = await why_not_ready(
                self.api,
                self.namespace,
                needs_dapr=self.deployed.needs_dapr,
                asked_count=self._identity.asked_count,
                identity_url=self._identity.url,
            )
            is_late = self.clock.monotonic_ns() > until_ns
            if is_hopeless or is_late:
                bound = f" within {self.ready_s:g} s" if is_late else ""
                raise MachineError(f"the pods in {self.namespace} are not ready{bound}: {reason}")
            if self._follower.done():
                self._follower.result()
        self._is_running = True

    async def run(self) -> None:
        """See Platform; the cluster does the work."""
        assert self._follower is not None
        await asyncio.shield(self._follower)

    async def stop(self) -> None:
        """See Platform: the namespace is deleted, and gone when this returns."""
        if self._follower is not None:
            tasks = [self._follower, *self._confirming]
            if self._sampler is not None:
                tasks.append(self._sampler)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._identity is not None:
            await self._identity.stop()
        if self._api is not None:
            async with self._api as api:
                await self._keep_logs()
                await remove(api, self.namespace, clock=self.clock)
            self._api = None

    async def begin_costs(self) -> None:
        """See Platform."""
        if await self._costs.look(self.api):
            self._costs.begin()
            self._sampler = asyncio.create_task(self._costs.keep_looking(self.api, self.clock))

    async def costs(self) -> tuple[ProcessRow, ...]:
        """See Platform; none where this account may not see the kubelet's numbers."""
        if self._sampler is None:
            return ()
        await self._costs.look(self.api)
        return self._costs.rows()

    async def kill(self, slot: str, part: str) -> Struck:
        """See Platform: a pod is deleted without grace, a container's process killed."""
        pod = self.by_slot[slot]
        victim = self.about_to_strike(pod)
        if part == "pod":
            return await self._delete(pod, victim, grace_s=0)
        container = PARTS[part]
        self._excuse(pod.uid, part)
        try:
            said = await self.api.execute(
                self.namespace,
                pod.name,
                PARTS["worker"],
                *(self.python, "-m", "harness.cluster.kubernetes.strike", container),
            )
        except ApiError as error:
            raise HarnessError(f"{pod.caller}: {container} was not killed: {error}") from error
        before = self._strikes[slot].restarts[part]
        pod.is_ready = False
        await self._tell()
        await self._until(
            lambda: pod.restarts()[part] > before or pod.uid in self.slots.leaving,
            f"{container} of {pod.name} did not end after {said.strip()}",
        )
        end = pod.seen.last_ends.get(container, "") if pod.seen else ""
        return Struck(
            victims=(victim,),
            proof=f"{said.strip()} in pod {pod.name}; restarts {before} to "
            f"{pod.restarts()[part]}, last state {end or 'unknown'}",
        )

    async def retire(self, slot: str) -> Struck:
        """See Platform: a pod is deleted with its grace."""
        pod = self.by_slot[slot]
        return await self._delete(pod, self.about_to_strike(pod), grace_s=GRACE_S)

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        """See Platform."""
        pod, strike = self.by_slot[slot], self._strikes[slot]

        def is_healed() -> bool:
            is_other = pod.uid != strike.uid or any(
                pod.restarts()[part] > count for part, count in strike.restarts.items()
            )
            return pod.is_ready and is_other

        await self._until(
            is_healed, f"{slot} was not healthy again within {deadline_s:g} s", deadline_s
        )
        now_ns = self.clock.monotonic_ns()
        started_ns = max(0, pod.asked_ns - strike.at_ns)
        parts = {"process_start": started_ns, "ready": now_ns - strike.at_ns - started_ns}
        return Healed(caller=pod.caller, parts_ns={**parts, "total": now_ns - strike.at_ns})

    async def configure(self, resources: Path) -> None:
        """See Platform; sidecars that run take in what is new where their reloads are on."""
        assert self._resources is not None
        await self._resources.become(self.api, resources_in(resources))

    async def metadata(self, slot: str) -> bytes:
        """See Platform: a sidecar listens in its pod alone, so the worker's container asks it."""
        pod = self.by_slot[slot]
        ask = (self.python, "-c", ASK)
        try:
            said = await self.api.execute(self.namespace, pod.name, PARTS["worker"], *ask)
        except ApiError as error:
            raise HarnessError(f"{pod.caller}: its sidecar was not asked: {error}") from error
        return said.encode()

    async def _keep_logs(self) -> None:
        """Write down what the pods of now wrote; what a deleted pod wrote went with it."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for pod in self.by_slot.values():
            for part, container in PARTS.items():
                if not pod.uid or (part == "sidecar" and not self.deployed.needs_dapr):
                    continue
                with contextlib.suppress(ApiError):
                    text = await self.api.log(
                        self.namespace, pod.name, container, lines=LOG_LINES_MAX
                    )
                    (self.logs / f"{part}-{pod.caller}.log").write_text(text)

    @property
    def api(self) -> Api:
        """The connection, which `start` makes."""
        assert self._api is not None
        return self._api

    def about_to_strike(self, pod: KubernetesPod, *, leaves: bool = False) -> str:
        """Remember how a pod is, and that it ``leaves`` by a fault; its caller."""
        if leaves:
            self.expect_to_leave(pod.uid)
        self._strikes[pod.slot] = _Strike(
            uid=pod.uid, restarts=pod.restarts(), at_ns=self.clock.monotonic_ns()
        )
        return pod.caller

    def expect_to_leave(self, uid: str) -> None:
        """A fault of ours ends this pod."""
        self._struck_uids.add(uid)

    def _excuse(self, uid: str, part: str) -> None:
        self._excused[uid, part] = self._excused.get((uid, part), 0) + 1

    async def _delete(self, pod: KubernetesPod, victim: str, *, grace_s: int) -> Struck:
        name, uid = pod.name, pod.uid
        if not uid or uid in self.slots.leaving:
            return Struck(victims=(), proof="")
        self.expect_to_leave(uid)
        pod.is_ready = False
        await self._tell()
        if not await self.api.delete("Pod", self.namespace, name, grace_s=grace_s, uid=uid):
            return Struck(victims=(), proof="")
        await self.until_pod_gone(name, uid)
        return Struck(
            victims=(victim,),
            proof=f"pod {name} (uid {uid}) deleted with grace {grace_s} s; its object is gone",
        )

    async def until_pod_gone(self, name: str, uid: str) -> None:
        """Wait until a pod's object is gone; by asking, as the stream of changes may be behind."""
        until_ns = self.clock.monotonic_ns() + int(GONE_S * 1e9)
        while self.clock.monotonic_ns() < until_ns:
            try:
                found = await self.api.get(path_of("Pod", self.namespace, name))
            except ApiError as error:
                if error.status == 404:
                    return
                raise HarnessError(f"pod {name}: {error}") from error
            if found["metadata"]["uid"] != uid:
                return
            await self.clock.sleep_s(0.05)
        raise HarnessError(f"pod {name} was not gone {GONE_S:g} s after its deletion")

    async def _deploy(self) -> None:
        """Create everything, in order; the pods last."""
        assert self._identity is not None
        self.deployed = replace(
            self.deployed,
            identity_url=self._identity.url,
            components=resources_in(self.components),
        )
        self._resources = Resources(self.deployed)
        for manifest in manifests_of(self.deployed):
            made = await self.api.create(manifest)
            name = made["metadata"]["name"]
            if manifest["kind"] == "Namespace":
                await until_account(self.api, self.namespace, clock=self.clock)
            if manifest["kind"] == "Service" and name in self.by_slot:
                self.by_slot[name].url = f"http://{made['spec']['clusterIP']}:{PORT}"

    async def _identify(self, asked: Asked) -> dict[str, str] | None:
        """Give a container its slot, and the slot's Service its pod."""
        found = await self.api.get(path_of("Pod", self.namespace, asked.pod))
        state = state_of(found)
        ordinal = int(asked.pod.rpartition("-")[2]) if self.deployed.is_stateful else None
        now_ns = self.clock.monotonic_ns()
        if state.uid != asked.uid or not self.slots.claim(
            asked, app=state.app, ordinal=ordinal, now_ns=now_ns
        ):
            return None
        pod = next(one for one in self.by_slot.values() if one.uid == asked.uid)
        caller = pod.caller
        await self.api.patch(
            "Pod", self.namespace, pod.name, {"metadata": {"labels": {SLOT_LABEL: pod.slot}}}
        )
        await self._tell()
        return {
            "ONCEPROOF_POD": pod.slot,
            "ONCEPROOF_INCARNATION": str(pod.incarnation),
            "ONCEPROOF_EFFECTS_URL": f"{self.witness}/pods/{caller}/effects",
            "OPENAI_BASE_URL": f"{self.witness}/pods/{caller}/v1",
            "APP_ID": pod.app_id,
            # A swap changes an entry of it between two incarnations.
            **self.deployed.environ,
        }

    async def _follow(self) -> None:
        """Take in every change of the run's pods, until cancelled."""
        selector = f"{LABEL}={self.namespace}"
        failures = 0
        while True:
            try:
                async for what, found in self.api.watch(
                    "Pod", self.namespace, labelSelector=selector
                ):
                    failures = 0
                    if what == "LISTED":
                        self._listed([state_of(one) for one in found["items"]])
                    else:
                        self._seen(what, state_of(found))
                    await self._tell()
            except ApiError as error:
                failures += 1
                if failures > FAILURES_MAX or 400 <= error.status < 500:
                    raise HarnessError(f"the pods cannot be followed: {error}") from error
                await self.clock.sleep_s(1.0)

    def _listed(self, states: list[PodState]) -> None:
        there = {state.uid for state in states}
        for pod in self.by_slot.values():
            if pod.uid and pod.uid not in there:
                self.slots.gone(pod.uid)
        for state in states:
            self._seen("MODIFIED", state)

    def _seen(self, what: str, state: PodState) -> None:
        is_news = state.uid not in self.slots.leaving
        if self.deployed.needs_dapr and not state.has_sidecar:
            state = replace(state, is_ready=False)
            if self._is_running and state.uid not in self._bare:
                self._bare.add(state.uid)
                self.troubles.append(f"pod {state.name} came without a sidecar: injector down?")
        if what == "DELETED":
            self.slots.gone(state.uid)
        change = self.slots.see(state) if what != "DELETED" else None
        is_leaving = what == "DELETED" or state.is_leaving
        if is_news and is_leaving and self._is_running and state.uid not in self._struck_uids:
            self.troubles.append(f"pod {state.name} left without a fault of ours")
        if change is not None:
            self._take(change, state)

    def _take(self, change: Change, state: PodState) -> None:
        for part, text in change.ends.items():
            key = (state.uid, part)
            if self._excused.get(key, 0):
                self._excused[key] -= 1
            else:
                self.troubles.append(text)
        if change.became_up:
            task = asyncio.create_task(self._confirm(change.pod, change.pod.caller))
            self._confirming.add(task)
            task.add_done_callback(self._confirming.discard)

    async def _confirm(self, pod: KubernetesPod, caller: str) -> None:
        """A pod is ready when it answers on its Service, whose endpoints come after its health."""
        while pod.is_up and pod.caller == caller and not pod.is_ready:
            try:
                answer = await self.http.get(f"{pod.url}/healthz", timeout=CONFIRM_S)
                is_healthy = answer.is_success
            except httpx.TransportError:
                is_healthy = False
            if not is_healthy:
                await self.clock.sleep_s(CONFIRM_PAUSE_S)
            elif pod.is_up and pod.caller == caller:
                pod.is_ready = True
                if self._is_running:
                    self.restarted.put_nowait(pod)
                await self._tell()

    async def _tell(self) -> None:
        """The driver's address book, and whoever waits."""
        write_book(self.address_book, self.by_slot.values())
        async with self._changed:
            self._changed.notify_all()

    async def _all_ready(self, limit_s: float) -> bool:
        try:
            await self._until(
                lambda: all(pod.is_ready for pod in self.by_slot.values()), "", limit_s
            )
        except HarnessError:
            return False
        return True

    async def _until(
        self, is_so: Callable[[], bool], otherwise: str, limit_s: float = GONE_S
    ) -> None:
        try:
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(is_so)
        except TimeoutError:
            raise HarnessError(otherwise) from None
