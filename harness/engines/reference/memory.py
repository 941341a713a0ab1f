"""What the reference engine knows: its journal, and the same in memory for reading.

Writing goes to the journal first, always; memory only ever holds what the journal has.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.engines.contract import AgentView
from harness.engines.reference.journal import Entry, Journal, open_journal
from harness.scenario import Program

RUNNING = AgentView(status="running", output="")


# durable
class Memory:
    """Programs and results of running agents, ends of all others."""

    def __init__(self, journal: Journal, entries: Iterable[Entry]) -> None:
        self._journal = journal
        self._programs: dict[str, Program] = {}
        self._results: dict[str, dict[str, str]] = {}
        self._ends: dict[str, AgentView] = {}
        self._changed = asyncio.Event()
        for entry in entries:
            self._take(entry)

    @staticmethod
    async def open(path: Path) -> "Memory":
        """Read the journal; raises as `open_journal` does."""
        return Memory(*await open_journal(path))

    def unfinished(self) -> list[Program]:
        """The programs of accepted agents that have not ended, in the order of their start."""
        return list(self._programs.values())

    def program(self, agent: str) -> Program:
        """The program of an accepted agent that has not ended."""
        return self._programs[agent]

    def results_count(self, agent: str) -> int:
        """How many results of a running agent are in the journal."""
        return len(self._results[agent])

    def view(self, agent: str) -> AgentView | None:
        """How far an agent is; None for one that was never accepted."""
        return self._ends.get(agent) or (RUNNING if agent in self._programs else None)

    def result(self, agent: str, name: str) -> str | None:
        """A result that is in the journal."""
        return self._results[agent].get(name)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something holds, which is asked at each change of the memory."""
        while not is_so():
            await self._changed.wait()

    def accept(self, program: Program) -> None:
        """From now on this agent will be run to its end, whoever is killed."""
        self._add(Entry(kind="accepted", agent=program.agent, program=program))

    def keep(self, agent: str, name: str, value: str) -> None:
        """From now on this is the result, and is never computed again."""
        self._add(Entry(kind="result", agent=agent, name=name, value=value))

    def end(self, agent: str, view: AgentView) -> None:
        """From now on this agent has ended; its results are let go of."""
        self._add(Entry(kind="ended", agent=agent, name=view.status, value=view.output))

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _add(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._take(entry)
        self._changed.set()
        self._changed = asyncio.Event()

    def _take(self, entry: Entry) -> None:
        match entry.kind:
            case "accepted":
                assert entry.program is not None
                self._programs[entry.agent] = entry.program
                self._results[entry.agent] = {}
            case "result":
                self._results[entry.agent][entry.name] = entry.value
            case "ended":
                self._ends[entry.agent] = AgentView(status=entry.name, output=entry.value)
                del self._programs[entry.agent], self._results[entry.agent]
