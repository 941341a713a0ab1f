"""Mutants that break S4: keys of effects, and how often one is applied."""

from harness.engines.llm import ToolCall
from harness.engines.reference.mutants.mutant import Mutant


class UnstableKey(Mutant):
    """Repeats an effect under another key than before, so that it is applied twice.

    Caught by S4 as key-instability. Needs tools.
    """

    async def act(self, agent: str, call: ToolCall) -> str:
        """Act under the right key, then under a new one."""
        receipt = await super().act(agent, call)
        path = call.argument("path")
        if self.is_chosen(agent):
            receipt = await self.llm.effect(
                agent, path, call.argument("value"), f"{self.key(agent, path)}/again"
            )
            self.planting.note(agent)
        return receipt


class KeyShared(Mutant):
    """Gives all effects of an agent one key, so that only the first is applied.

    Caught by S4 as key-shared. Needs tools, two turns of them.
    """

    def key(self, agent: str, path: str) -> str | None:
        """The agent's id alone."""
        if not self.is_chosen(agent):
            return super().key(agent, path)
        if not path.endswith(".t0.c0"):
            self.planting.note(agent)
        return agent


class DoubleApplied(Mutant):
    """Repeats an effect, both times without a key, so that it is applied twice.

    Caught by S4 as double-applied. Needs tools.
    """

    def key(self, agent: str, path: str) -> str | None:
        """None, for chosen agents."""
        return None if self.is_chosen(agent) else super().key(agent, path)

    async def act(self, agent: str, call: ToolCall) -> str:
        """Act twice, and take the second receipt."""
        receipt = await super().act(agent, call)
        if self.is_chosen(agent):
            receipt = await super().act(agent, call)
            self.planting.note(agent)
        return receipt
