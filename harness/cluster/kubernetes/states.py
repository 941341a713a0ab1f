"""What the API says of a pod, in the few words that a run needs; pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

HOPELESS = (
    *("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
)
"""Reasons for which a container waits, and will wait for ever."""
WORKER, SIDECAR = "worker", "daprd"


class _Waiting(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Terminated(msgspec.Struct, rename="camel"):
    exit_code: int = 0
    reason: str = ""
    message: str = ""


class _State(msgspec.Struct):
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: str
    restart_count: int = 0
    state: _State = msgspec.field(default_factory=_State)
    last_state: _State = msgspec.field(default_factory=_State)


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Status(msgspec.Struct, rename="camel"):
    phase: str = ""
    reason: str = ""
    conditions: list[_Condition] = []
    container_statuses: list[_Container] = []
    init_container_statuses: list[_Container] = []


class _Named(msgspec.Struct):
    name: str


class _Spec(msgspec.Struct, rename="camel"):
    containers: list[_Named] = []
    init_containers: list[_Named] = []


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str = ""
    labels: dict[str, str] = {}
    deletion_timestamp: str = ""


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One look at a pod."""

    name: str
    uid: str
    app: str
    """Its label ``app``."""
    is_ready: bool
    """By its condition Ready, and not being deleted."""
    is_leaving: bool
    """Being deleted, or ended for good."""
    has_sidecar: bool
    restarts: dict[str, int]
    """Container -> how often the kubelet restarted it."""
    last_ends: dict[str, str]
    """Container -> how it ended last, for people; absent when it never did."""
    trouble: str
    """Why it will not start, as the kubelet or the scheduler says; empty when nothing is known."""
    is_hopeless: bool
    """Waiting changes nothing of that trouble."""


def state_of(pod: dict[str, Any]) -> PodState:
    """Read one pod object."""
    read = msgspec.convert(pod, _Pod)
    status = read.status
    containers = [*status.container_statuses, *status.init_container_statuses]
    conditions = {one.type: one for one in status.conditions}
    is_leaving = bool(read.metadata.deletion_timestamp) or status.phase in ("Failed", "Succeeded")
    waits = [(one.name, one.state.waiting) for one in containers if one.state.waiting is not None]
    hopeless = [(name, wait) for name, wait in waits if wait.reason in HOPELESS]
    scheduled = conditions.get("PodScheduled")
    trouble = "; ".join(f"{name}: {one.reason} {one.message}".strip() for name, one in waits)
    if scheduled is not None and scheduled.status == "False":
        trouble = f"not scheduled: {scheduled.message}"
    ready = conditions.get("Ready")
    return PodState(
        name=read.metadata.name,
        uid=read.metadata.uid,
        app=read.metadata.labels.get("app", ""),
        is_ready=not is_leaving and ready is not None and ready.status == "True",
        is_leaving=is_leaving,
        has_sidecar=SIDECAR
        in {one.name for one in (*read.spec.containers, *read.spec.init_containers)},
        restarts={one.name: one.restart_count for one in containers},
        last_ends={
            one.name: f"{one.last_state.terminated.reason}, exit "
            f"{one.last_state.terminated.exit_code}"
            for one in containers
            if one.last_state.terminated is not None
        },
        trouble=trouble,
        is_hopeless=bool(hopeless),
    )
