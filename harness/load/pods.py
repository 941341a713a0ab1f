"""Who lives where: the driver's view of pods.json, which the runner replaces at every change.

A caller that no longer stands in the file, in whatever state, is reaped: nothing of it runs.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import HarnessError

READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEntry:
    """One incarnation of a pod."""

    slot: str
    caller: str
    url: str
    """Base URL of its worker."""
    state: str
    """ready | down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """All incarnations that are not reaped."""

    pods: tuple[PodEntry, ...] = ()

    def ready(self) -> tuple[PodEntry, ...]:
        """List those that take requests."""
        return tuple(pod for pod in self.pods if pod.state == READY)

    def ready_of(self, slot: str) -> PodEntry | None:
        """Find the incarnation of a slot that takes requests; the newest stands last."""
        for pod in reversed(self.pods):
            if pod.slot == slot and pod.state == READY:
                return pod
        return None

    def live_for(self, slot: str, *, any_pod_answers: bool) -> tuple[PodEntry, ...]:
        """List who may be asked about an agent of a slot; the slot's own pod first."""
        own = self.ready_of(slot)
        if not any_pod_answers:
            return (own,) if own else ()
        others = tuple(pod for pod in self.ready() if pod != own)
        return (own, *others) if own else others

    def has(self, caller: str) -> bool:
        """Say whether an incarnation is not reaped yet."""
        return any(pod.caller == caller for pod in self.pods)


_PODS = msgspec.json.Decoder(Pods)


class PodsFile:
    """Reads pods.json again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self.current = Pods()

    def refresh(self) -> bool:
        """Read the file if it is another one than last time; True when pods changed.

        A file that is not there yet means no pods.

        Raises:
            HarnessError: the file is there and is no list of pods.
        """
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return False
            data = self._path.read_bytes()
        except FileNotFoundError:
            return False
        try:
            found = _PODS.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise HarnessError(f"{self._path} is no list of pods: {error}") from error
        self._stamp = stamp
        has_changed = found != self.current
        self.current = found
        return has_changed
