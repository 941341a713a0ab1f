"""The state of every agent of a run, as the driver knows it, and the counts over it.

Mutable and owned by the driver's one thread; whoever changes an agent does so through a method of
`Roster`, so that the counts always fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.load import ends
from harness.load.schedule import Arrival
from harness.load.starts import StartState


@dataclass(slots=True, kw_only=True)
class Agent:
    """One agent; see docs/design.md for the words."""

    arrival: Arrival
    intended_ns: int
    start: StartState
    hold_token: int = 0
    """Counts holds: entries of the agenda of starts with an older token are void."""
    is_taken: bool = False
    """A user has come to it; from here lateness is no longer the driver's."""
    is_invoked: bool = False
    is_accepted: bool = False
    is_rejected: bool = False
    """The pod said no; nothing is asked unless the witness sees an end."""
    is_refused: bool = False
    """The latest POST certainly did not happen."""
    ended: str = ""
    """completed | failed once that was read and marked at the witness."""
    is_ending: bool = False
    """The outcome is on its way to the witness."""
    end_seen_ns: int = 0
    """The witness's latest word of a last answer; 0 while the agent is not chased."""
    tries: int = 0
    """Fruitless GETs since then."""
    token: int = 0
    """Counts chases: entries of the agenda with an older token are void."""
    asked_ns: int = 0
    """When it was last asked, or accepted; 0 asks at the next sweep."""
    last_status: str = "not asked"


class Roster:
    """All agents of the run."""

    def __init__(self, agents: Iterator[Agent]) -> None:
        self.agents: dict[str, Agent] = {agent.arrival.agent: agent for agent in agents}
        self._open: dict[str, Agent] = {}
        self.planned = len(self.agents)
        self.started = 0
        self.accepted = 0
        self.rejected = 0
        self.completed = 0
        self.failed = 0
        self._resolved = 0

    @property
    def ended(self) -> int:
        """Agents with a terminal status."""
        return self.completed + self.failed

    @property
    def unfinished(self) -> int:
        """Planned agents that neither ended nor were rejected."""
        return self.planned - self._resolved

    @property
    def is_over(self) -> bool:
        """Every planned agent has ended or was rejected."""
        return self._resolved >= self.planned

    def open(self) -> list[Agent]:
        """List the agents that were accepted and have not ended."""
        return list(self._open.values())

    def leftovers(self) -> list[Agent]:
        """List the agents of which it is not known how they ended: started, and no clear no."""
        return [
            agent
            for agent in self.agents.values()
            if agent.is_invoked
            and not agent.ended
            and not agent.is_rejected
            and (agent.start.undecided or agent.is_accepted or not agent.is_refused)
        ]

    def invoke(self, agent: Agent) -> None:
        """A POST is about to leave."""
        agent.is_refused = False
        if not agent.is_invoked:
            agent.is_invoked = True
            self.started += 1

    def accept(self, agent: Agent, asked_ns: int) -> None:
        """The start is known to have happened; count the rhythm of asks from ``asked_ns``."""
        if agent.is_accepted:
            return
        agent.is_accepted = True
        self.accepted += 1
        agent.asked_ns = asked_ns
        if not agent.ended:
            self._open[agent.arrival.agent] = agent

    def reject(self, agent: Agent) -> None:
        """The pod said no."""
        agent.is_rejected = True
        self.rejected += 1
        if not agent.ended:
            self._resolved += 1

    def end(self, agent: Agent, status: str) -> None:
        """A terminal status was read and marked."""
        agent.ended = status
        agent.is_ending = False
        if not agent.is_rejected:
            self._resolved += 1
        self._open.pop(agent.arrival.agent, None)
        if status == ends.COMPLETED:
            self.completed += 1
        else:
            self.failed += 1
