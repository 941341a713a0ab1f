"""What agents cost that only wait: memory of each kind of process, and actors that are active.

Looked at three times: before the first agent, when all have arrived and none is woken yet, and when
all have ended. Called by `watch`; it only looks.
"""

from dataclasses import dataclass, field

import httpx
import msgspec

from harness.cluster.processes import Processes
from harness.cluster.usage import rss_mb_of
from harness.protocols import Platform

LOOK_S = 2.0
"""After the last arrival: starting is over, waiting has begun."""


class _Actors(msgspec.Struct):
    type: str
    count: int = 0


class _Runtime(msgspec.Struct, rename="camel"):
    active_actors: list[_Actors] = []


class _Metadata(msgspec.Struct, rename="camel"):
    actor_runtime: _Runtime = msgspec.field(default_factory=_Runtime)


_METADATA = msgspec.json.Decoder(_Metadata)


@dataclass(slots=True)
class Idle:
    """The looks of one run, as ``<what>.<when>``: ``rss_mb.sidecar.parked``."""

    processes: Processes
    pods: Platform
    http: httpx.AsyncClient
    figures: dict[str, float] = field(default_factory=dict)

    async def look(self, when: str) -> None:
        """Look once: ``before``, ``parked`` or ``ended``."""
        for kind, size in rss_mb_of(self.processes.all).items():
            self.figures[f"rss_mb.{kind}.{when}"] = round(size, 2)
        active = await self._active_actors()
        if active is not None:
            self.figures[f"active_actors.{when}"] = active

    async def _active_actors(self) -> float | None:
        """Workflow actors in memory of all sidecars, as their metadata says; None without one."""
        urls = [pod.sidecar_url for pod in self.pods.by_slot.values() if pod.sidecar_url]
        counts = []
        for url in urls:
            try:
                answer = await self.http.get(f"{url}/v1.0/metadata", timeout=5.0)
                found = _METADATA.decode(answer.content).actor_runtime.active_actors
            except (httpx.HTTPError, msgspec.MsgspecError):
                return None
            counts.append(sum(one.count for one in found if one.type.endswith(".workflow")))
        return float(sum(counts)) if counts else None


def told(figures: dict[str, float], agents: int) -> str:
    """The looks in words: kB per parked agent by kind of process, and the actors."""
    kinds = sorted(
        name.split(".")[1]
        for name in figures
        if name.startswith("rss_mb.") and name.endswith(".parked")
    )
    grown = {
        kind: figures[f"rss_mb.{kind}.parked"] - figures[f"rss_mb.{kind}.before"]
        for kind in kinds
        if f"rss_mb.{kind}.before" in figures
    }
    parts = [f"{kind} {size * 1024 / agents:.1f} kB" for kind, size in grown.items()]
    text = f"{agents} agents; resident memory grew per agent by: {', '.join(parts)}"
    actors = [
        f"{figures[f'active_actors.{when}']:.0f} {when}"
        for when in ("before", "parked", "ended")
        if f"active_actors.{when}" in figures
    ]
    return f"{text}; active workflow actors: {', '.join(actors)}" if actors else text
