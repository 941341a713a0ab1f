"""Child processes: each logged to a file, in a process group, dying with the harness, reaped by us.

A child is started from the main thread through ``setpriv --pdeathsig KILL``: the kernel sends that
signal when the starting *thread* ends. Reaping is by wait4, which also says what the child cost.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import Clock
from harness.errors import HarnessError, MachineError

KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "TZ"),
    # A Python that is found by it starts others.
    "LD_LIBRARY_PATH",
)
"""What a child has of our environment."""
TERM_S = 5.0
"""Grace after SIGTERM before SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a child ended and what it cost."""

    status: str
    """``exit 0`` or ``signal SIGKILL``."""
    cpu_s: float
    at_ns: int


@dataclass(slots=True)
class Process:
    """A child that is running, or has been reaped."""

    name: str
    pid: int
    group: int
    log: Path
    started_ns: int
    exit: Exit | None = None
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    _popen: subprocess.Popen[bytes] | None = None

    def last_lines(self, count: int = 8) -> str:
        """The end of the log, for messages."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(lines[-count:]) or "(the log is empty)"


class Processes:
    """Every child of one run. Use from the main thread of a running loop only."""

    def __init__(self, *, run: Path, logs: Path, clock: Clock) -> None:
        """``run``, the run's folder, is put into each child's environment: strays are found by it.

        Whole, as runs of two matrices share a name and may be under way at once.
        """
        self._run = str(run.resolve())
        self._keeper = identity_of(os.getppid())
        self.logs = logs
        self._clock = clock
        self.all: list[Process] = []
        self.on_exit: list[asyncio.Queue[Process]] = []

    def start(
        self,
        name: str,
        command: tuple[str, ...],
        *,
        environ: dict[str, str] | None = None,
        group: int = 0,
        folder: Path | None = None,
    ) -> Process:
        """Start a child in a new process group, or in the living group ``group``.

        Raises:
            MachineError: the command or setpriv is not there.
        """
        if threading.current_thread() is not threading.main_thread():
            raise HarnessError("a child must be started from the main thread: it dies with it")
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise MachineError("setpriv not found; it is part of util-linux: install that package")
        if shutil.which(command[0]) is None:
            raise MachineError(f"{name}: no command {command[0]!r}; expected one on PATH or a path")
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("ab") as sink:
            try:
                popen = subprocess.Popen(
                    (setpriv, "--pdeathsig", "KILL", "--", *command),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=self._environ(environ or {}),
                    process_group=group,
                    cwd=folder,
                )
            except OSError as error:
                raise MachineError(f"{name}: cannot start {command[0]!r}: {error}") from error
        process = Process(name, popen.pid, group or popen.pid, log, self._clock.monotonic_ns())
        process._popen = popen
        self.all.append(process)
        self._watch(process)
        return process

    async def kill(self, processes: list[Process], *, deadline_s: float = 10.0) -> None:
        """SIGKILL each whole process group at once, and reap; safe for the dead."""
        self.signal_groups(processes, signal.SIGKILL)
        await self._exits(processes, deadline_s)

    async def kill_one(self, process: Process, *, deadline_s: float = 10.0) -> None:
        """SIGKILL this process alone, not its group, and reap."""
        if process.exit is None:
            os.kill(process.pid, signal.SIGKILL)
        await self._exits([process], deadline_s)

    async def stop(self, processes: list[Process]) -> None:
        """SIGTERM, a grace, SIGKILL; reap."""
        self.signal_groups(processes, signal.SIGTERM)
        try:
            await self._exits(processes, TERM_S)
        except HarnessError:
            await self.kill(processes)

    def signal_groups(self, processes: list[Process], number: signal.Signals) -> None:
        """Send a signal to the groups of those still running."""
        for group in dict.fromkeys(p.group for p in processes if p.exit is None):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                continue

    async def _exits(self, processes: list[Process], deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                for process in processes:
                    await process.exited.wait()
        except TimeoutError:
            alive = ", ".join(f"{p.name} ({p.pid})" for p in processes if p.exit is None)
            raise HarnessError(
                f"not ended within {deadline_s:g} s of its signal: {alive}"
            ) from None

    def _environ(self, own: dict[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        ours = {"ONCEPROOF_RUN": self._run, "ONCEPROOF_KEEPER": self._keeper}
        return {**inherited, "PYTHONUNBUFFERED": "1", **ours, **own}

    def _watch(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        handle = os.pidfd_open(process.pid)

        def reap() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            _, status, usage = os.wait4(process.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            if process._popen is not None:
                process._popen.returncode = code
            process.exit = Exit(
                status=f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}",
                cpu_s=usage.ru_utime + usage.ru_stime,
                at_ns=self._clock.monotonic_ns(),
            )
            process.exited.set()
            for queue in self.on_exit:
                queue.put_nowait(process)

        loop.add_reader(handle, reap)


def identity_of(pid: int) -> str:
    """A process by id and start time, so that a later one under the same id is not taken for it."""
    try:
        tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{pid}.0"
    return f"{pid}.{tail[19]}"
