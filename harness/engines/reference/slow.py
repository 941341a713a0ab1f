"""A correct engine that is slow: what the gate's timings must find, and its costs must not.

It stands apart from the mutants, since it keeps every promise: no checker may go red on it.
"""

import asyncio
from collections.abc import Sequence

from harness.engines.llm import Answer, Message
from harness.engines.reference.policy import Policy

HOLD_S = 0.1
"""Added before each call."""


class Slow(Policy):
    """Keeps every promise, and waits 100 ms before each LLM call.

    Caught by the gate, as a regression of its timings.
    """

    async def ask(
        self, agent: str, name: str, messages: Sequence[Message], tools: Sequence[Message] | None
    ) -> Answer:
        """Wait, then ask."""
        await asyncio.sleep(HOLD_S)
        return await super().ask(agent, name, messages, tools)
