"""A worker with a knee that is known: so many slots, and an agent holds one for a fixed time.

`python bounded_worker.py SLOTS SECONDS`; what the LLM takes of the time does not matter.
"""

import asyncio
import sys

from harness.engines.contract import Surroundings, main
from harness.engines.reference.interpreter import Interpreter
from harness.engines.reference.worker import ReferenceWorker
from harness.scenario import Program

SLOTS, SECONDS = int(sys.argv[1]), float(sys.argv[2])


class BoundedWorker(ReferenceWorker):
    """The reference, with slots."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._slots = asyncio.Semaphore(SLOTS)

    def _run(self, program: Program) -> None:
        self._agents.spawn(self._held(program))

    async def _held(self, program: Program) -> None:
        assert self._policy is not None
        async with self._slots:
            due = asyncio.get_running_loop().time() + SECONDS
            await Interpreter(self._policy, self._run).run(program)
            await asyncio.sleep(due - asyncio.get_running_loop().time())


if __name__ == "__main__":
    main(BoundedWorker)
