"""Processes that outlive their incarnation: real ones, in a group of their own.

`python -m harness.engines.reference.mutants.survivors` reads its errand from stdin, waits until
the process that started it is gone, lets the replacement come up, and then does the errand in the
name of the incarnation that it belongs to. It ends by itself; one that is not needed is dismissed.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.engines.contract import Surroundings
from harness.engines.llm import Llm
from harness.engines.reference.interpreter import Interpreter
from harness.engines.reference.memory import Memory
from harness.engines.reference.planting import Planting
from harness.engines.reference.policy import Policy
from harness.errors import EngineError
from harness.scenario import Program

WATCH_S = 60.0
"""A survivor whose parent lives that long ends without having done anything."""
LATE_S = 2.0
"""From the parent's end, or the replacement's sign, to the errand: by then the fault is over."""
POLL_S = 0.05
OPENED = "opened"
"""Touched by each incarnation of a mutant that leaves effects behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect to have once more."""

    agent: str
    path: str
    value: str
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a survivor does; one of effect and program is there."""

    parent: int
    folder: Path
    effect: Effect | None = None
    program: Program | None = None

    @property
    def sign(self) -> Path | None:
        """A file that the replacement makes when it begins the same agent; None for an effect."""
        return sign_of(self.folder, self.program.agent) if self.program is not None else None


@dataclass(slots=True)
class Survivor:
    """One that was started."""

    process: asyncio.subprocess.Process

    def dismiss(self) -> None:
        """End it before its time."""
        if self.process.returncode is None:
            self.process.kill()

    async def watch_for(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            return


def sign_of(folder: Path, agent: str) -> Path:
    """Where a replacement says that it begins an agent whose first start a survivor holds."""
    return folder / f"again-{agent}"


async def start_effect(effect: Effect, folder: Path) -> Survivor:
    """Leave a process behind that has an effect again."""
    return await _start(Errand(parent=os.getpid(), folder=folder, effect=effect))


async def start_run(program: Program, folder: Path) -> Survivor:
    """Leave a process behind that runs an agent from the top."""
    return await _start(Errand(parent=os.getpid(), folder=folder, program=program))


async def _start(errand: Errand) -> Survivor:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(errand, enc_hook=str))
    process.stdin.close()
    return Survivor(process)


async def _survive(errand: Errand, surroundings: Surroundings) -> None:
    opened_ns = _opened_ns(errand)
    async with asyncio.timeout(WATCH_S):
        await _until_gone(errand.parent)
    async with asyncio.timeout(WATCH_S):
        # Without a replacement there is no zombie, only a late call.
        while errand.effect is not None and _opened_ns(errand) == opened_ns:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        # The sign is another process's file, so that only looking helps.
        while errand.sign is not None and not errand.sign.exists():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    await asyncio.sleep(LATE_S)
    llm = Llm(surroundings)
    try:
        agent = await (_act(errand.effect, llm) if errand.effect is not None else _run(errand, llm))
        Planting(mutant="", rate=1, folder=errand.folder).note(agent)
    finally:
        await llm.close()


def _opened_ns(errand: Errand) -> int:
    """When the latest incarnation said that it opens; 0 for never."""
    path = errand.folder / OPENED
    return path.stat().st_mtime_ns if path.exists() else 0


async def _until_gone(parent: int) -> None:
    gone = asyncio.Event()
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(handle, gone.set)
    # Its number may be another's by now, but a parent is only lost by its death.
    if os.getppid() == parent:
        await gone.wait()
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)


async def _act(effect: Effect, llm: Llm) -> str:
    await llm.effect(effect.agent, effect.path, effect.value, effect.key)
    return effect.agent


async def _run(errand: Errand, llm: Llm) -> str:
    program = errand.program
    assert program is not None
    memory = await Memory.open(errand.folder / f"survivor-{program.agent}.jsonl")
    memory.accept(program)
    policy = Policy(memory, llm)
    async with asyncio.TaskGroup() as group:

        def run_beside(one: Program) -> None:
            group.create_task(Interpreter(policy, run_beside).run(one))

        run_beside(program)
    memory.close()
    return program.agent


if __name__ == "__main__":
    try:
        asyncio.run(
            _survive(
                msgspec.json.decode(
                    sys.stdin.buffer.read(), type=Errand, dec_hook=lambda kind, value: kind(value)
                ),
                Surroundings.from_environ(os.environ),
            )
        )
    except (TimeoutError, EngineError) as error:
        sys.stderr.write(f"survivor: {error!r}\n")
