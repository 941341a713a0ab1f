"""Which agents were accepted and have not ended: read from the driver's events, as they come."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.plan import PlannedAgent


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    agent: str


@dataclass(slots=True)
class Roster:
    """Follows driver.jsonl by offset; cheap to ask often."""

    events: Path
    slots: dict[str, str]
    """Agent -> slot."""
    programs: dict[str, bytes]
    """Agent -> program as JSON."""
    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    _offset: int = 0

    @classmethod
    def of(cls, agents: list[PlannedAgent], events: Path) -> "Roster":
        """Make the roster of a plan."""
        return cls(
            events=events,
            slots={agent.agent: agent.pod for agent in agents},
            programs={agent.agent: msgspec.json.encode(agent.program) for agent in agents},
        )

    def refresh(self) -> None:
        """Read the events that came since the last time; a line that is not whole yet waits."""
        try:
            with self.events.open("rb") as source:
                source.seek(self._offset)
                fresh = source.read()
        except FileNotFoundError:
            return
        whole = fresh.rfind(b"\n") + 1
        self._offset += whole
        for line in fresh[:whole].splitlines():
            event = msgspec.json.decode(line, type=_Event)
            if event.kind == "ended":
                self.ended.add(event.agent)
            elif event.kind in ("ok", "info"):
                self.begun.add(event.agent)

    def unfinished(self, slot: str) -> list[tuple[str, bytes]]:
        """Agents of a slot that were, or may have been, accepted and have not ended."""
        self.refresh()
        return [
            (agent, self.programs[agent])
            for agent in sorted(self.begun - self.ended)
            if self.slots.get(agent) == slot
        ]
