"""The worker of the reference engine: `python -m harness.engines.reference.worker`."""

import platform

from harness.engines.contract import AgentView, Background, Surroundings, about_of, main
from harness.engines.llm import Llm
from harness.engines.reference.adapter import Reference
from harness.engines.reference.interpreter import Interpreter
from harness.engines.reference.memory import Memory
from harness.engines.reference.policy import Policy
from harness.engines.reference.variants import make_policy
from harness.scenario import Program

JOURNAL = "journal.jsonl"


class ReferenceWorker:
    """See Worker."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose the decisions of the variant.

        Raises:
            UsageError: no such variant.
        """
        spec = Reference().spec(surroundings.variant or "default")
        self.about = about_of(spec, python=platform.python_version())
        self._surroundings = surroundings
        self._agents = Background()
        self._memory: Memory | None = None
        self._llm: Llm | None = None
        self._policy: Policy | None = None

    async def open(self) -> None:
        """Read the journal and go on with every agent that has not ended."""
        # durable
        self._memory = await Memory.open(self._surroundings.state_dir / JOURNAL)
        self._llm = Llm(self._surroundings)
        self._policy = make_policy(
            self.about.variant, self._memory, self._llm, self._surroundings.state_dir
        )
        await self._agents.open()
        # durable
        for program in self._policy.resumed():
            self._run(program)

    async def start(self, agent: str, program: Program) -> None:
        """Journal the program, then run it, unless the agent is known."""
        assert self._policy is not None
        if await self._policy.admit(program):
            self._run(program)

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Journal the event, for whoever waits for it now or later."""
        assert self._policy is not None
        return self._policy.take_event(agent, name, payload)

    async def view(self, agent: str) -> AgentView | None:
        """Tell what the journal says."""
        assert self._memory is not None
        return self._memory.view(agent)

    def _run(self, program: Program) -> None:
        assert self._policy is not None
        self._agents.spawn(Interpreter(self._policy, self._run).run(program))

    async def close(self) -> None:
        """Stop all agents where they are; the next incarnation goes on with them."""
        if self._policy is not None:
            self._policy.close()
        await self._agents.close()
        if self._llm is not None:
            await self._llm.close()
        if self._memory is not None:
            self._memory.close()


if __name__ == "__main__":
    main(ReferenceWorker)
