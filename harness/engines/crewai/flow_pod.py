"""The worker contract over CrewAI's flows.

After a kill the supervisor submits the slot's agents again, and the worker does what the
documentation says: a flow that waits for a word stays as it is, one with @persist is kicked off
again under its id, one with checkpoints is restored from a file, any other starts anew.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

from crewai.flow.async_feedback import HumanFeedbackPending
from crewai.flow.persistence import SQLiteFlowPersistence

from harness.commits import Commit
from harness.engines.contract import Surroundings
from harness.engines.crewai.adapter import NO_HISTORY
from harness.engines.crewai.checkpoints import Checkpoints, kept_in
from harness.engines.crewai.flow import Flows, inputs_of
from harness.engines.crewai.pod import CrewAIWorker
from harness.errors import EngineError
from harness.scenario import Program
from mock_llm import receipts

# durable: flow-persist
STATES = "flow_states.db"
# durable: flow-checkpoint
CHECKPOINTS = "checkpoints"
TAKEN_S, POLL_S = 8.0, 0.1
"""Less than the ten seconds that the harness waits; a process's first resume has taken four."""


class FlowWorker(CrewAIWorker):
    """See Worker, Receiver and Historian; each agent is a flow."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Raises as `CrewAIWorker`."""
        super().__init__(surroundings)
        self._folder = surroundings.state_dir
        self._programs: dict[str, Program] = {}
        self._resumed: dict[str, Any] = {}
        """Agent -> its flow, since it was given a word."""
        self._waiting: dict[str, str] = {}
        """Agent -> the event that its flow has paused for."""
        # durable: flow-checkpoint
        self._checkpoints = Checkpoints(self._folder / CHECKPOINTS)
        self._states: Any = None
        self._pauses: Any = None
        self._flows: Flows | None = None

    async def open(self) -> None:
        """Make what keeps state; nothing is resumed.

        Without @persist a flow that pauses is saved where CrewAI's own databases are.
        """
        # durable: flow-persist
        if self.variant.keeps == "state":
            self._states = SQLiteFlowPersistence(str(self._folder / STATES))
        self._pauses = self._states or SQLiteFlowPersistence()
        self._flows = Flows(self.means, self._states)
        await super().open()

    async def start(self, agent: str, program: Program) -> None:
        """See Worker."""
        self._programs.setdefault(agent, program)
        await super().start(agent, program)

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Resume a flow with the word that it waits for; True when its state has it.

        A flow has no mailbox, so a word that comes too early waits here for a while, and is then
        refused: the sender has it still.
        """
        program = self._programs.get(agent)
        if program is None:
            return False
        try:
            async with asyncio.timeout(TAKEN_S):
                while not await asyncio.to_thread(self._has_heard, agent, name):
                    if self._waiting.get(agent) == name:
                        del self._waiting[agent]
                        self.spawn(agent, self._resume(program, payload))
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise EngineError(f"{agent!r} has not taken {name!r} in {TAKEN_S:g} s") from error
        return True

    async def history(self, agent: str) -> list[Commit] | None:
        """The answers in each state of the flow that was kept, with the date of that.

        A method is kept when it has ended, so what an agent in it did on the way is never kept.
        """
        if self.variant.keeps == "nothing":
            raise EngineError(f"{self.about.variant}: {NO_HISTORY}")
        states = await asyncio.to_thread(self._kept, agent)
        found = [
            Commit(receipt=receipts.render(*shown), since_ns=at_ns, until_ns=at_ns)
            for at_ns, answers in states
            for shown in receipts.all_in("\n".join(answers.values()))
        ]
        return found if states else None

    def take(self, agent: str, outcome: Any) -> None:
        """It has ended, or waits."""
        if isinstance(outcome, HumanFeedbackPending):
            self._waiting[agent] = outcome.context.method_output
        else:
            super().take(agent, outcome)

    async def kick_off(self, program: Program) -> Any:
        """Kick off, kick off again, or leave it waiting; to the last answer or the next pause."""
        kind, agent = self._kind(program), program.agent
        if pending := self._pauses.load_pending_feedback(agent):
            return HumanFeedbackPending(context=pending[1])
        inputs: Any = inputs_of(program)
        if self.variant.keeps == "checkpoints":
            # durable: flow-checkpoint
            flow, is_restored = self._checkpoints.flow(kind, agent)
            # durable: flow-checkpoint
            inputs = None if is_restored else inputs
        else:
            flow = kind()
        return await flow.kickoff_async(inputs=inputs)

    async def _resume(self, program: Program, word: str) -> Any:
        """Go on with a flow that waits."""
        kept: dict[str, Any] = {}
        if self.variant.keeps == "checkpoints":
            # durable: flow-checkpoint
            kept = {"checkpoint": self._checkpoints.config(program.agent)}
        flow = self._kind(program).from_pending(program.agent, self._pauses, **kept)
        self._resumed[program.agent] = flow
        return await flow.resume_async(word)

    def _has_heard(self, agent: str, name: str) -> bool:
        """Whether the flow's state has the word: the kept one, where states are kept."""
        if self._states is not None:
            return name in (self._states.load_state(agent) or {}).get("answers", ())
        return agent in self._resumed and name in self._resumed[agent].state.answers

    def _kind(self, program: Program) -> Any:
        assert self._flows is not None
        return self._flows.of(program)

    def _kept(self, agent: str) -> list[tuple[int, dict[str, str]]]:
        """Of each state that was kept, nanoseconds since 1970 and answers."""
        if self._states is None:
            return kept_in(self._checkpoints.files(agent))
        with closing(sqlite3.connect(self._folder / STATES)) as database:
            rows = database.execute(
                "SELECT timestamp, state_json FROM flow_states WHERE flow_uuid = ?", (agent,)
            ).fetchall()
        return [
            (int(datetime.fromisoformat(at).timestamp() * 1e6) * 1000, json.loads(state)["answers"])
            for at, state in rows
        ]
