"""The worker of both controls: `python -m harness.engines.control.worker`.

Neither resumes by itself: after a kill the supervisor starts the slot's agents again, and the loop
runs from the first step; what the ledger has is not computed again.
"""

import platform
import sqlite3

import msgspec

from harness.engines.contract import AgentView, Background, Surroundings, about_of, main
from harness.engines.control.adapter import Control
from harness.engines.control.ledger import SqliteLedger
from harness.engines.control.loop import Forgetful, Mailbox, run
from harness.engines.llm import Llm
from harness.errors import EngineError, UsageError
from harness.scenario import Program

# durable: guarded
LEDGER = "ledger.sqlite"
# durable: guarded
END = "end"
"""Name under which an agent's end is kept; no step's result is called so."""

RUNNING = AgentView(status="running", output="")


class ControlWorker:
    """See Worker."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose the ledger of the variant.

        Raises:
            UsageError: no such variant.
        """
        self.about = about_of(
            Control().spec(surroundings.variant),
            python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
        )
        self._surroundings = surroundings
        self._agents = Background()
        self._views: dict[str, AgentView] = {}
        self._ledger: SqliteLedger | Forgetful = Forgetful()
        self._mailbox = Mailbox(self._ledger)
        self._llm: Llm | None = None

    async def open(self) -> None:
        """Open the ledger; nothing is resumed."""
        # durable: guarded
        if self.about.variant == "guarded":
            self._ledger = SqliteLedger(self._surroundings.state_dir / LEDGER)
        self._mailbox = Mailbox(self._ledger)
        self._llm = Llm(self._surroundings)
        await self._agents.open()

    async def start(self, agent: str, program: Program) -> None:
        """Run the loop, unless it runs or has ended."""
        if await self.view(agent) is None:
            self._views[agent] = RUNNING
            self._agents.spawn(self._run(program))

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Write the event down, for whoever waits for it now or later."""
        if await self.view(agent) is None:
            return False
        await self._mailbox.put(agent, name, payload)
        return True

    async def view(self, agent: str) -> AgentView | None:
        """Tell what this incarnation knows, or what the ledger says of an agent that had ended."""
        view = self._views.get(agent)
        # durable: guarded
        if view is None and (text := self._ledger.find(agent, END)) is not None:
            view = msgspec.json.decode(text, type=AgentView)
        return view

    async def close(self) -> None:
        """Drop all agents; close the ledger."""
        await self._agents.close()
        # durable: guarded
        if isinstance(self._ledger, SqliteLedger):
            await self._ledger.close()
        if self._llm is not None:
            await self._llm.close()

    async def _run(self, program: Program) -> None:
        assert self._llm is not None
        try:
            outcome = await run(program, self._llm, self._ledger, self._mailbox)
            view = AgentView(status="completed", output=outcome)
        except* (EngineError, UsageError) as errors:
            view = AgentView(status="failed", output=f"{errors}: {errors.exceptions!r}")
        # durable: guarded
        text = await self._ledger.keep(program.agent, END, msgspec.json.encode(view).decode())
        self._views[program.agent] = msgspec.json.decode(text, type=AgentView)


if __name__ == "__main__":
    main(ControlWorker)
