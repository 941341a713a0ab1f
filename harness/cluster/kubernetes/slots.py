"""Who has which slot: pods of the cluster, in the order in which they say who they are.

No input and no output; `platform` feeds it with what the API and the containers say.
"""

from dataclasses import dataclass, field

from harness.cluster.kubernetes.identity import Asked
from harness.cluster.kubernetes.states import SIDECAR, WORKER, PodState
from harness.ids import Slot, caller_of

PARTS = {"worker": WORKER, "sidecar": SIDECAR}


@dataclass(slots=True)
class KubernetesPod:
    """One slot, and the pod of the cluster that has it now. Implements Pod."""

    slot: Slot
    app_id: str
    url: str = ""
    sidecar_url: str = ""
    """A sidecar listens in its pod alone."""
    incarnation: int = 0
    is_up: bool = False
    """By what the API says."""
    is_ready: bool = False
    """Up, and it answered on its Service."""
    name: str = ""
    uid: str = ""
    """Empty when no pod has the slot."""
    starts: int = 0
    """Of the worker's container in this pod."""
    seen: PodState | None = None
    """The last look at this pod."""
    asked_ns: int = 0
    """When the worker of now asked who it is."""

    @property
    def caller(self) -> str:
        """The incarnation that the witness sees."""
        return caller_of(self.slot, self.incarnation)

    def restarts(self) -> dict[str, int]:
        """Part -> container restarts that were seen of this pod."""
        seen = self.seen.restarts if self.seen is not None else {}
        return {part: seen.get(name, 0) for part, name in PARTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a look at a pod changed of its slot."""

    pod: KubernetesPod
    became_up: bool = False
    ends: dict[str, str] = field(default_factory=dict)
    """Part whose container ended since the last look -> how, for people."""


@dataclass(slots=True)
class Slots:
    """All slots of a run."""

    by_slot: dict[str, KubernetesPod]
    leaving: set[str] = field(default_factory=set)
    """Uids of pods that are being deleted, or gone."""

    def claim(self, asked: Asked, *, app: str, ordinal: int | None, now_ns: int) -> bool:
        """A container asks who it is; False when no slot is free for it yet.

        A restarted container has its slot and is the next incarnation. A new pod gets a slot that
        nobody has, or whose pod is leaving; one of a StatefulSet that of its ordinal, from 0.
        """
        pod = self._of(asked.uid)
        if pod is None:
            own = [one for one in self.by_slot.values() if one.app_id == app]
            if ordinal is not None:
                own = own[ordinal : ordinal + 1]
            pod = next((one for one in own if not one.uid or one.uid in self.leaving), None)
            if pod is None:
                return False
            pod.name, pod.uid, pod.seen = asked.pod, asked.uid, None
        elif asked.starts == pod.starts:
            return True
        pod.starts, pod.asked_ns = asked.starts, now_ns
        pod.incarnation += 1
        pod.is_up = pod.is_ready = False
        return True

    def see(self, state: PodState) -> Change | None:
        """Take in one look; None when the pod has no slot."""
        if state.is_leaving:
            self.leaving.add(state.uid)
        pod = self._of(state.uid)
        if pod is None:
            return None
        before = pod.restarts()
        has_ended = {
            part: state.restarts.get(name, 0) > before[part] for part, name in PARTS.items()
        }
        pod.seen = state
        was_up = pod.is_up
        # Up is the container that asked last: a look may be older than that.
        pod.is_up = state.is_ready and state.restarts.get(WORKER, 0) == pod.starts - 1
        has_news = not was_up or any(has_ended.values())
        if not pod.is_up or has_news:
            pod.is_ready = False
        return Change(
            pod=pod,
            became_up=pod.is_up and has_news,
            ends={
                part: f"{part} of {pod.slot} (pod {pod.name}) ended: "
                f"{state.last_ends.get(PARTS[part], 'unknown how')}"
                for part, is_so in has_ended.items()
                if is_so
            },
        )

    def gone(self, uid: str) -> KubernetesPod | None:
        """A pod is no more; the slot that it had, if no other pod has it already."""
        self.leaving.add(uid)
        pod = self._of(uid)
        if pod is not None:
            pod.is_up = pod.is_ready = False
        return pod

    def _of(self, uid: str) -> KubernetesPod | None:
        return next((one for one in self.by_slot.values() if one.uid == uid), None)
